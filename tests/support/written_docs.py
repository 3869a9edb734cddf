"""Pages of docs/ that are written from the code, so that they cannot be wrong: `make docs`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from interceptor.options import GROUPS, Options
from interceptor.tui.keymap import CONTEXTS, Keymap
from interceptor.tui.options_screen import HEADINGS

DOCS = Path(__file__).parents[2] / "docs"
PACKAGE = Path(__file__).parents[2] / "interceptor"


def options_page() -> str:
    lines = [
        "# Options",
        "",
        "Set by `--set name=value` (repeat it for lists), in `~/.interceptor/config.yaml`, or in the console by",
        "`:set name value`. Names, types and meaning are mitmproxy's wherever it has the option.",
        "Written from the code by `make docs`.",
    ]
    for group in GROUPS:
        lines += ["", f"## {HEADINGS[group]}", "", "| option | type | default | meaning |", "|---|---|---|---|"]
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
        "Where the deed is mitmproxy's, so is the key. A key is looked up for the screen first, then among those of all",
        "lists, then among those that work everywhere. `?` shows the keys of the screen you are on.",
        "`~/.interceptor/keys.yaml` adds or replaces keys:",
        "",
        "    - key: ctrl e",
        "      cmd: flow.resume @all",
        "      ctx: [flowlist, flowview]",
        "      help: Let everything go",
        "",
        "Written from the code by `make docs`.",
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


def files_page() -> str:
    lines = [
        "# What is where",
        "",
        "Each module opens with its theory; its first sentence stands here. Written from the code by `make docs`.",
        "",
        "Beside the package: `tests/` mirrors it, with `tests/support/` (origins, clients, the proxy as a process),",
        "`tests/e2e/` (the real program among real ones) and `tests/bench/`; `pyproject.toml` holds the settings of all",
        "tools, and who may import whom; `Makefile` and `tools/setup-venv` are what `make` does; `.ci/run` guards main.",
    ]
    for folder in sorted({path.parent for path in PACKAGE.rglob("*.py")}):
        name = folder.relative_to(PACKAGE.parent).as_posix()
        about = _first_sentence(folder / "__init__.py")
        lines += ["", f"## `{name}/`", *(["", about] if about else []), "", "| file | what it is |", "|---|---|"]
        for path in sorted(folder.glob("*.py")):
            if path.name != "__init__.py":
                lines.append(f"| `{path.name}` | {_first_sentence(path).replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def _first_sentence(path: Path) -> str:
    theory = ast.get_docstring(ast.parse(path.read_text())) or ""
    paragraph = " ".join(theory.split("\n\n")[0].split())
    return re.split(r"(?<=[.;]) (?=[A-Z])", paragraph)[0]


PAGES = {"files.md": files_page, "options.md": options_page, "keys.md": keys_page}


def main() -> None:
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())


if __name__ == "__main__":
    main()
