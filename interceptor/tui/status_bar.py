"""The line above the hints: where the cursor is, what is filtered, held and followed, and where clients connect.

    ⇩ [2/8] 3 held [marked only] [i:~q] [f:~d example] [following] [headers:1] [W:flows]        [127.0.0.1:8080]

Pure: from facts to a line. Tags come in mitmproxy's order and spelling where mitmproxy has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from interceptor.tui.paint import Line, Segment, cut, line_width, spread, visible


@dataclass(slots=True)
class Status:
    focus: int = 0  # counted from 1, 0 if there is none
    shown: int = 0
    total: int = 0
    held: int = 0
    is_reversed: bool = False
    order: str = "time"
    is_marked_only: bool = False
    intercept: str | None = None
    is_intercepting: bool = False
    view_filter: str | None = None
    is_refiltering: bool = False  # not every flow has been looked at yet
    is_reordering: bool = False  # still shown in the order before
    is_following: bool = False
    is_follow_paused: bool = False
    tags: Sequence[str] = ()
    addresses: Sequence[str] = field(default_factory=tuple)


def status_line(status: Status, columns: int) -> Line:
    arrow = "⇧" if status.is_reversed else "⇩"
    count = f"[{status.focus}/{status.shown}]"
    if status.total != status.shown:
        count = f"[{status.focus}/{status.shown} of {status.total}]"
    left: list[Segment] = [("status", f"{arrow} "), ("status key", count)]
    if status.held:
        left += [("status", " "), ("status held", f" {status.held} held ")]
    if status.is_marked_only:
        left += [("status", " "), ("status tag", "[marked only]")]
    room = max(12, columns // 3)
    if status.intercept is not None:
        text = f"[{'' if status.is_intercepting else 'X'}i:{cut(visible(status.intercept), room)}]"
        left += [("status", " "), ("status tag" if status.is_intercepting else "status", text)]
    if status.view_filter is not None:
        text = f"[f:{cut(visible(status.view_filter), room)}{' …' if status.is_refiltering else ''}]"
        left += [("status", " "), ("status tag", text)]
    if status.order != "time" or status.is_reordering:
        left += [("status", " "), ("status tag", f"[order:{status.order}{' …' if status.is_reordering else ''}]")]
    if status.is_following:
        text = "[follow paused: F or the newest goes on]" if status.is_follow_paused else "[following]"
        left += [("status", " "), ("status tag", text)]
    for tag in status.tags:
        left += [("status", " "), ("status tag", f"[{visible(tag)}]")]
    right: list[Segment] = [("status", f"[{address}]") for address in map(visible, status.addresses)]
    while len(right) > 1 and line_width(left) + line_width(right) >= columns:
        right = [right[0], ("status", f"[+{len(status.addresses) - 1}]")] if len(right) > 2 else right[:1]
    if not right:
        right = [("status warn", "[not listening]")]
    return spread(left, right, columns, "status")
