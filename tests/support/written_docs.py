"""Pages of docs/ that are written from the code, so that they cannot be wrong: `make docs`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from interceptor.options import GROUPS, Options
from interceptor.runs import all_commands
from interceptor.specs.filter import operators
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
        for option in Options.declared():
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


def filters_page() -> str:
    lines = [
        "# Filters",
        "",
        "A filter says which flows are meant: for the list (`f`), for interception (`i`), for commands",
        "(`flow.mark '~c 5xx' true`), for `dump` and for files. A bare word means `~u word`.",
        "",
        "    ~m POST & ~d example.com          both",
        "    ~c 4xx | ~c 5xx                   either",
        "    !~a                               not",
        "    (~t json | ~t xml) & ~size >10k   brackets",
        "    ~b 'two words'                    quotes, where there are blanks or brackets",
        "",
        "Two filters beside each other are both meant. Patterns are regular expressions, found anywhere, in whatever case",
        "(`INTERCEPTOR_CASE_SENSITIVE_FILTERS=1` makes case count). Written from the code by `make docs`.",
        "",
        "| operator | means | example |",
        "|---|---|---|",
    ]
    for each in operators():
        lines.append(f"| `{f'{each.name} {each.argument}'.strip()}` | {each.help} | `{each.example}` |")
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    lines = [
        "# Commands",
        "",
        "What can be typed behind `:`, bound to a key (`K`), or be part of another command. Arguments in brackets may be left",
        "out.",
        "`flows` are `@focus`, `@shown`, `@hidden`, `@marked`, `@unmarked`, `@all`, numbers (`@4,7`) or a [filter](filters.md);",
        "`+` before a file's name appends. Names are mitmproxy's where it has the command. Written from the code by `make docs`.",
    ]
    commands = all_commands(Options())
    family = ""
    for name in commands.names():
        if name.partition(".")[0] != family:
            family = name.partition(".")[0]
            lines += ["", f"## {family}", "", "| command | does |", "|---|---|"]
        lines.append(f"| `{_cell(commands.signature(name))}` | {_cell(commands.help(name))} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


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
    source = path.read_text()
    beginning = re.match(r'r?("""|\'\'\').*?\1', source, re.DOTALL)  # quicker than to parse all of it
    theory = ast.get_docstring(ast.parse(beginning[0] if beginning else source)) or ""
    paragraph = " ".join(theory.split("\n\n")[0].split())
    return re.split(r"(?<=[.;]) (?=[A-Z])", paragraph)[0]


PAGES = {
    "files.md": files_page,
    "options.md": options_page,
    "keys.md": keys_page,
    "filters.md": filters_page,
    "commands.md": commands_page,
}


def main() -> None:
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())


if __name__ == "__main__":
    main()
