"""All options by group, each with its value: what was changed stands out, and each is changed in the way that suits it.

    enter ─┬ switch       ─▸ the other value
           ├ choices      ─▸ chooser
           ├ list         ─▸ grid editor, a value a row
           └ text, number ─▸ prompt

A value that is refused is kept in its prompt or table, with the reason, until it is right or one leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from interceptor.options import GROUPS, OptionDefinition, Options
from interceptor.specs.errors import UserError
from interceptor.tui.chooser import Chooser
from interceptor.tui.grid_editor import GridEditor
from interceptor.tui.grid_editor import Row as GridRow
from interceptor.tui.listing import Listing, Row
from interceptor.tui.paint import Line
from interceptor.tui.prompt import Prompt
from interceptor.tui.screens import Hint, Screen

HEADINGS: Final = {
    "proxy": "Listening and connecting",
    "hosts": "Which hosts to look into",
    "access": "Who may use it",
    "rules": "Rules for requests and responses",
    "scripts": "Scripts",
    "tls": "TLS",
    "certificates": "Certificates",
    "dns": "DNS",
    "limits": "Limits and times",
    "flows": "Flows",
    "files": "Files",
    "console": "The console",
    "dump": "interceptor dump",
}
_NOT_HERE: Final = {"confdir"}
"""Known from the start on: a change would find half of the program elsewhere."""


class Desk(Protocol):
    """What the screen needs of the console."""

    chooser: Chooser | None

    def tell(self, message: str) -> None: ...
    def choose(self, chooser: Chooser) -> None: ...
    def open_prompt(self, prompt: Prompt) -> None: ...
    def close_prompt(self) -> None: ...
    def push(self, screen: Screen) -> None: ...


class OptionsScreen(Listing):
    context = "options"
    title = "Options"

    def __init__(self, options: Options, desk: Desk, more_choices: Callable[[str], Sequence[str]]) -> None:
        """`more_choices` are those of options whose choices only the running program knows; mostly none."""
        super().__init__()
        self._options, self._desk, self._more_choices = options, desk, more_choices

    def rows(self) -> Sequence[Row]:
        definitions = {group: [each for each in self._options.definitions() if each.group == group] for group in GROUPS}
        return [self._row(each) for group in GROUPS for each in definitions[group]]

    def _row(self, definition: OptionDefinition[Any]) -> Row:
        name = definition.name
        is_changed = not self._options.is_default(name)
        value = self._options.text_of(name)
        line: Line = [
            ("changed" if is_changed else "cursor", " • " if is_changed else "   "),
            ("key", f"{name:<36} "),
            ("changed" if is_changed else "text", value) if value else ("faint", "empty" if definition.kind == "list" else "–"),
        ]
        default = definition.to_text(definition.default) or ("empty" if definition.kind == "list" else "not set")
        facts: list[tuple[str, str]] = [("dim", f"{name}, {definition.type}. Default: "), ("text", default)]
        about: list[Line] = [[("text", definition.help)], facts]
        if choices := self._choices(definition):
            about.append([("dim", "One of: "), ("text", ", ".join(choices))])
        if name in _NOT_HERE:
            about.append([("warning", f"Set at the start only: --set {name}=…")])
        searched = f"{name} {value} {definition.help}"
        return Row(name, line, about, searched, HEADINGS[definition.group])

    def _choices(self, definition: OptionDefinition[Any]) -> Sequence[str]:
        return definition.choices or self._more_choices(definition.name)

    def hints(self) -> Sequence[Hint]:
        return (
            ("console.nav.select", "Change"),
            ("console.search", "Search"),
            ("console.options.reset.focus", "Reset"),
            ('console.command.confirm "Reset all options?"', "Reset all"),
            ("console.nav.next", "Next group"),
            ("console.command options.save", "Save"),
            ("console.command options.load", "Load"),
        )

    # -- changing ---------------------------------------------------------------------------------------------------------

    def reset_focused(self) -> None:
        if (name := self.current) is not None:
            self._changeable(name)
            self._options.reset(name)
            self._desk.tell(f"{name}: {self._options.text_of(name) or 'not set'}")

    def select(self) -> None:
        if (name := self.current) is None:
            return
        definition = self._changeable(name)
        if definition.kind == "bool":
            self._options.update(**{name: not getattr(self._options, name)})
        elif definition.kind == "list":
            self._edit_list(name)
        elif choices := self._choices(definition):
            self._choose(name, choices)
        else:
            self._ask(name, self._options.text_of(name))

    def _changeable(self, name: str) -> OptionDefinition[Any]:
        if name in _NOT_HERE:
            raise UserError(f"{name} can be set at the start only: --set {name}=…")
        return self._options.definition(name)

    def _choose(self, name: str, choices: Sequence[str]) -> None:
        def chosen(choice: str | None) -> None:
            self._desk.chooser = None
            if choice is not None:
                self._options.set_text(name, choice)

        self._desk.choose(Chooser(name, choices, chosen, self._options.text_of(name)))

    def _edit_list(self, name: str) -> None:
        def save(rows: list[GridRow]) -> None:
            self._options.update(**{name: [row[0] for row in rows]})

        values = [(value,) for value in getattr(self._options, name)]
        about = self._options.definition(name).help
        self._desk.push(GridEditor(f"{name}: {about}", ("Value",), values, save, self._desk.tell))

    def _ask(self, name: str, text: str, refused: str = "") -> None:
        """`refused` is why the text was not taken."""
        definition = self._options.definition(name)
        about = f"{definition.type}: {definition.help}" + (" Empty: not set." if definition.is_optional else "")

        def done(typed: str | None) -> None:
            self._desk.close_prompt()
            if typed is None:
                return
            try:
                self._options.set_text(name, typed)
            except UserError as error:
                self._ask(name, typed, error.message)

        def hint(typed: str) -> str:
            return refused if refused and typed == text else about

        self._desk.open_prompt(Prompt(f"{name}: ", done, text, is_valid=lambda typed: not refused or typed != text, hint=hint))
