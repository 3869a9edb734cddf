"""One flow as text for a terminal or a file: a line, or more by `flow_detail`.

    1  127.0.0.1:50512 GET http://example.com/ << 200 OK 1.2k 35ms
    2  … and the fields of request and response
    3  … and the start of bodies and messages, as the content view makes them readable
    4  … and all of them

Whatever came from the wire is escaped: no control character gets through. Content views are imported at detail 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from interceptor.contentviews.visible import escape_control
from interceptor.model.body import Body, passed_size
from interceptor.model.connection import Address, bracketed
from interceptor.model.encoding import credible_size
from interceptor.model.flow import DnsFlow, Flow, HttpFlow, TcpFlow, WebSocketData
from interceptor.model.http import Headers, Message, Request, Response
from interceptor.specs.sizes import format_size

LINES: Final = 512
_ALL: Final = 1 << 62
_MOST_DECODED: Final = 64 * 1024 * 1024  # of content that was compressed: a small body may claim to be endless
_COLOURS: Final = {
    "client": "2",
    "method": "32",
    "url": "1",
    "good": "32",
    "moved": "33",
    "bad": "31",
    "error": "1;31",
    "size": "2",
    "name": "36",
    "faint": "2",
}
_STYLE_COLOURS: Final = {
    "key": "36",
    "tag": "36",
    "string": "32",
    "number": "33",
    "keyword": "33",
    "comment": "2",
    "offset": "2",
    "error": "31",
}


class FlowText:
    """Writes flows with or without colours. `view` names the content view of bodies."""

    def __init__(
        self, *, is_coloured: bool, detail: int = 1, view: str = "auto", show_host: bool = False, lines: int = LINES
    ) -> None:
        """`lines` of a body, or messages, are written at detail 3."""
        self._is_coloured = is_coloured
        self.detail, self.view, self.show_host, self.lines = detail, view, show_host, lines

    def of(self, flow: Flow) -> str:
        """Whole lines, the last with its line end; nothing at detail 0."""
        if self.detail < 1:
            return ""
        lines = [self._first_line(flow)]
        if self.detail >= 2:
            lines += [f"    {line}" if line else "" for line in self._details(flow)]
        return "\n".join(lines) + "\n"

    def _paint(self, colour: str, text: str, table: dict[str, str] = _COLOURS) -> str:
        code = table.get(colour)
        return f"\x1b[{code}m{text}\x1b[0m" if self._is_coloured and code and text else text

    # the first line

    def _first_line(self, flow: Flow) -> str:
        words = [
            self._paint("client", "replay" if flow.replay_of is not None else _address(flow.client.peer if flow.client else None))
        ]
        if isinstance(flow, HttpFlow):
            words += self._http_words(flow)
        elif isinstance(flow, DnsFlow):
            words += self._dns_words(flow)
        elif isinstance(flow, TcpFlow):
            server = flow.server.peer if flow.server is not None else None
            words += [flow.kind.upper(), self._paint("url", _address(server)), f"{flow.message_count} messages"]
            words += [self._paint("size", format_size(flow.byte_count))]
        if flow.error is not None:
            words += ["<<", self._paint("error", f"error: {one_line(flow.error.message)}")]
        if (seconds := duration(flow)) is not None:
            words.append(self._paint("faint", format_duration(seconds)))
        return " ".join(word for word in words if word)

    def _http_words(self, flow: HttpFlow) -> Iterator[str]:
        request, response = flow.request, flow.response
        yield self._paint("method", one_line(request.method))
        yield self._paint("url", one_line(request.pretty_url if self.show_host else request.url))
        if request.http_version not in ("HTTP/1.1", "HTTP/1.0"):
            yield one_line(request.http_version)
        if response is not None:
            yield "<<"
            yield self._paint(_status_colour(response.status_code), _status(response))
            yield self._paint("size", format_size(passed_size(response.body)))
        elif flow.error is None:
            yield "<< no response"

    def _dns_words(self, flow: DnsFlow) -> Iterator[str]:
        yield self._paint("method", "DNS")
        yield self._paint("url", one_line(f"{flow.request.type_name} {flow.request.name}"))
        if flow.response is not None:
            yield "<<"
            yield self._paint("good" if flow.response.rcode == 0 else "bad", flow.response.rcode_name)
            yield one_line(", ".join(flow.response.answers()[:20]))

    # details

    def _details(self, flow: Flow) -> Iterator[str]:
        for noted in flow.noted_by_rules():
            yield self._paint("faint", f"rule: {one_line(noted)}")
        if isinstance(flow, HttpFlow):
            yield from self._message(flow.request, flow.request)
            for response in flow.informational:
                yield f"<< {one_line(response.http_version)} {_status(response)}"
                yield from self._fields(response.headers)
            if flow.response is not None:
                yield f"<< {one_line(flow.response.http_version)} {_status(flow.response)}"
                yield from self._message(flow.request, flow.response)
            if flow.websocket is not None and self.detail >= 3:
                yield from self._websocket(flow.websocket)
        elif isinstance(flow, DnsFlow) and self.detail >= 2:
            for message in (flow.request, flow.response):
                if message is not None:
                    yield from (one_line(line) for line in message.text().splitlines())
                    yield ""
        elif isinstance(flow, TcpFlow) and self.detail >= 3:
            messages = ((each.from_client, each.body.read(), each.is_dropped) for each in flow.messages)
            yield from self._messages(messages, len(flow.messages))

    def _message(self, request: Request, message: Message) -> Iterator[str]:
        yield from self._fields(message.headers)
        yield ""
        if self.detail >= 3 and message.body.size:
            yield from self._body(request, message, message.body)
            yield ""
        if message.trailers is not None and len(message.trailers):
            yield from self._fields(message.trailers)
            yield ""

    def _fields(self, headers: Headers) -> Iterator[str]:
        for name, value in headers:
            yield f"{self._paint('name', one_line(_text(name)))}: {one_line(_text(value))}"

    def _body(self, request: Request, message: Message, body: Body) -> Iterator[str]:
        from interceptor.contentviews.registry import render_body
        from interceptor.contentviews.rendered import COLOURS, ContentFacts

        facts, coding = ContentFacts.of(request, message), message.headers.get("content-encoding", "") or ""
        credible = credible_size(body.size, _MOST_DECODED)
        limit = max(body.size, credible) if self.detail >= 4 else credible
        rendered = render_body(body, coding, self.view, facts, limit=limit)
        yield self._paint("faint", f"[{one_line(rendered.description)}]")
        lines = rendered.lines
        if rendered.view_name == "image":  # its facts alone: a picture without its colours is noise
            lines = [line for line in lines if line and not any(COLOURS.fullmatch(style) for style, _ in line)]
        yield from self._cut(
            ("".join(self._paint(style, one_line(text), _STYLE_COLOURS) for style, text in line) for line in lines),
            len(lines),
            "lines",
        )

    def _websocket(self, websocket: WebSocketData) -> Iterator[str]:
        spoken = [each for each in websocket.messages if not each.is_control]
        yield from self._messages(((m.from_client, m.body.read(), m.is_dropped) for m in spoken), len(spoken))
        if websocket.close_code is not None:
            closer = "client" if websocket.closed_by_client else "server"
            yield f"closed by the {closer}: {websocket.close_code} {one_line(websocket.close_reason)}".rstrip()
        yield ""

    def _messages(self, messages: Iterable[tuple[bool, bytes, bool]], count: int) -> Iterator[str]:
        lines = (
            f"{'->' if from_client else '<-'} {one_line(_text(content))}{' (dropped)' if is_dropped else ''}"
            for from_client, content, is_dropped in messages
        )
        yield from self._cut(lines, count, "messages")

    def _cut(self, lines: Iterable[str], count: int, unit: str) -> Iterator[str]:
        most = _ALL if self.detail >= 4 else self.lines
        yield from islice(lines, most)
        if count > most:
            yield self._paint("faint", f"({count - most} more {unit})")


def duration(flow: Flow) -> float | None:
    """Seconds from the first byte to the last; None if one of them is not known."""
    started, ended = flow.created_at, flow.ended_at
    if isinstance(flow, HttpFlow):
        started = flow.request.timestamp_start or started
        if flow.response is not None and not flow.is_upgraded:
            ended = flow.response.timestamp_end or ended
    if not ended and flow.error is not None:
        ended = flow.error.timestamp
    return max(ended - started, 0.0) if started and ended else None


def format_duration(seconds: float) -> str:
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    return f"{seconds:.1f}s" if seconds < 99.95 else f"{seconds:.0f}s"


def one_line(text: str) -> str:
    """Safe for a terminal: controls, tabs and line ends become visible escapes."""
    return escape_control(text).replace("\t", "\\t")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _address(address: Address | None) -> str:
    return f"{bracketed(one_line(address[0]))}:{address[1]}" if address is not None else "-"


def _status(response: Response) -> str:
    return f"{response.status_code} {one_line(response.reason_text)}".rstrip()


def _status_colour(status_code: int) -> str:
    return "good" if status_code < 300 else "moved" if status_code < 400 else "bad"
