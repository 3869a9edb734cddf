"""A request or a response as one reads it: its first line, its fields, its trailers, and in words what is up with its body.

Fields are shown as they were on the wire, in their order and case, with what HTTP/2 and HTTP/3 carry as pseudo fields written as
such. If the message was edited, fields that were not received like this are in style "changed"; the details tab has both states.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from interceptor.model.body import UnkeptBody
from interceptor.model.flow import HoldPoint, HttpFlow
from interceptor.model.http import Field, Headers, Message, Request, Response
from interceptor.specs.sizes import format_size
from interceptor.tui.present.addresses import path_and_query
from interceptor.tui.present.paragraphs import Paragraph, fields, note, section
from interceptor.tui.present.rows import method_style, status_style
from interceptor.tui.present.text import Line, readable


def request_head(flow: HttpFlow) -> list[Paragraph]:
    request = flow.request
    before = flow.original[0] if flow.original else None
    pseudo: list[Field] = []
    if _is_multiplexed(request):
        scheme, path = request.scheme.encode("utf-8", "surrogateescape"), request.target
        authority = (request.authority or request.host_header or request.host).encode("utf-8", "surrogateescape")
        pseudo = [(b":method", request.method.encode("utf-8", "surrogateescape")), (b":authority", authority)]
        if request.method != "CONNECT":
            pseudo += [(b":scheme", scheme), (b":path", path)]
    paragraphs = [Paragraph(_request_line(flow, before), 2)]
    paragraphs += _fields(request.headers, before.headers if before else None, pseudo)
    paragraphs += _trailers(request)
    query = request.query
    if query and request.method != "CONNECT":
        paragraphs += section("Query", f"{len(query)} parameter{'' if len(query) == 1 else 's'}")
        paragraphs += fields(query[:1000])
        if len(query) > 1000:
            paragraphs.append(note(f"… and {len(query) - 1000} more"))
    return paragraphs


def response_head(flow: HttpFlow) -> list[Paragraph]:
    """Informational responses first, as they came. The caller says what is up if there is no response."""
    response = flow.response
    paragraphs: list[Paragraph] = []
    for early in flow.informational:
        paragraphs += [Paragraph(_status_line(early, None)), *_fields(early.headers, None, []), Paragraph([])]
    if response is None:
        return paragraphs
    before = flow.original[1] if flow.original else None
    paragraphs.append(Paragraph(_status_line(response, before)))
    pseudo = [(b":status", str(response.status_code).encode())] if _is_multiplexed(response) else []
    paragraphs += _fields(response.headers, before.headers if before else None, pseudo)
    paragraphs += _trailers(response)
    return paragraphs


def missing_response(flow: HttpFlow) -> list[Paragraph]:
    """Why there is no response, in words."""
    if flow.error is not None:
        return [note("There is no response:", "note"), note(flow.error.message, "error")]
    if flow.held is HoldPoint.REQUEST:
        return [note("The request is held here: it has not been sent. The response comes after it is resumed.", "held text")]
    if not flow.is_live:
        return [note("The request has not been sent." if flow.server is None else "There is no response.")]
    if flow.request.timestamp_end is None:
        return [note("The request is still arriving.", "live")]
    return [note("Waiting for the response.", "live")]


def body_note(flow: HttpFlow, message: Message) -> tuple[str, str]:
    """(style, sentence) about what is not to be seen of the body and why; two empty strings if all of it is there."""
    body = message.body
    is_request = message is flow.request
    holds_this = flow.held is (HoldPoint.REQUEST if is_request else HoldPoint.RESPONSE)
    if holds_this and not flow.body_is_editable:
        arrived = f"{format_size(body.size)} of the body have arrived, the rest waits" if body.size else "The body waits"
        return "held text", f"Held at the head. {arrived} at the peer: it can be replaced, not edited, and streams after resume."
    if isinstance(body, UnkeptBody):
        return "warning", f"{format_size(body.passed)} of the body were passed on and not kept: store_streamed_bodies is off."
    if body.is_truncated:
        return "warning", f"Only the first {format_size(body.size)} of the body were kept; all of it was passed on."
    announced = announced_size(message)
    of = f" of {format_size(announced)}" if announced is not None else ""
    if message.timestamp_end is None and flow.is_live:
        if not body.size and announced is None:
            return "live", "No part of the body has arrived yet."
        return "live", f"The body is still arriving: {format_size(body.size)}{of} so far."
    if message.timestamp_end is None and flow.error is not None:
        return "error", f"The body is not complete: {format_size(body.size)}{of} arrived before the flow failed."
    if flow.original is None and announced is not None and body.size < announced and _has_content(flow, message):
        return "warning", f"{format_size(body.size)}{of} of the body are here."
    return ("", "") if body.size else ("note", "No body.")


def announced_size(message: Message) -> int | None:
    """What Content-Length says, if it says one number."""
    values = {value.strip() for value in message.headers.get_all("content-length")}
    text = values.pop() if len(values) == 1 else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _has_content(flow: HttpFlow, message: Message) -> bool:
    """False for the responses whose Content-Length is about something that is not sent (RFC 9110 §8.6)."""
    return not (isinstance(message, Response) and (flow.request.method == "HEAD" or message.status_code in (204, 304)))


def _request_line(flow: HttpFlow, before: Request | None) -> Line:
    request = flow.request
    path, query = path_and_query(request)
    target: Line = [("path", path), ("query", query)]
    if request.method == "CONNECT" or request.is_absolute:
        authority = readable(request.authority or request.host_header or request.host)
        prefix = f"{readable(request.scheme)}://{authority}" if request.method != "CONNECT" else readable(request.target)
        target = [("host", prefix), *target]
    if before is not None and (before.target, before.method) != (request.target, request.method):
        target = [("changed", text) for _, text in target]
    return [(method_style(flow), f"{readable(request.method)} "), *target, ("dim", f" {readable(request.http_version)}")]


def _status_line(response: Response, before: Response | None) -> Line:
    is_changed = before is not None and (before.status_code, before.reason) != (response.status_code, response.reason)
    style = "changed" if is_changed else status_style(response.status_code)
    shown = f"{response.status_code} {readable(response.reason)}".rstrip()
    return [("dim", f"{readable(response.http_version)} "), (style, shown)]


def _is_multiplexed(message: Message) -> bool:
    return message.http_version.startswith(("HTTP/2", "HTTP/3"))


def _fields(headers: Headers, before: Headers | None, pseudo: Sequence[Field]) -> list[Paragraph]:
    received = None if before is None else Counter(before.fields)
    pairs: list[tuple[str, Line | str]] = [(name.decode(), [("dim", readable(value))]) for name, value in pseudo]
    for name, value in headers.fields:
        style = "field value"
        if received is not None:
            style = style if received[name, value] else "changed"
            received[name, value] -= 1
        pairs.append((readable(name), [(style, readable(value))]))
    return fields(pairs)


def _trailers(message: Message) -> list[Paragraph]:
    if not message.trailers:
        return []
    return section("Trailers", "sent after the body") + _fields(message.trailers, None, [])
