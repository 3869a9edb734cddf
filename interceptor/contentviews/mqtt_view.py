"""MQTT control packets, several in a row, with the fields that people look for (OASIS MQTT 3.1.1 and 5.0).

    PUBLISH  QoS 1  retain
      topic: sensors/1   packet: 7
      {"celsius": 21.5}

Properties of version 5 are shown as bytes where a packet can be told to have them: after a CONNECT that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from interceptor.contentviews.charset import looks_binary
from interceptor.contentviews.hexdump import HexLines
from interceptor.contentviews.rendered import Cancelled, JoinedLines, Line, NotThisView, Rendered, check
from interceptor.contentviews.source_lines import PlainLines
from interceptor.contentviews.visible import styled_bytes

MOST_PACKETS: Final = 10_000
_SHOWN_PAYLOAD: Final = 64 * 1024
_NAMES: Final = (
    "", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE",
    "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
)  # fmt: skip
_FLAGS: Final = {6: 2, 8: 2, 10: 2}  # those that the protocol fixes; 0 for all others but PUBLISH
_REFUSALS: Final = ("accepted", "wrong version", "identifier rejected", "server unavailable", "bad login", "not authorised")


@dataclass(slots=True)
class _Packet:
    kind: int
    flags: int
    body: bytes


class _Fields:
    """The fields of one packet, taken from its front."""

    def __init__(self, body: bytes) -> None:
        self.body, self.position = body, 0

    def take(self, count: int) -> bytes:
        if self.position + count > len(self.body):
            raise NotThisView("an MQTT packet ends too early")
        self.position += count
        return self.body[self.position - count : self.position]

    def number(self, count: int = 2) -> int:
        return int.from_bytes(self.take(count), "big")

    def text(self) -> bytes:
        return self.take(self.number())

    def properties(self) -> bytes:
        size, _ = length(self.body, self.position)
        self.position += _
        return self.take(size)

    @property
    def rest(self) -> bytes:
        return self.body[self.position :]


def length(body: bytes, position: int) -> tuple[int, int]:
    """A variable byte integer, and how many bytes it takes. NotThisView if there is none."""
    value = 0
    for count in range(4):
        if position + count >= len(body):
            raise NotThisView("an MQTT packet ends too early")
        byte = body[position + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, count + 1
    raise NotThisView("not MQTT: a length of more than four bytes")


def show_mqtt(body: bytes, cancelled: Cancelled) -> Rendered:
    parts: list[list[Line] | PlainLines | HexLines] = []
    position = count = 0
    is_version_5 = False
    note = ""
    while position < len(body) and count < MOST_PACKETS:
        check(cancelled)
        try:
            packet, following = _packet(body, position)
            if packet.kind == 1:
                is_version_5 = packet.body[6:7] == b"\x05"
            shown = _shown(packet, is_version_5)
        except NotThisView as mistake:
            if not count:
                raise
            note = f", {mistake} at offset {position}"
            parts.append(_hex(body[position:]))
            break
        parts += shown
        position, count = following, count + 1
    if count == MOST_PACKETS and position < len(body):
        note = f", only the first {MOST_PACKETS} shown"
    return Rendered("mqtt", f"MQTT, {'1 packet' if count == 1 else f'{count} packets'}{note}", JoinedLines(parts))


def _packet(body: bytes, position: int) -> tuple[_Packet, int]:
    kind, flags = body[position] >> 4, body[position] & 0x0F
    if not kind or (kind != 3 and flags != _FLAGS.get(kind, 0)) or (kind == 3 and flags & 6 == 6):
        raise NotThisView(f"not MQTT: the byte {body[position]:#04x} begins no packet")
    size, width = length(body, position + 1)
    start = position + 1 + width
    if start + size > len(body):
        raise NotThisView("an MQTT packet ends too early")
    return _Packet(kind, flags, body[start : start + size]), start + size


def _shown(packet: _Packet, is_version_5: bool) -> list[list[Line] | PlainLines | HexLines]:
    fields = _Fields(packet.body)
    title: Line = [("header", _NAMES[packet.kind])]
    describe = _DESCRIBERS.get(packet.kind)
    rows: list[Line] = []
    if packet.kind == 3:
        flags = ("  retain" if packet.flags & 1 else "") + ("  again" if packet.flags & 8 else "")
        title.append(("comment", f"  QoS {packet.flags >> 1 & 3}{flags}"))
    if describe is not None:
        rows = describe(fields, packet, is_version_5)
    parts: list[list[Line] | PlainLines | HexLines] = [[title, *rows]]
    if rest := fields.rest:
        shown = rest[:_SHOWN_PAYLOAD]
        parts.append(_hex(shown) if looks_binary(shown) else PlainLines(shown, "string"))
        if len(shown) < len(rest):
            parts.append([[("marker", f"… {len(rest) - len(shown)} bytes more")]])
    parts.append([[]])
    return parts


def _hex(content: bytes) -> HexLines:
    return HexLines(lambda start, count: content[start : start + count], len(content))


def _row(name: str, value: bytes | int | str, style: str = "string") -> Line:
    raw = value if isinstance(value, bytes) else str(value).encode()
    return [("key", f"  {name}: "), *styled_bytes(style if isinstance(value, bytes) else "number", raw)]


def _secret(name: str, value: bytes) -> Line:
    return _row(name, value) if not looks_binary(value) else [("key", f"  {name}: "), ("number", value.hex())]


def _properties(fields: _Fields, is_version_5: bool) -> list[Line]:
    found = fields.properties() if is_version_5 else b""
    return [[("key", "  properties: "), ("number", found.hex(" "))]] if found else []


def _connect(fields: _Fields, packet: _Packet, is_version_5: bool) -> list[Line]:
    name, version, flags, keep_alive = fields.text(), fields.number(1), fields.number(1), fields.number()
    if name not in (b"MQTT", b"MQIsdp"):
        raise NotThisView("not MQTT: a CONNECT of another protocol")
    known = {3: "3.1", 4: "3.1.1", 5: "5.0"}.get(version, str(version))
    rows = [_row("protocol", name + b" " + known.encode()), _row("keep alive", f"{keep_alive} s")]
    rows += _properties(fields, is_version_5)
    rows += [_row("clean start", str(bool(flags & 2))), _row("client", fields.text())]
    if flags & 4:
        rows += _properties(fields, is_version_5)
        rows += [_row("will topic", fields.text()), _secret("will", fields.text())]
    if flags & 0x80:
        rows.append(_row("user", fields.text()))
    if flags & 0x40:
        rows.append(_secret("password", fields.text()))
    return rows


def _connack(fields: _Fields, packet: _Packet, is_version_5: bool) -> list[Line]:
    flags, code = fields.number(1), fields.number(1)
    word = _REFUSALS[code] if code < len(_REFUSALS) else "reason"
    return [_row("session present", str(bool(flags & 1))), _row("code", f"{code} {word}"), *_properties(fields, is_version_5)]


def _publish(fields: _Fields, packet: _Packet, is_version_5: bool) -> list[Line]:
    rows = [_row("topic", fields.text())]
    if packet.flags & 6:
        rows.append(_row("packet", fields.number()))
    return rows + _properties(fields, is_version_5)


def _numbered(fields: _Fields, packet: _Packet, is_version_5: bool) -> list[Line]:
    return [_row("packet", fields.number())]


def _subscribe(fields: _Fields, packet: _Packet, is_version_5: bool) -> list[Line]:
    rows = [_row("packet", fields.number()), *_properties(fields, is_version_5)]
    while fields.rest and len(rows) < MOST_PACKETS:
        topic = fields.text()
        quality = f"  QoS {fields.number(1) & 3}" if packet.kind == 8 else ""
        rows.append([*_row("topic", topic), ("comment", quality)])
    return rows


_DESCRIBERS: Final[dict[int, Callable[[_Fields, _Packet, bool], list[Line]]]] = {
    1: _connect,
    2: _connack,
    3: _publish,
    **dict.fromkeys((4, 5, 6, 7, 9, 11), _numbered),
    8: _subscribe,
    10: _subscribe,
}
