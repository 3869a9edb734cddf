"""Pages of docs/ that are written from the code, so that they cannot be wrong: `python -m tests.support.written_docs`."""

from __future__ import annotations

from pathlib import Path

from interceptor.options import GROUPS, Options
from interceptor.tui.keymap import CONTEXTS, Keymap

DOCS = Path(__file__).parents[2] / "docs"

_GROUPS = {
    "proxy": "Listening and connecting",
    "hosts": "Which hosts to look into",
    "access": "Who may use it",
    "tls": "TLS",
    "certificates": "Certificates",
    "limits": "Limits and times",
    "flows": "Flows",
    "files": "Files",
    "console": "The console",
    "dump": "`interceptor dump`",
}


def options_page() -> str:
    lines = [
        "# Options",
        "",
        "Set by `--set name=value` (repeat it for lists), in `~/.interceptor/config.yaml`, or in the console by `:set name value`. Names,",
        "types and meaning are mitmproxy's wherever it has the option. Written from the code by `python -m tests.support.written_docs`.",
    ]
    for group in GROUPS:
        lines += ["", f"## {_GROUPS.get(group, group)}", "", "| option | type | default | meaning |", "|---|---|---|---|"]
        for option in Options.definitions():
            if option.group == group:
                default = option.to_text(option.default)
                choices = f" One of {', '.join(f'`{choice}`' for choice in option.choices)}." if option.choices else ""
                text = f"{option.help}{choices}".replace("|", "\\|")
                lines.append(f"| `{option.name}` | {option.type} | {f'`{default}`' if default else ''} | {text} |")
    return "\n".join(lines) + "\n"


def keys_page() -> str:
    lines = [
        "# Keys",
        "",
        "Where the deed is mitmproxy's, so is the key. A key is looked up for the screen first, then among those of all lists, then among",
        "those that work everywhere. `?` shows the keys of the screen you are on. `~/.interceptor/keys.yaml` adds or replaces keys:",
        "",
        "    - key: ctrl e",
        "      cmd: flow.resume @all",
        "      ctx: [flowlist, flowview]",
        "      help: Let everything go",
        "",
        "Written from the code by `python -m tests.support.written_docs`.",
    ]
    keymap = Keymap()
    for context, where in CONTEXTS.items():
        bindings = keymap.bindings(context)
        if not bindings:
            continue
        lines += ["", f"## `{context}`: {where}", "", "| key | does | command |", "|---|---|---|"]
        for key, binding in bindings:
            command = binding.command.replace("|", "\\|")
            lines.append(f"| {_key(key)} | {binding.help.replace('|', chr(92) + '|')} | `{command}` |")
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return f"`{key}`" if key != "|" else "`\\|`"


PAGES = {"options.md": options_page, "keys.md": keys_page}


def main() -> None:
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())


if __name__ == "__main__":
    main()
