"""The messages of a raw conversation or a WebSocket, one below the other, each under a line that says whither and when.

    → server     +0.0 ms      7b
    EHLO me
    ← server     +4.1 ms      8b  edited
    250 ok

`Said` is a snapshot of one message: made in the event loop, shown in a worker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from interceptor.contentviews.framing import LOOKED_AT, framing
from interceptor.model.body import Body, MemoryBody
from interceptor.model.flow import Flow, HeldMessage, HttpFlow, Opcode, TcpFlow, TcpMessage, WebSocketMessage
from interceptor.specs.sizes import format_size
from interceptor.tui.present.text import Line, to_width_right
from interceptor.tui.present.timing import offset

FEW: Final = 500
"""So many messages are shown unless all are asked for: the newest."""

MANY: Final = 20_000
"""So many if all are asked for: what can be gone through without anybody waiting for it."""

HELD_NOTE: Final = "held"
LONGEST: Final = 64 * 1024
"""So much of one message."""


_NOTE_STYLES: Final = {"text": "note", HELD_NOTE: "held"}


@dataclass(frozen=True, slots=True)
class Said:
    from_client: bool
    body: Body
    size: int
    timestamp: float
    notes: tuple[str, ...]
    version: object  # equal as long as the message shows the same
    is_raw: bool = False  # nobody knows where in it one thing ends and another begins: it may be guessed


def said(flow: Flow, is_full: bool, held: Sequence[HeldMessage] = ()) -> tuple[list[Said], int]:
    """The messages to show, those that wait behind those that have gone on, and how many earlier ones are left out."""
    listed, left_out = _gone_on(flow, is_full)
    return listed + [_of_held(message, isinstance(flow, TcpFlow)) for message in held], left_out


def _gone_on(flow: Flow, is_full: bool) -> tuple[list[Said], int]:
    most = MANY if is_full else FEW
    if isinstance(flow, HttpFlow):
        spoken = flow.websocket.messages if flow.websocket is not None else []
        left_out = max(len(spoken) - most, 0)
        return [_of_websocket(message) for message in spoken[left_out:]], left_out
    if not isinstance(flow, TcpFlow):
        return [], 0
    left_out = max(len(flow.messages) - most, 0)
    return [_of_stream(message) for message in flow.messages[left_out:]], left_out


def _of_held(message: HeldMessage, is_raw: bool) -> Said:
    content = message.content
    notes = (*(("text",) if message.is_text else ()), HELD_NOTE, *(("edited",) if content != message.received else ()))
    return Said(message.from_client, MemoryBody(content), len(content), message.timestamp, notes, (content, notes), is_raw)


def _of_websocket(message: WebSocketMessage) -> Said:
    told = [
        (message.opcode.name.lower(), True),
        ("dropped", message.is_dropped),
        ("edited", message.original is not None),
        ("injected", message.is_injected),
    ]
    notes = tuple(word for word, is_true in told if is_true)
    body = message.body
    if message.opcode is Opcode.CLOSE and body.size >= 2:  # a code, then a reason
        raw = body.read(0, 125)
        notes = f"close {int.from_bytes(raw[:2], 'big')}", *notes[1:]
        body = MemoryBody(raw[2:])
        return Said(message.from_client, body, len(raw), message.timestamp, notes, (message.timestamp, raw, notes))
    identity = body if isinstance(body, MemoryBody) else None
    return Said(message.from_client, body, body.size, message.timestamp, notes, (message.timestamp, body.size, notes, identity))


def _of_stream(message: TcpMessage) -> Said:
    edited = message.original is not None
    told = ("dropped", message.is_dropped), ("edited", edited), ("injected", message.is_injected)
    notes = tuple(word for word, is_true in told if is_true)
    body = message.body
    # The session makes the record and its body anew for each look; only a body of its own can be recognised.
    identity = body if isinstance(body, MemoryBody) else None
    version = message.timestamp, body.size, notes, identity
    return Said(message.from_client, body, body.size, message.timestamp, notes, version, is_raw=True)


def stream_lines(
    messages: Sequence[Said], left_out: int, zero: float, show: Callable[[Body], Sequence[Line]], cancelled: Callable[[], bool]
) -> list[Line]:
    """`show` makes lines of one message; all of it stops early if `cancelled`."""
    lines: list[Line] = []
    if left_out:
        lines += [[("more", f"{left_out} earlier message{'' if left_out == 1 else 's'} not shown")], []]
    for message in messages:
        if cancelled():
            break
        whither: Line = [("method", "→ server ")] if message.from_client else [("type text", "← server ")]
        facts = to_width_right(offset(message.timestamp - zero), 12) + to_width_right(format_size(message.size), 8)
        line: Line = [*whither, ("note", facts)]
        line += [(_NOTE_STYLES.get(note, "warning"), f"  {note}") for note in message.notes]
        if message.is_raw and message.size <= LOOKED_AT and (guess := framing(message.body.read(0, LOOKED_AT))):
            line.append(("note", f"  {guess}"))
        lines.append(line)
        body = message.body
        if message.size > LONGEST:
            lines += show(MemoryBody(body.read(0, LONGEST)))
            lines.append([("more", f"… only the first {format_size(LONGEST)} of this message are shown")])
        else:
            lines += show(body)
        lines.append([])
    return lines
