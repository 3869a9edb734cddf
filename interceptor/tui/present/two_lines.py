"""A flow as two lines of the list, for screens too narrow for a table and for who likes it so.

▸❚❚ POST https://example.com/login?next=%2Fhome
    ← 200 application/json 1.2k 35ms
"""

from __future__ import annotations

from interceptor.model.flow import Flow, HttpFlow, TcpFlow
from interceptor.tui.present.addresses import ends_pieces, scheme, url_pieces
from interceptor.tui.present.marks import mark_cells
from interceptor.tui.present.rows import (
    duration_piece,
    method_style,
    row_layout,
    started_at,
    state_pieces,
    status_style,
    type_style,
    type_text,
    words,
)
from interceptor.tui.present.rows import size_piece as size_of
from interceptor.tui.present.text import Line, clock, line_width, readable, shorten, to_width

_NARROWEST_TABLE = 60


def wants_two_lines(columns: int, layout: str) -> bool:
    """`layout` as in the option: "table", "list" or "default", which is by the width."""
    return layout == "list" or (layout == "default" and columns < _NARROWEST_TABLE)


def flow_pair(flow: Flow, columns: int, showhost: bool, is_focused: bool, now: float) -> tuple[Line, Line]:
    """Each at most `columns` wide, if that is not less than a dozen."""
    layout = row_layout(columns, showhost)
    first = state_pieces(flow, layout, is_focused)
    indent = layout.state
    if columns >= 60:
        first.append(("time", to_width(clock(started_at(flow)), 9)))
        indent += 9
    if isinstance(flow, HttpFlow):
        first.append((method_style(flow), f"{shorten(readable(flow.request.method), 10)} "))
        if flow.request.method != "CONNECT" and columns >= 40:
            first.append(("scheme secure" if flow.request.scheme == "https" else "scheme", f"{scheme(flow)}://"))
    else:
        first.append((method_style(flow), f"{flow.kind.upper()} "))
    room = max(columns - line_width(first) - 4, 0)
    if isinstance(flow, HttpFlow):
        address = url_pieces(flow.request, room, showhost)
    else:
        address = ends_pieces(flow, room) if isinstance(flow, TcpFlow) else []
    first += [*address, ("text", " " * max(columns - 4 - line_width(first) - line_width(address), 0))]
    return [*first, *mark_cells(flow, 4)], [("text", " " * indent), *_outcome(flow, columns - indent, now)]


def _outcome(flow: Flow, columns: int, now: float) -> Line:
    line: Line = [("dim", "← ")]
    said = words(flow, columns)
    if said:
        line += said
    elif isinstance(flow, HttpFlow) and flow.response is not None:
        response = flow.response
        line.append((status_style(response.status_code), f"{response.status_code} "))
        content_type = response.headers.get("content-type") or ""
        if content_type and columns >= 40:
            line.append((type_style(content_type), f"{type_text(content_type, 24)} "))
    elif isinstance(flow, HttpFlow) and flow.is_live:
        line.append(("live", "… "))
    if not said or flow.error is None:
        style, size = size_of(flow)
        line.append((style, f" {size}" if said else size))
        style, took = duration_piece(flow, now, 6)
        line.append((style, " " + took.strip()))
    return line
