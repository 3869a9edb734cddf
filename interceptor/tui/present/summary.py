"""The lines above the tabs of a flow, and the names of the tabs."""

from __future__ import annotations

from interceptor.model.body import passed_size
from interceptor.model.flow import DnsFlow, Flow, HoldPoint, HttpFlow, TcpFlow
from interceptor.specs.sizes import format_size
from interceptor.tui.present.addresses import dns_pieces, ends_pieces, scheme, url_pieces
from interceptor.tui.present.details import HELD_AT
from interceptor.tui.present.marks import HELD, mark_cells
from interceptor.tui.present.paragraphs import spread
from interceptor.tui.present.rows import duration, method_style, rcode_piece, started_at, status_style, type_style, type_text
from interceptor.tui.present.text import Line, clock, format_duration, readable, shorten, width

TITLES = {"request": "Request", "response": "Response", "messages": "Messages", "stream": "Stream", "detail": "Details"}


def tabs(flow: Flow) -> tuple[str, ...]:
    """In order, by their short names."""
    if isinstance(flow, HttpFlow):
        return ("request", "response", "messages", "detail") if flow.websocket is not None else ("request", "response", "detail")
    if isinstance(flow, DnsFlow):
        return ("request", "response", "detail")
    return ("stream", "detail")


def is_held_here(flow: Flow, tab: str) -> bool:
    """The flow waits at what this tab shows."""
    where = {"request": HoldPoint.REQUEST, "response": HoldPoint.RESPONSE}.get(tab, HoldPoint.MESSAGE)
    return flow.held is where and tab != "detail"


def summary(flow: Flow, columns: int, now: float, showhost: bool) -> list[Line]:
    """Two lines, each at most `columns` wide: what was asked, what came of it."""
    return [asked(flow, columns, showhost), _outcome(flow, columns, now)]


def asked(flow: Flow, columns: int, showhost: bool) -> Line:
    line: Line = [("time", f"{clock(started_at(flow))} ")] if columns >= 40 else []
    if isinstance(flow, HttpFlow):
        line.append((method_style(flow), f"{shorten(readable(flow.request.method), 16)} "))
        if flow.request.method != "CONNECT" and columns >= 40:
            line.append(("scheme secure" if flow.request.scheme == "https" else "scheme", f"{scheme(flow)}://"))
    else:
        line.append(("method other", f"{flow.kind.upper()} "))
    room = columns - sum(width(text) for _, text in line)
    if isinstance(flow, HttpFlow):
        line += url_pieces(flow.request, room, showhost)
    elif isinstance(flow, TcpFlow):
        line += ends_pieces(flow, room)
    elif isinstance(flow, DnsFlow):
        line += dns_pieces(flow, room)
    return line


def _outcome(flow: Flow, columns: int, now: float) -> Line:
    line: Line = [("dim", "         ← " if columns >= 60 else "← ")]
    if isinstance(flow, HttpFlow) and flow.response is not None:
        response = flow.response
        style = status_style(response.status_code)
        line.append((style, f"{response.status_code} {shorten(readable(response.reason), 40)}".rstrip() + " "))
        content_type = response.headers.get("content-type") or ""
        if content_type:
            line.append((type_style(content_type), f"{type_text(content_type, 32)} "))
        line.append(("size", f"{format_size(passed_size(response.body))} "))
    elif isinstance(flow, DnsFlow) and flow.response is not None:
        word, style = rcode_piece(flow)
        line.append((style, f"{word} "))
        line.append(("size", f"{format_size(len(flow.response.wire))} "))
    elif isinstance(flow, TcpFlow):
        line.append(("size", f"{format_size(flow.bytes_held())} "))
    seconds = duration(flow, now)
    if seconds is not None and (flow.error is None or len(line) > 1):
        line.append(("live" if flow.is_live else "duration", f"{format_duration(seconds)} "))
    if flow.held is not None:
        words = f" {HELD} {HELD_AT[flow.held]} "
        if sum(width(text) for _, text in line) + width(words) > columns:
            words = words.partition(":")[0] + " "
        line.append(("held", words))
    elif flow.error is not None:
        line.append(("error", f"✗ {readable(flow.error.message)} "))
    elif flow.is_live:
        line.append(("live", "• running "))
    marks: Line = mark_cells(flow, 4) if flow.marker or flow.is_modified or flow.comment or flow.replay_of is not None else []
    if flow.comment and columns >= 60:
        marks = [("note", f"“{shorten(readable(flow.comment), columns // 4)}” "), *marks]
    return spread(line, marks, columns, "text")
