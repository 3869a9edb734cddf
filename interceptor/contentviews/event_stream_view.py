"""Server-sent events (WHATWG HTML §9.2) one by one, each with the time at which it was complete.

+1.20 s  message  #7
  {"price": 3}
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from interceptor.contentviews.json_view import show_json
from interceptor.contentviews.rendered import Cancelled, ContentFacts, JoinedLines, Line, NotThisView, Rendered, check
from interceptor.contentviews.text import show_text
from interceptor.contentviews.visible import escape_control

MOST_EVENTS: Final = 5_000
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
"""What is looked for. A line with its end, where there is none, would be looked for from every byte of it to its last."""
_FIELDS: Final = frozenset((b"data", b"event", b"id", b"retry"))
_JSON_UP_TO: Final = 64 * 1024
_FACTS_LIMIT: Final = 200


@dataclass(slots=True)
class Event:
    """`end` is where it ends in the body. Without a line of data it is no event for whoever listens, but a comment perhaps."""

    end: int = 0
    data: list[bytes] = field(default_factory=list)
    name: bytes = b""
    id: bytes = b""
    retry: bytes = b""
    comments: list[bytes] = field(default_factory=list)
    is_empty: bool = True


def events(body: bytes, cancelled: Cancelled) -> tuple[list[Event], int]:
    """Those that are complete, and where what follows them begins. NotThisView if no line is one of an event stream."""
    position = 3 if body.startswith(b"\xef\xbb\xbf") else 0
    found: list[Event] = []
    event, begin, is_stream = Event(), position, False
    for count, match in enumerate(_LINE_END.finditer(body, position)):
        if count % 4096 == 0:
            check(cancelled)
        line, position = body[position : match.start()], match.end()
        if not line:
            if not event.is_empty:
                event.end = match.end()
                found.append(event)
                event = Event()
            begin = match.end()
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        is_stream = is_stream or not name or name in _FIELDS
        event.is_empty = False
        match name:
            case b"data":
                event.data.append(value)
            case b"event":
                event.name = value
            case b"id":
                event.id = value
            case b"retry":
                event.retry = value
            case b"":
                event.comments.append(value)
    if not is_stream:
        raise NotThisView("not an event stream: no line begins with data:, event:, id:, retry: or a colon")
    return found, begin


def show_event_stream(body: bytes, facts: ContentFacts, cancelled: Cancelled) -> Rendered:
    found, begin = events(body, cancelled)
    shown: list[Sequence[Line]] = []
    left_out = max(len(found) - MOST_EVENTS, 0)
    if left_out:
        shown.append([[("marker", f'… {left_out} earlier events, which the view "raw" shows')], []])
    for event in found[left_out:]:
        check(cancelled)
        shown += _shown(event, facts, cancelled)
    if rest := body[begin:]:
        shown += [[[("marker", "not complete yet")]], show_text(rest, ContentFacts(), cancelled).lines]
    heard = sum(1 for event in found if event.data)
    count = "1 event" if heard == 1 else f"{heard} events"
    return Rendered("event stream", f"event stream, {count}", JoinedLines(shown))


def _shown(event: Event, facts: ContentFacts, cancelled: Cancelled) -> list[Sequence[Line]]:
    head: Line = []
    if (seconds := facts.seconds_at(event.end - 1)) is not None:
        head.append(("offset", f"+{seconds:.3f} s  "))
    if event.data:
        head.append(("header", _text(event.name) or "message"))
    else:
        head.append(("comment", "comment" if event.comments else "no data"))
    if event.id:
        head.append(("comment", f"  #{_text(event.id)}"))
    if event.retry:
        head.append(("comment", f"  retry {_text(event.retry)} ms"))
    lines: list[Sequence[Line]] = [[head]]
    lines += [[[("comment", f": {_text(comment)}")]] for comment in event.comments]
    data = b"\n".join(event.data)
    if data:
        lines.append(_data(data, cancelled))
    lines.append([[]])
    return lines


def _data(data: bytes, cancelled: Cancelled) -> Sequence[Line]:
    if data[:1] in (b"{", b"[") and len(data) <= _JSON_UP_TO:
        try:
            return show_json(data, cancelled).lines
        except NotThisView:
            pass
    return show_text(data, ContentFacts(), cancelled).lines


def _text(raw: bytes) -> str:
    return escape_control(raw[:_FACTS_LIMIT].decode("utf-8", "backslashreplace"))
