"""The details tab: what there is to know about a flow beside its messages."""

from __future__ import annotations

from interceptor.model.body import passed_size
from interceptor.model.flow import NOTED_BY_RULES, DnsFlow, Flow, HoldPoint, HttpFlow, TcpFlow
from interceptor.specs.sizes import format_size
from interceptor.tui.present.changes import changes
from interceptor.tui.present.connections import connections
from interceptor.tui.present.markers import marker_sign
from interceptor.tui.present.paragraphs import Paragraph, fields, section
from interceptor.tui.present.rows import duration
from interceptor.tui.present.stream import MANY
from interceptor.tui.present.text import Line, format_duration, moment, readable
from interceptor.tui.present.timing import timing

HELD_AT = {
    HoldPoint.REQUEST: "held at the request: it has not been sent to the server",
    HoldPoint.RESPONSE: "held at the response: it has not been sent to the client",
    HoldPoint.MESSAGE: "held at a message: it has not been sent on",
}


def details(flow: Flow, columns: int, now: float) -> list[Paragraph]:
    paragraphs: list[Paragraph] = []
    if flow.error is not None:
        message: Line = [("error", readable(flow.error.message))]
        paragraphs += fields([("Error", message), ("at", moment(flow.error.timestamp))], "error")
        paragraphs.append(Paragraph([]))
    paragraphs += [Paragraph([("section", "Flow")]), *fields(_facts(flow, now))]
    paragraphs += changes(flow)
    paragraphs += timing(flow, columns, now)
    paragraphs += connections(flow, now)
    listed = sorted((item for item in flow.metadata.items() if item[0] != NOTED_BY_RULES), key=lambda item: str(item[0]))
    if listed:
        paragraphs += [*section("Metadata"), *fields([(str(name)[:200], str(value)[:2000]) for name, value in listed])]
    return paragraphs


def _facts(flow: Flow, now: float) -> list[tuple[str, Line | str]]:
    pairs: list[tuple[str, Line | str]] = [("State", _state(flow))]
    if flow.comment:
        pairs.append(("Comment", [("strong", readable(flow.comment))]))
    if flow.marker:
        sign = marker_sign(flow.marker)
        pairs.append(("Marker", [("marker", sign), ("note", f"  {readable(flow.marker)}")]))
    pairs.append(("Id", str(flow.id)))
    if flow.replay_of is not None:
        pairs.append(("Replay of", f"flow {flow.replay_of}"))
    if flow.mode:
        pairs.append(("Mode", flow.mode))
    if flow.created_at:
        pairs.append(("Started", moment(flow.created_at)))
    seconds = duration(flow, now)
    if seconds is not None:
        pairs.append(("Took" if not flow.is_live else "So far", format_duration(seconds)))
    if isinstance(flow, HttpFlow):
        pairs.append(("Request body", _size(passed_size(flow.request.body))))
        if flow.response is not None:
            pairs.append(("Response body", _size(passed_size(flow.response.body))))
        pairs += _versions(flow)
        if flow.websocket is not None:
            pairs += _websocket(flow)
    elif isinstance(flow, DnsFlow):
        pairs.append(("Query", _size(len(flow.request.wire))))
        if flow.response is not None:
            pairs.append(("Answer", _size(len(flow.response.wire))))
            if flow.response.is_truncated:
                pairs.append(("Truncated", "the answer is longer than a datagram may be; clients ask again by TCP"))
    elif isinstance(flow, TcpFlow):
        pairs.append(("Messages", str(flow.message_count)))
        if len(flow.messages) <= MANY:
            from_client = sum(message.body.size for message in flow.messages if message.from_client)
            pairs.append(("From client", _size(from_client)))
            pairs.append(("From server", _size(max(flow.byte_count - from_client, 0))))
        else:
            pairs.append(("Both ways", _size(flow.byte_count)))
    return pairs


def _versions(flow: HttpFlow) -> list[tuple[str, Line | str]]:
    """The streams that carried it, and what one version said that the other must not."""
    pairs: list[tuple[str, Line | str]] = []
    if flow.client_stream or flow.server_stream:
        sides = (("client", flow.client_stream), ("server", flow.server_stream))
        pairs.append(("Streams", ", ".join(f"{number} with the {side}" for side, number in sides if number)))
    for title, message in (("request", flow.request), ("response", flow.response)):
        if message is not None and message.not_sent:
            names = ", ".join(readable(name) for name in message.not_sent)
            pairs.append(("Left out", f"{names} of the {title}: the other side's HTTP has no place for it"))
    return pairs


def _websocket(flow: HttpFlow) -> list[tuple[str, Line | str]]:
    socket = flow.websocket
    if socket is None:
        return []
    pairs: list[tuple[str, Line | str]] = [("Messages", str(len(socket.messages)))]
    if socket.close_code is not None or socket.closed_by_client is not None:
        who = {True: "by the client", False: "by the server", None: ""}[socket.closed_by_client]
        pairs.append(("Closed", f"{who} {socket.close_code or ''} {readable(socket.close_reason)}".strip()))
    return pairs


def _size(size: int) -> str:
    return f"{size} bytes" if size < 1024 else f"{format_size(size)} ({size:,} bytes)".replace(",", " ")


def _state(flow: Flow) -> Line:
    if flow.held is not None:
        return [("held", f" {HELD_AT[flow.held]} ")]
    if flow.error is not None:
        return [("error", "failed")]
    return [("live", "running")] if flow.is_live else [("field value", "finished")]
