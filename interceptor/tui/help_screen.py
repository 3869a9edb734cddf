"""Help: the keys of the screen that one came from, and the filter expressions. Both are looked up, so they are what is true."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import urwid

from interceptor.tui.keymap import CONTEXTS, Keymap
from interceptor.tui.pager import Pager
from interceptor.tui.paint import Line, Segment, paint, width_of
from interceptor.tui.quick_help import key_text
from interceptor.tui.screens import Hint, Screen, Step

TABS: Final = ("Keys", "Filter expressions")

_ON_LINES: Final = (
    ("ctrl a  ctrl e", "beginning, end of the line"),
    ("ctrl w  ctrl u  ctrl k", "cut the word before the cursor, all before it, all behind it"),
    ("ctrl y", "put in what was cut"),
    ("tab  shift tab", "complete; go through what is possible"),
    ("up  down", "lines typed before that begin like this one"),
    ("ctrl x", "go on in $EDITOR, where a part of a flow is edited"),
    ("esc", "leave without doing anything"),
)
_ON_FLOWS: Final = (
    ("@focus", "the flow under the cursor"),
    ("@shown  @hidden", "what the filter shows, what it hides"),
    ("@marked  @unmarked", "by mark"),
    ("@all", "every flow"),
    ("@4,7", "flows by their number"),
    ("~d example.com", "flows that match a filter; quote it if it holds a blank"),
)
_FILTER_NOTES: Final = (
    "Put together: !a (not), a & b or a b (and), a | b (or), (…).",
    "Patterns are regular expressions as in Python; quote them if they hold a blank: ~u 'a b'.",
    "A word alone is looked for in the URL.",
)


class HelpScreen(Screen):
    context = "help"
    title = "Help"

    def __init__(self, keymap: Keymap, context: str, operators: Sequence[tuple[str, str]]) -> None:
        """`context` is that of the screen below; `operators` are (operator, meaning) of the filter language."""
        self._tab = 0
        self._pages = [_key_lines(keymap, context), _filter_lines(operators)]
        self._pagers = [Pager(partial(_same, lines)) for lines in self._pages]

    @property
    def _pager(self) -> Pager:
        return self._pagers[self._tab]

    def navigate(self, step: Step) -> None:
        match step:
            case Step.UP | Step.DOWN:
                self._pager.move(-1 if step is Step.UP else 1)
            case Step.PAGE_UP | Step.PAGE_DOWN:
                self._pager.page(-1 if step is Step.PAGE_UP else 1)
            case Step.START:
                self._pager.start()
            case Step.END:
                self._pager.end()
            case Step.NEXT | Step.RIGHT | Step.LEFT | Step.PREVIOUS:
                self._tab = (self._tab + 1) % len(TABS)

    def search(self, pattern: str, is_backwards: bool) -> str:
        return self._pager.search(pattern, is_backwards)

    def search_next(self) -> str:
        return self._pager.search_next()

    def search_previous(self) -> str:
        return self._pager.search_previous()

    def mouse(self, size: tuple[int, int], event: str, button: int, column: int, row: int) -> bool:
        if event == "mouse press" and button == 1 and row == 0:
            self._tab = 0 if column < size[0] // 2 else 1
            return True
        return False

    def hints(self) -> Sequence[Hint]:
        return (
            ("console.nav.down", "Down"),
            ("console.nav.up", "Up"),
            ("console.nav.next", "Next tab"),
            ("console.search", "Search"),
            ("console.search.next", "Next match"),
        )

    def render(self, size: tuple[int, int]) -> urwid.Canvas:
        columns, rows = size
        half = columns // 2
        tabs: Line = [
            ("tab selected" if index == self._tab else "tab", name.center(half if index == 0 else columns - half))
            for index, name in enumerate(TABS)
        ]
        upper = paint([tabs], (columns, 1))
        if rows < 2:
            return upper
        return urwid.CanvasCombine([(upper, None, False), (self._pager.render((columns, rows - 1)), None, True)])


def _same(lines: list[Line]) -> Sequence[Line]:
    return lines


def _table(pairs: Sequence[tuple[str, str]], width: int | None = None) -> list[Line]:
    width = width or max((width_of(left) for left, _ in pairs), default=0)
    return [[("key", f"  {left}{' ' * max(2, width - width_of(left) + 2)}"), ("text", right)] for left, right in pairs]


def _section(name: str) -> list[Line]:
    line: list[Segment] = [("section", name)]
    return [line]


def _key_lines(keymap: Keymap, context: str) -> list[Line]:
    lines: list[Line] = []
    if context not in ("global", "commonkey"):
        lines += _section(f"Keys for {CONTEXTS.get(context, context)}")
        lines += _keys(keymap, context, context)
    lines += [[], *_section("Keys for every screen"), *_keys(keymap, "global", context)]
    lines += [[], *_section("On the command line"), *_table(_ON_LINES, 22)]
    lines += [[], *_section("Which flows a command is for"), *_table(_ON_FLOWS, 22)]
    return lines


def _keys(keymap: Keymap, wanted: str, context: str) -> list[Line]:
    """One row for each command, with all of its keys."""
    rows: dict[tuple[str, str], list[str]] = {}
    for key, binding in keymap.bindings(wanted):
        if keymap.find(context, key) is binding:
            rows.setdefault((binding.command, binding.help), []).append(key_text(key))
    return _table([("  ".join(keys), help_text or command) for (command, help_text), keys in rows.items()], 16)


def _filter_lines(operators: Sequence[tuple[str, str]]) -> list[Line]:
    lines: list[Line] = [[("text", note)] for note in _FILTER_NOTES]
    return [*lines, [], *_table(operators)]
