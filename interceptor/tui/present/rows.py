"""A flow as one row of the list.

    row_layout(columns) ─▸ which columns there are and how wide ─┐
    flow ────────────────────────────────────────────────────────┴─ flow_row ─▸ a line that is exactly that wide

    ▸❚❚ 18:08:49 https POST    example.com  /login?next=…      request held            1.2s ●↺
        18:08:49 https GET     example.com  /app.js         200 javascript     59k   6ms
     ✗  18:08:49 http  GET     127.0.0.1:1  /      connection refused by 127.0.0.1:1   3ms

Columns go and shrink as the width does; method, address, status, size and duration are the last to stay. What a flow has to say
in words, that it is held or why it failed, stands where status, type and size would be, and pushes into the address if longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from interceptor.model.body import passed_size
from interceptor.model.flow import DnsFlow, Flow, HoldPoint, HttpFlow, TcpFlow
from interceptor.specs.sizes import format_size
from interceptor.tui.present.addresses import dns_pieces, ends_pieces, host, natural_width, path_pieces, scheme, url_pieces
from interceptor.tui.present.marks import HELD, mark_cells
from interceptor.tui.present.text import (
    Line,
    Piece,
    clock,
    format_duration,
    line_width,
    readable,
    shorten,
    shorten_middle,
    to_width,
    to_width_right,
    width,
)

_STATUS: Final = 3
_LARGE: Final = 10 * 1024 * 1024
_SLOW_SECONDS: Final = 1.0
_VERY_SLOW_SECONDS: Final = 10.0
_HELD: Final = {HoldPoint.REQUEST: "request held", HoldPoint.RESPONSE: "response held", HoldPoint.MESSAGE: "message held"}
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
_WRITING: Final = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class RowLayout:
    """Columns of each cell without the space behind it; 0 is a cell that is left out. `address` takes what the others leave."""

    columns: int
    showhost: bool  # the name that the client gave instead of the host that is connected to
    state: int
    time: int
    scheme: int
    method: int
    host: int  # 0: host and path are one cell
    address: int
    type: int
    size: int
    duration: int
    marks: int

    @property
    def facts(self) -> int:
        """Status, type and size with the spaces between them: the place of words."""
        return _STATUS + _beside(self.type) + _beside(self.size)


def _beside(columns: int) -> int:
    return columns + 1 if columns else 0


@lru_cache(maxsize=64)
def row_layout(columns: int, showhost: bool = False) -> RowLayout:
    state = 4 if columns >= 64 else 3 if columns >= 40 else 1
    time = 8 if columns >= 86 else 0
    scheme_ = 5 if columns >= 100 else 0
    method = 7 if columns >= 64 else 6 if columns >= 50 else 4 if columns >= 16 else 0
    host_ = min(columns // 5, 36) if columns >= 110 else 0
    type_ = 24 if columns >= 150 else 12 if columns >= 100 else 0
    size = 6 if columns >= 34 else 0
    duration = 6 if columns >= 44 else 0
    marks = 4 if columns >= 100 else 2 if columns >= 60 else 0
    others = state + sum(map(_beside, (time, scheme_, method, host_))) + 1 + _STATUS
    others += sum(map(_beside, (type_, size, duration, marks)))
    address = max(columns - others, 0)
    return RowLayout(columns, showhost, state, time, scheme_, method, host_, address, type_, size, duration, marks)


def flow_row(flow: Flow, layout: RowLayout, is_focused: bool, now: float) -> Line:
    """`now` is what the duration of a live flow counts to."""
    line = [*state_pieces(flow, layout, is_focused)]
    if layout.time:
        line.append(("time", to_width(clock(started_at(flow)), layout.time + 1)))
    line += _verb(flow, layout)
    said = words(flow, layout.columns)
    if said:
        line += _address_and_words(flow, layout, said)
    else:
        line += _address(flow, layout, layout.address)
        line += _facts(flow, layout)
    if layout.duration:
        line.append(duration_piece(flow, now, layout.duration))
    if layout.marks:
        line.append(("text", " "))
        line += mark_cells(flow, layout.marks)
    return line


def started_at(flow: Flow) -> float:
    return flow.created_at or (flow.request.timestamp_start if isinstance(flow, HttpFlow) else 0.0)


def duration(flow: Flow, now: float) -> float | None:
    """Seconds from the first byte to the last, or to `now` if it is still running; None if nobody knows."""
    start = (flow.request.timestamp_start if isinstance(flow, HttpFlow) else 0.0) or flow.created_at
    end = flow.ended_at
    if isinstance(flow, HttpFlow) and flow.response is not None and flow.response.timestamp_end and not flow.is_upgraded:
        end = flow.response.timestamp_end
    if end is None and flow.is_live:
        end = now
    if end is None and flow.error is not None:
        end = flow.error.timestamp
    return max(end - start, 0.0) if end and start else None


def state_pieces(flow: Flow, layout: RowLayout, is_focused: bool) -> Line:
    """The cursor, and whether the flow is held, has failed or is running."""
    cursor = "▸" if is_focused else " "
    room = max(layout.state - 2, 1)
    state: Piece = ("text", "")
    if flow.held is not None:
        state = ("held", HELD[:room])
    elif flow.error is not None:
        state = ("error", "✗")
    elif flow.is_live:
        state = ("live", "•")
    if layout.state == 1:
        return [("cursor", cursor) if is_focused else (state[0], state[1] or " ")]
    return [("cursor", cursor), state, ("text", " " * (room + 1 - len(state[1])))]


def _verb(flow: Flow, layout: RowLayout) -> Line:
    """Scheme and method."""
    cells: Line = []
    if layout.scheme:
        name = scheme(flow)
        cells.append(("scheme secure" if name in ("https", "wss", "tls") else "scheme", to_width(name, layout.scheme) + " "))
    if layout.method:
        method = readable(flow.request.method) if isinstance(flow, HttpFlow) else flow.kind.upper()
        cells.append((method_style(flow), to_width(method, layout.method) + " "))
    return cells


def method_style(flow: Flow) -> str:
    if not isinstance(flow, HttpFlow):
        return "method other"
    method = flow.request.method
    if method in _SAFE:
        return "method"
    if method in _WRITING:
        return "method write"
    return "method delete" if method == "DELETE" else "method other"


def _address(flow: Flow, layout: RowLayout, columns: int) -> Line:
    """Host and path, padded to `columns` and what the host's own cell takes."""
    cells: Line = []
    if isinstance(flow, HttpFlow):
        request = flow.request
        if layout.host and request.method != "CONNECT":
            name = shorten_middle(host(request, layout.showhost), layout.host)
            cells.append(("host", to_width(name, layout.host) + " "))
            inner = path_pieces(request, columns)
        else:
            columns += _beside(layout.host)
            inner = url_pieces(request, columns, layout.showhost)
    elif isinstance(flow, TcpFlow):
        columns += _beside(layout.host)
        inner = ends_pieces(flow, columns)
    elif isinstance(flow, DnsFlow):
        columns += _beside(layout.host)
        inner = dns_pieces(flow, columns)
    else:
        inner = [("host", "")]
        columns += _beside(layout.host)
    cells += inner
    cells.append(("text", " " * max(columns - line_width(inner), 0)))
    return cells


def _address_and_words(flow: Flow, layout: RowLayout, said: Line) -> Line:
    """The address, and instead of the facts words, which begin where the status would if they fit there, else earlier."""
    room = layout.address + 1 + layout.facts
    wanted = line_width(said)
    if wanted > layout.facts:
        spare = room - 1 - natural_width(flow, layout.showhost, not layout.host)
        wanted = max(min(wanted, max(room // 2, spare)), layout.facts)
    else:
        wanted = layout.facts
    line = _address(flow, layout, room - wanted - 1)
    line.append(("text", " "))
    for style, text in said:
        text = shorten(text, wanted)
        wanted -= width(text)
        line.append((style, text))
    line.append(("text", " " * wanted))
    return line


def words(flow: Flow, columns: int) -> Line:
    """That the flow is held, or why it failed; nothing for the rest."""
    status: Line = []
    if isinstance(flow, HttpFlow) and flow.response is not None:
        status = [(status_style(flow.response.status_code), f"{flow.response.status_code} ")]
    if flow.held is not None:
        return [*status, ("held", f" {_HELD[flow.held] if columns >= 60 else 'held'} ")]
    if flow.error is not None:
        return [*status, ("error", readable(flow.error.message.partition("\n")[0]) or "failed")]
    return []


def _facts(flow: Flow, layout: RowLayout) -> Line:
    """Status, type and size."""
    cells: Line = [("text", " ")]
    content_type = ""
    if isinstance(flow, HttpFlow):
        response = flow.response
        if response is not None:
            cells.append((status_style(response.status_code), to_width_right(str(response.status_code), _STATUS)))
            content_type = response.headers.get("content-type") or ""
        else:
            cells.append(("live", to_width_right("…" if flow.is_live else "", _STATUS)))
    else:
        cells.append(("text", " " * _STATUS))
    if layout.type:
        if isinstance(flow, TcpFlow):
            count = flow.message_count
            shown, style = f"{count} message{'' if count == 1 else 's'}", "type"
        elif isinstance(flow, DnsFlow):
            shown, style = rcode_piece(flow)
        elif isinstance(flow, HttpFlow) and flow.websocket is not None:
            count = len(flow.websocket.messages)
            shown, style = f"{count} message{'' if count == 1 else 's'}", "type"
        else:
            shown, style = type_text(content_type, layout.type), type_style(content_type)
        cells.append((style, " " + to_width(shown, layout.type)))
    if layout.size:
        style, shown = size_piece(flow)
        cells.append((style, " " + to_width_right(shown, layout.size)))
    return cells


def rcode_piece(flow: DnsFlow) -> tuple[str, str]:
    """What came of the query, in a word, and its style."""
    if flow.response is None:
        return ("…", "live") if flow.is_live else ("", "type")
    return flow.response.rcode_name.lower(), "type" if flow.response.rcode == 0 else "warning"


def size_piece(flow: Flow) -> Piece:
    """Bytes of the response, or of the request as long as there is none (with an arrow); in "live" while they are arriving."""
    if not isinstance(flow, HttpFlow):
        size, is_arriving, arrow = flow.bytes_held(), flow.is_live, ""
    elif flow.response is not None:
        size, is_arriving, arrow = passed_size(flow.response.body), flow.is_live and flow.response.timestamp_end is None, ""
    else:
        size, is_arriving, arrow = passed_size(flow.request.body), flow.is_live, "↑"
        if not size:
            return "size", ""
    style = "live" if is_arriving else "size large" if size >= _LARGE else "size"
    return style, arrow + format_size(size)


def duration_piece(flow: Flow, now: float, columns: int) -> Piece:
    """With a space before it, right-aligned in `columns`."""
    seconds = duration(flow, now)
    if seconds is None:
        return "duration", " " * (columns + 1)
    style = "duration very slow" if seconds >= _VERY_SLOW_SECONDS else "duration slow" if seconds >= _SLOW_SECONDS else "duration"
    if flow.is_live and flow.held is None:
        style = "live"
    return style, " " + to_width_right(format_duration(seconds), columns)


def status_style(status_code: int) -> str:
    return f"status {status_code // 100}xx" if 100 <= status_code <= 599 else "error"


def type_text(content_type: str, columns: int) -> str:
    """The media type without its parameters; without what is before the slash, too, where there is little room."""
    media = readable(content_type.partition(";")[0].strip().lower()[:200])
    if width(media) <= columns and columns >= 20:
        return media
    kind, _, name = media.partition("/")
    return shorten_middle(name.removeprefix("x-").removeprefix("vnd.") or kind, columns)


@lru_cache(maxsize=256)
def type_style(content_type: str) -> str:
    media = content_type.partition(";")[0].strip().lower()
    kind, _, name = media.partition("/")
    if kind in ("image", "audio", "video", "font"):
        return "type media"
    if name in ("javascript", "x-javascript", "ecmascript", "css", "wasm"):
        return "type code"
    if name in ("json", "xml", "grpc", "x-protobuf", "x-www-form-urlencoded", "form-data") or name.endswith(("+json", "+xml")):
        return "type data"
    return "type text" if kind == "text" else "type"
