"""The columns of the list that a person has chosen, and the heading above the list in any case.

    option console_flowlist_columns ─▸ chosen_layout ─▸ chosen_row(flow)      heading ─▸ a line, and what a click on it sorts by

Without a choice, `rows` lays the list out by the width. With one, columns stand in the order in which they were named; url and
path share what the others leave, and what has no room is left out, from the right. That a flow is held, or why it failed,
is said at the end of the first of those two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from interceptor.model.body import passed_size
from interceptor.model.flow import DnsFlow, Flow, HttpFlow, TcpFlow
from interceptor.specs.sizes import format_size
from interceptor.tui.present.addresses import address, dns_pieces, ends_pieces, host, path_pieces, scheme, url_pieces
from interceptor.tui.present.marks import mark_cells
from interceptor.tui.present.rows import (
    RowLayout,
    duration_piece,
    method_style,
    rcode_piece,
    row_layout,
    size_piece,
    started_at,
    state_pieces,
    status_style,
    type_style,
    type_text,
    words,
)
from interceptor.tui.present.text import (
    Line,
    clock,
    cut,
    line_width,
    moment,
    readable,
    shorten,
    shorten_middle,
    to_width,
    to_width_right,
    width,
)

_LEAST: Final = 12
"""Of a column that takes what the others leave."""


class Look(NamedTuple):
    """How a cell is to look."""

    columns: int
    showhost: bool
    now: float


@dataclass(frozen=True, slots=True)
class Column:
    """`width` 0: what the others leave. `order` is what the list is sorted by when the heading is clicked, "" if by nothing."""

    title: str
    width: int
    cell: Callable[[Flow, Look], Line]
    order: str = ""
    is_right: bool = False


def _text(style: str, of: Callable[[Flow], str]) -> Callable[[Flow, Look], Line]:
    return lambda flow, look: [(style, shorten(of(flow), look.columns))]


def _scheme(flow: Flow, look: Look) -> Line:
    name = scheme(flow)
    return [("scheme secure" if name in ("https", "wss", "tls") else "scheme", name)]


def _method(flow: Flow, look: Look) -> Line:
    method = readable(flow.request.method) if isinstance(flow, HttpFlow) else flow.kind.upper()
    return [(method_style(flow), shorten(method, look.columns))]


def _host(flow: Flow, look: Look) -> Line:
    if isinstance(flow, HttpFlow):
        return [("host", shorten_middle(host(flow.request, look.showhost), look.columns))]
    return [("host", shorten_middle(_server(flow), look.columns))]


def _path(flow: Flow, look: Look) -> Line:
    return path_pieces(flow.request, look.columns) if isinstance(flow, HttpFlow) else []


def _url(flow: Flow, look: Look) -> Line:
    if isinstance(flow, HttpFlow):
        return url_pieces(flow.request, look.columns, look.showhost)
    if isinstance(flow, DnsFlow):
        return dns_pieces(flow, look.columns)
    return ends_pieces(flow, look.columns) if isinstance(flow, TcpFlow) else []


def _status(flow: Flow, look: Look) -> Line:
    if isinstance(flow, HttpFlow) and flow.response is not None:
        return [(status_style(flow.response.status_code), str(flow.response.status_code))]
    return [("live", "…" if flow.is_live else "")]


def _type(flow: Flow, look: Look) -> Line:
    if isinstance(flow, TcpFlow):
        return [("type", shorten(f"{flow.message_count} messages", look.columns))]
    if isinstance(flow, DnsFlow):
        shown, style = rcode_piece(flow)
        return [(style, shorten(shown, look.columns))]
    response = flow.response if isinstance(flow, HttpFlow) else None
    content_type = (response.headers.get("content-type") or "") if response is not None else ""
    return [(type_style(content_type), type_text(content_type, look.columns))]


def _size(flow: Flow, look: Look) -> Line:
    return [size_piece(flow)]


def _request_size(flow: Flow, look: Look) -> Line:
    size = passed_size(flow.request.body) if isinstance(flow, HttpFlow) else 0
    return [("size", format_size(size) if size else "")]


def _duration(flow: Flow, look: Look) -> Line:
    style, text = duration_piece(flow, look.now, look.columns)
    return [(style, text.strip())]


def _marks(flow: Flow, look: Look) -> Line:
    return mark_cells(flow, look.columns)


def _date(flow: Flow) -> str:
    return moment(started_at(flow))[:19] if started_at(flow) > 0 else ""


def _version(flow: Flow) -> str:
    return readable(flow.request.http_version) if isinstance(flow, HttpFlow) else ""


def _tls(flow: Flow) -> str:
    connection = flow.client if flow.client is not None and flow.client.tls is not None else flow.server
    return readable(connection.tls.version) if connection is not None and connection.tls is not None else ""


def _client(flow: Flow) -> str:
    return address(flow.client.peer) if flow.client is not None else ""


def _process(flow: Flow) -> str:
    process = flow.client.process if flow.client is not None else None
    return f"{readable(process.name)} {process.pid}" if process is not None else ""


def _server(flow: Flow) -> str:
    return address(flow.server.peer) if flow.server is not None and flow.server.peer is not None else ""


COLUMNS: Final[Mapping[str, Column]] = {
    "number": Column("No.", 6, _text("dim", lambda flow: str(flow.id)), "", is_right=True),
    "time": Column("Time", 8, _text("time", lambda flow: clock(started_at(flow))), "time"),
    "date": Column("Date", 19, _text("time", _date), "time"),
    "scheme": Column("Proto", 5, _scheme),
    "version": Column("Version", 8, _text("dim", _version)),
    "tls": Column("TLS", 7, _text("dim", _tls)),
    "method": Column("Method", 7, _method, "method"),
    "host": Column("Host", 24, _host, "host"),
    "path": Column("Path", 0, _path, "url"),
    "url": Column("URL", 0, _url, "url"),
    "status": Column("Code", 4, _status, "status", is_right=True),
    "type": Column("Type", 16, _type, "type"),
    "size": Column("Size", 6, _size, "size", is_right=True),
    "request_size": Column("Sent", 6, _request_size, "", is_right=True),
    "duration": Column("Took", 6, _duration, "duration", is_right=True),
    "client": Column("Client", 21, _text("dim", _client)),
    "process": Column("Program", 18, _text("dim", _process)),
    "server": Column("Server", 21, _text("dim", _server)),
    "comment": Column("Comment", 20, _text("modified", lambda flow: readable(flow.comment.partition("\n")[0]))),
    "marks": Column("", 4, _marks),
}
"""By the name that the option `console_flowlist_columns` has for it."""


@dataclass(frozen=True, slots=True)
class ChosenLayout:
    state: RowLayout  # for the cursor and the state, which are always there
    cells: tuple[tuple[Column, int], ...]
    showhost: bool


@lru_cache(maxsize=64)
def chosen_layout(names: tuple[str, ...], columns: int, showhost: bool) -> ChosenLayout:
    state = row_layout(columns)
    room = columns - state.state
    kept: list[Column] = []
    for column in map(COLUMNS.__getitem__, names):
        if sum(max(each.width, 0 if each.width else _LEAST) + 1 for each in [*kept, column]) <= room + 1:
            kept.append(column)
    flexible = sum(1 for each in kept if not each.width)
    spare = room - sum(each.width for each in kept) - max(len(kept) - 1, 0)
    cells: list[tuple[Column, int]] = []
    for column in kept:
        share = column.width
        if not share:
            share = spare // flexible
            spare, flexible = spare - share, flexible - 1
        cells.append((column, share))
    return ChosenLayout(state, tuple(cells), showhost)


def chosen_row(flow: Flow, layout: ChosenLayout, is_focused: bool, now: float) -> Line:
    line = [*state_pieces(flow, layout.state, is_focused)]
    said = words(flow, layout.state.columns)
    if said and said[0][0].startswith("status"):
        said = said[1:]  # it has a column of its own, or is not wanted
    for number, (column, room) in enumerate(layout.cells):
        if number:
            line.append(("text", " "))
        if said and not column.width:
            line += _with_words(flow, column, Look(room, layout.showhost, now), said)
            said = []
        else:
            line += _padded(column.cell(flow, Look(room, layout.showhost, now)), room, column.is_right)
    if said:
        line += [("text", " "), *said]
    return line


def _padded(cell: Line, room: int, is_right: bool) -> Line:
    missing = room - line_width(cell)
    if missing < 0:
        style, text = cell[0]
        return [(style, to_width_right(text, room) if is_right else to_width(text, room))]
    padding = ("text", " " * missing)
    return [padding, *cell] if is_right else [*cell, padding]


def _with_words(flow: Flow, column: Column, look: Look, said: Line) -> Line:
    wanted = min(line_width(said), max(look.columns // 2, 8))
    room = look.columns - wanted - 1
    line = [*_padded(column.cell(flow, look._replace(columns=room)), room, False), ("text", " ")]
    for style, text in said:
        text = shorten(text, wanted)
        wanted -= width(text)
        line.append((style, text))
    return [*line, ("text", " " * wanted)]


# ---- the heading


class Heading(NamedTuple):
    """`ends`: behind which column of the screen each title ends, and what a click before that sorts by."""

    line: Line
    ends: Sequence[tuple[int, str]]


def heading(layout: RowLayout | ChosenLayout, order: str, is_reversed: bool) -> Heading:
    """`order` is what the list is sorted by now; its title has an arrow."""
    titles = _chosen_titles(layout) if isinstance(layout, ChosenLayout) else _titles(layout)
    line: Line = []
    ends: list[tuple[int, str]] = []
    at = 0
    for room, column in titles:
        text = column.title if column is not None else ""
        is_sorted = bool(text) and column is not None and column.order == order and order not in (each for _, each in ends)
        if is_sorted:
            text = cut(text, room - 1) + ("↑" if is_reversed else "↓")
        text = cut(text, room)
        is_right = column is not None and column.is_right
        line.append(
            ("heading sorted" if is_sorted else "heading", to_width_right(text, room) if is_right else to_width(text, room))
        )
        at += room
        ends.append((at, column.order if column is not None else ""))
    columns = layout.state.columns if isinstance(layout, ChosenLayout) else layout.columns
    line.append(("heading", " " * (columns - at)))
    return Heading(line, ends)


def _chosen_titles(layout: ChosenLayout) -> list[tuple[int, Column | None]]:
    titles: list[tuple[int, Column | None]] = [(layout.state.state, None)]
    for number, (column, room) in enumerate(layout.cells):
        if number:
            titles.append((1, None))
        titles.append((room, column))
    return titles


def _titles(layout: RowLayout) -> list[tuple[int, Column | None]]:
    """What `rows.flow_row` makes, cell by cell, each with the space behind it."""
    titles: list[tuple[int, Column | None]] = [(layout.state, None)]
    for room, name in (
        (layout.time, "time"),
        (layout.scheme, "scheme"),
        (layout.method, "method"),
        (layout.host, "host"),
    ):
        if room:
            titles += [(room, COLUMNS[name]), (1, None)]
    titles.append((layout.address, COLUMNS["path" if layout.host else "url"]))
    titles.append((4, COLUMNS["status"]))
    for room, name in ((layout.type, "type"), (layout.size, "size"), (layout.duration, "duration"), (layout.marks, "marks")):
        if room:
            titles += [(1, None), (room, COLUMNS[name])]
    return titles
