"""The sessions that there are, the last changed first: flows, size, time. Enter opens one.

What each holds is read from its file by a worker, when the screen opens and when something has changed; until then there is a
line that says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from interceptor.session.sessions import SessionFacts, is_unnamed
from interceptor.specs.sizes import format_size
from interceptor.tui.listing import Listing, Row
from interceptor.tui.paint import Line
from interceptor.tui.present.text import to_width
from interceptor.tui.screens import Hint

_NAME_COLUMNS: Final = 30


class SessionsScreen(Listing):
    context = "sessions"
    title = "Sessions"

    def __init__(self, open_session: Callable[[Path], None]) -> None:
        super().__init__()
        self._open_session = open_session
        self._facts: Sequence[SessionFacts] | None = None
        self._own: Path | None = None

    def show(self, facts: Sequence[SessionFacts], own: Path | None) -> None:
        """`own` is the one that is open here."""
        if self._facts is None and own is not None:
            self.go_to(str(own))
        self._facts, self._own = facts, own

    def rows(self) -> Sequence[Row]:
        if self._facts is None:
            return [Row("", [("dim", " reading what there is …")], [], "")]
        if not self._facts:
            return [Row("", [("dim", " there are no sessions yet")], [], "")]
        return [self._row(each) for each in self._facts]

    def _row(self, facts: SessionFacts) -> Row:
        is_own = facts.path == self._own
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(facts.changed_at))
        flows = f"{facts.flows:,} flow{'' if facts.flows == 1 else 's'}" if not facts.problem else "?"
        note = "open here" if is_own else "open elsewhere" if facts.is_open else facts.problem and "cannot be opened"
        line: Line = [
            ("mark" if is_own else "text", " ● " if is_own else "   "),
            ("dim" if is_unnamed(facts.path) else "key", to_width(facts.name, _NAME_COLUMNS)),
            ("text", f" {flows:>15}  {format_size(facts.size):>7}  "),
            ("dim", when),
            ("error" if facts.problem else "note", f"  {note}" if note else ""),
        ]
        about: list[Line] = [[("strong", str(facts.path))]]
        if facts.problem:
            about.append([("error", facts.problem)])
        elif is_own:
            about.append([("text", "This is the one that is open.")])
        elif facts.is_open:
            about.append([("text", "Another program has it open: here it can only be read.")])
        elif is_unnamed(facts.path):
            about.append([("text", "Without a name: the ten newest of these are kept.")])
        return Row(str(facts.path), line, about, f"{facts.name} {facts.path}")

    def select(self) -> None:
        if self._facts and (path := self.current):
            self._open_session(Path(path))

    def hints(self) -> Sequence[Hint]:
        return (
            ("console.nav.select", "Open"),
            ("console.command session.name", "Name this one"),
            ("session.close", "New"),
            ("session.purge", "Purge"),
            ("session.compact", "Compact"),
            ("console.search", "Search"),
        )
