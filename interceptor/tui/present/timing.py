"""When what happened, as a table with a small waterfall.

    Request        +0.0 ms    0.5 ms  ▏
    Server TCP     +1.0 ms   12.1 ms   ████
    Waiting       +24.9 ms   70.0 ms           ███████████████████
    Response      +94.9 ms    6.0 ms                              ██

Offsets count from the first byte of the request. What lies far before it, such as the connecting of a connection that is used
again, keeps its line in the table but has no bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from interceptor.model.connection import Connection
from interceptor.model.flow import Flow, HttpFlow, TcpFlow
from interceptor.tui.present.paragraphs import Paragraph, section
from interceptor.tui.present.text import Line, format_duration, moment, to_width, to_width_right

_NAME: Final = 17
_NUMBER: Final = 11
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_NARROWEST_BAR: Final = 8
_WIDEST_BAR: Final = 100


@dataclass(frozen=True, slots=True)
class Phase:
    """`end` None: it has not ended yet."""

    name: str
    start: float
    end: float | None
    style: str


def phases(flow: Flow) -> list[Phase]:
    """In order of their beginning."""
    found: list[Phase] = []
    for connection, name in ((flow.client, "Client"), (flow.server, "Server")):
        if connection is not None:
            found += _connecting(connection, name)
    if isinstance(flow, HttpFlow):
        found += _exchange(flow)
    elif isinstance(flow, TcpFlow) and flow.messages:
        found.append(Phase("Messages", flow.messages[0].timestamp, flow.messages[-1].timestamp, "bar"))
    return sorted(found, key=lambda phase: phase.start)


def _connecting(connection: Connection, name: str) -> list[Phase]:
    found = []
    transport = "UDP" if connection.transport == "udp" else "TCP"
    if connection.opened_at and name == "Server":
        found.append(Phase(f"{name} {transport}", connection.opened_at, connection.connected_at, "bar wait"))
    elif connection.opened_at:
        found.append(Phase(f"{name} connected", connection.opened_at, connection.opened_at, "bar wait"))
    tls = connection.tls
    if tls is not None and tls.started_at:
        found.append(Phase(f"{name} TLS", tls.started_at, tls.established_at, "bar secure"))
    if connection.closed_at:
        found.append(Phase(f"{name} closed", connection.closed_at, connection.closed_at, "bar track"))
    return found


def _exchange(flow: HttpFlow) -> list[Phase]:
    request, response = flow.request, flow.response
    found = []
    if request.timestamp_start:
        found.append(Phase("Request", request.timestamp_start, request.timestamp_end, "bar"))
    if response is not None and response.timestamp_start:
        if request.timestamp_end and request.timestamp_end < response.timestamp_start:
            found.append(Phase("Waiting", request.timestamp_end, response.timestamp_start, "bar wait"))
        found.append(Phase("Response", response.timestamp_start, response.timestamp_end, "bar"))
    elif request.timestamp_end and flow.is_live:
        found.append(Phase("Waiting", request.timestamp_end, None, "bar wait"))
    return found


def timing(flow: Flow, columns: int, now: float) -> list[Paragraph]:
    """`now` is where phases that have not ended yet are drawn to, if the flow is live."""
    listed = phases(flow)
    zero = flow.created_at
    if isinstance(flow, HttpFlow) and flow.request.timestamp_start:
        zero = flow.request.timestamp_start
    if not listed or not zero:
        return []
    paragraphs = section("Timing", f"from {moment(zero)}")
    ends = {phase: _end(phase, flow, now) for phase in listed}
    is_drawn = {phase: phase.start > zero - max(1.0, _length(flow, now)) and phase.style != "bar track" for phase in listed}
    first = min((phase.start for phase in listed if is_drawn[phase]), default=zero)
    last = max((ends[phase] for phase in listed if is_drawn[phase]), default=zero)
    room = min(columns - _NAME - 2 * _NUMBER - 2, _WIDEST_BAR)
    for phase in listed:
        line: Line = [
            ("field name", to_width(phase.name, _NAME)),
            ("note", to_width_right(offset(phase.start - zero), _NUMBER)),
            ("field value", to_width_right(_took(phase, ends[phase], flow.is_live), _NUMBER)),
        ]
        if is_drawn[phase] and room >= _NARROWEST_BAR:
            line += [("text", "  "), *_bar(phase.start - first, ends[phase] - first, last - first, room, phase.style)]
        paragraphs.append(Paragraph(line))
    return paragraphs


def _end(phase: Phase, flow: Flow, now: float) -> float:
    if phase.end is not None:
        return max(phase.end, phase.start)
    return max(phase.start, now) if flow.is_live else max(phase.start, flow.ended_at or phase.start)


def _length(flow: Flow, now: float) -> float:
    return max((flow.ended_at or now) - flow.created_at, 0.0)


def offset(seconds: float) -> str:
    if abs(seconds) >= 100:
        return ("−" if seconds < 0 else "+") + format_duration(abs(seconds))
    return f"{'−' if seconds < 0 else '+'}{abs(seconds) * 1000:.1f} ms"


def _took(phase: Phase, end: float, is_live: bool) -> str:
    if phase.end == phase.start:
        return ""
    if phase.end is None and not is_live:
        return "not ended"
    seconds = end - phase.start
    shown = format_duration(seconds) if seconds >= 100 else f"{seconds * 1000:.1f} ms"
    return f"{shown} …" if phase.end is None else shown


def _bar(start: float, end: float, whole: float, columns: int, style: str) -> Line:
    """Block characters from `start` to `end` on a scale of `whole`, in eighths of a column at the end."""
    scale = columns * 8 / whole if whole > 0 else 0.0
    if not 0 < scale < 1e12:  # nothing to scale by, or times out of all bounds: an infinite one times nothing is no number
        start = end = scale = 0.0
    left = min(int(start * scale) // 8, columns - 1)
    eighths = max(round(end * scale) - left * 8, 1)
    full, part = divmod(min(eighths, (columns - left) * 8), 8)
    return [("text", " " * left), (style, "█" * full + (_EIGHTHS[part] if part else ""))]
