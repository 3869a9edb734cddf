"""Engine.IO packets and the Socket.IO packets in them (protocol versions 3 to 5 of both), one after the other.

42/chat,7["message",{"text":"hi"}]  ─▸  message · EVENT · namespace /chat · id 7, and the JSON indented
packets of one HTTP body are separated by U+001E, in older versions begin with their length: `16:42["a","b"]…`
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from interceptor.contentviews.json_view import show_json
from interceptor.contentviews.rendered import Cancelled, JoinedLines, Line, NotThisView, Rendered, check
from interceptor.contentviews.source_lines import PlainLines
from interceptor.contentviews.visible import styled_bytes

MOST_PACKETS: Final = 10_000
_ENGINE: Final = ("open", "close", "ping", "pong", "message", "upgrade", "noop")
_SOCKET: Final = ("CONNECT", "DISCONNECT", "EVENT", "ACK", "CONNECT_ERROR", "BINARY_EVENT", "BINARY_ACK")
_PACKET: Final = re.compile(rb"([0-6])(?:(\d{1,9})-)?+(/[^,]{0,1000}+,?+)?+(\d{1,18})?+(.*)", re.DOTALL)
_LENGTH: Final = re.compile(rb"(\d{1,9}):(?=[0-6b])")


def show_socketio(body: bytes, cancelled: Cancelled) -> Rendered:
    parts: list[Sequence[Line]] = []
    count = 0
    for packet in _packets(body):
        check(cancelled)
        parts += _packet(packet, cancelled)
        count += 1
        if count == MOST_PACKETS:
            parts.append([[("marker", f"… only the first {MOST_PACKETS} packets are shown")]])
            break
    return Rendered("socket.io", f"Socket.IO, {'1 packet' if count == 1 else f'{count} packets'}", JoinedLines(parts))


def _packets(body: bytes) -> Iterator[bytes]:
    if not body:
        raise NotThisView("no Socket.IO packet")
    if _LENGTH.match(body) is None:
        yield from body.split(b"\x1e", MOST_PACKETS)
        return
    position = 0
    while position < len(body):
        found = _LENGTH.match(body, position)
        if found is None:
            raise NotThisView("not Socket.IO: a packet without its length")
        # The length counts characters, as JavaScript does.
        text = body[found.end() : found.end() + 4 * int(found[1])].decode("utf-8", "surrogateescape")[: int(found[1])]
        packet = text.encode("utf-8", "surrogateescape")
        yield packet
        position = found.end() + len(packet)


def _packet(packet: bytes, cancelled: Cancelled) -> list[Sequence[Line]]:
    kind = packet[:1]
    if kind == b"b":
        return [[[("header", "message"), ("comment", "  binary, base64")]], PlainLines(packet[1:], "string"), [[]]]
    if not kind or kind not in b"0123456":
        raise NotThisView(f"not Socket.IO: no packet begins with {packet[:1].decode('latin-1')!r}")
    title: Line = [("header", _ENGINE[int(kind)])]
    content = packet[1:]
    inner = _PACKET.fullmatch(content) if kind == b"4" else None
    if inner is not None:
        title.append(("keyword", f"  {_SOCKET[int(inner[1])]}"))
        for name, value in (("attachments", inner[2]), ("namespace", inner[3]), ("id", inner[4])):
            if value:
                title += [("comment", f"  {name} "), *styled_bytes("string", value.rstrip(b","))]
        content = inner[5]
    if not content:
        return [[title], [[]]]
    try:
        lines = show_json(content, cancelled).lines
    except NotThisView:
        lines = PlainLines(content, "string")
    return [[title], lines, [[]]]
