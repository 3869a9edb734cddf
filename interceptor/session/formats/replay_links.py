"""What a replay in a file is a replay of: by the file's numbers, and after loading by those that flows have got here.

    as read, with the file's numbers ─ met() ─▸ id 0, replay_of here if known ─▸ whoever reads adds it to a list
                                     taken() ◂─ by then it has a number here ◂─┘

Flows may stand in any order, so a replay may come before what it is a replay of; it is put right when that comes, and `linked`
is told. What is not in the file stays unknown: 0. In a file that several sessions were written to, one after the other, the
nearest flow of that number is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from interceptor.model.flow import Flow

_MOST_WAITING: Final = 100_000


class ReplayLinks:
    """For the flows of one file."""

    def __init__(self, linked: Callable[[Flow], None]) -> None:
        self._linked = linked
        self._here: dict[int, int] = {}
        self._waiting: dict[int, list[Flow]] = {}
        self._waiting_count = 0

    def met(self, flow: Flow) -> int:
        """Before the flow is given away; `taken` wants what this returns."""
        number, flow.id = flow.id, 0
        original = flow.replay_of
        if original:
            flow.replay_of = self._here.get(original, 0)
            if not flow.replay_of and self._waiting_count < _MOST_WAITING:
                self._waiting.setdefault(original, []).append(flow)
                self._waiting_count += 1
        return number

    def taken(self, flow: Flow, number: int) -> None:
        """It may have a number here by now."""
        if not number or not flow.id:
            return
        self._here[number] = flow.id
        for replay in self._waiting.pop(number, ()):
            replay.replay_of = flow.id
            self._waiting_count -= 1
            self._linked(replay)


def nobody(flow: Flow) -> None:
    """For whoever looks at each flow once, and then no more."""
