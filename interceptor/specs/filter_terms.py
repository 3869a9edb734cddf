"""What the operators of the filter language ask of a flow: makers of tests.

    maker(argument, settings) -> Callable[[Flow], bool]

The test is made once, and called for every flow: it holds its compiled expression and looks at nothing that it does not need.
Bodies are matched as bytes with their content coding undone, at most `BODY_LIMIT` of each; what does not decode is matched as it
is.
Which operator is which maker is said in `filter_operators`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from interceptor.model.body import passed_size
from interceptor.model.connection import Address, Connection, bracketed
from interceptor.model.encoding import PartialContent, TooLarge, credible_size, decode_content
from interceptor.model.flow import DnsFlow, Flow, HttpFlow, TcpFlow
from interceptor.model.http import Message
from interceptor.specs.errors import UserError
from interceptor.specs.filter_ranges import Bare, Clock, Test, amount_test, port, status_test, time_test, tls_rank, tls_version
from interceptor.specs.sizes import parse_duration, parse_size

BODY_LIMIT: Final = 16 * 1024 * 1024
"""How much of one body a filter looks into, before and after decoding: a search in gigabytes would stand in everyone's way."""

Predicate = Callable[[Flow], bool]


class Settings(NamedTuple):
    """What the meaning of a filter depends on beside its text."""

    ignore_case: bool
    clock: Clock


Maker = Callable[[str, Settings], Predicate]


# ---- what there is to know of a flow


def url_of(flow: Flow) -> str | None:
    """What `~u` matches: the URL with the host that the client named; of a DNS query its name; for bytes that nobody parses where
    they go."""
    if isinstance(flow, HttpFlow):
        return flow.request.pretty_url
    if isinstance(flow, DnsFlow):
        return flow.request.name
    if flow.server is not None and flow.server.peer is not None:
        return f"{flow.kind}://{_address_text(flow.server.peer)}"
    return None


def started_at(flow: Flow) -> float:
    return (flow.request.timestamp_start if isinstance(flow, HttpFlow) else 0.0) or flow.created_at


def duration_of(flow: Flow) -> float | None:
    """Seconds from its first byte to its last; None while it is not over."""
    end = flow.ended_at
    if isinstance(flow, HttpFlow) and flow.response is not None and flow.websocket is None:
        end = flow.response.timestamp_end or end
    return None if end is None else end - started_at(flow)


def size_of(flow: Flow, of_request: bool) -> int | None:
    """Bytes of the request's or the response's body and of the messages that went the same way; None without a response."""
    if isinstance(flow, HttpFlow):
        message: Message | None = flow.request if of_request else flow.response
        if message is None:
            return None
        socket, spoken = flow.websocket, 0
        if socket is not None:
            spoken = socket.bytes_from_client if of_request else socket.bytes_from_server
        return passed_size(message.body) + spoken
    if isinstance(flow, DnsFlow):
        said = flow.request if of_request else flow.response
        return len(said.wire) if said is not None else None
    if isinstance(flow, TcpFlow):
        return sum(each.body.size for each in flow.messages if each.from_client is of_request)
    return None


def has_message(flow: Flow, from_client: bool) -> bool:
    """Whether that side has said something in a conversation of messages."""
    if isinstance(flow, HttpFlow):
        return flow.websocket is not None and any(each.from_client is from_client for each in flow.websocket.messages)
    return isinstance(flow, TcpFlow) and any(each.from_client is from_client for each in flow.messages)


def _address_text(address: Address) -> str:
    return f"{bracketed(address[0])}:{address[1]}"


def _decoded(message: Message) -> bytes:
    raw = message.body.read(0, BODY_LIMIT)
    encoding = message.headers.get("content-encoding")
    if not encoding or not raw:
        return raw
    try:
        return decode_content(raw, encoding, credible_size(len(raw), BODY_LIMIT))
    except TooLarge as error:
        return error.partial
    except PartialContent as error:
        return error.content or raw
    except ValueError:
        return raw


def _contents(flow: Flow, of_request: bool, of_response: bool) -> Iterator[bytes]:
    """Bodies and messages, one after the other, read when asked for."""
    if isinstance(flow, HttpFlow):
        if of_request:
            yield _decoded(flow.request)
        if of_response and flow.response is not None:
            yield _decoded(flow.response)
        for spoken in flow.websocket.messages if flow.websocket is not None else ():
            if of_request if spoken.from_client else of_response:
                yield spoken.body.read(0, BODY_LIMIT)
    elif isinstance(flow, DnsFlow):
        for told in (flow.request if of_request else None, flow.response if of_response else None):
            if told is not None:
                yield told.text().encode()
    elif isinstance(flow, TcpFlow):
        for said in flow.messages:
            if of_request if said.from_client else of_response:
                yield said.body.read(0, BODY_LIMIT)


def _messages(flow: Flow, of_request: bool, of_response: bool) -> Iterator[Message]:
    if isinstance(flow, HttpFlow):
        if of_request:
            yield flow.request
        if of_response and flow.response is not None:
            yield flow.response


# ---- expressions


def _compiled(pattern: str | bytes, settings: Settings, flags: int) -> re.Pattern[str] | re.Pattern[bytes]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "possible nested set": what was typed is taken as re takes it
        try:
            return re.compile(pattern, flags | (re.IGNORECASE if settings.ignore_case else 0))
        except (re.error, OverflowError, RecursionError) as error:
            raise UserError(f"{_shown(pattern)!r} is not a regular expression: {error}.", getattr(error, "pos", None)) from None


def _shown(pattern: str | bytes) -> str:
    return pattern if isinstance(pattern, str) else pattern.decode("utf-8", "replace")


def _text_search(pattern: str, settings: Settings) -> Callable[[str], object]:
    return _compiled(pattern, settings, 0).search  # type: ignore[return-value]


def _byte_search(pattern: str, settings: Settings, flags: int = 0) -> Callable[[bytes], object]:
    return _compiled(pattern.encode("utf-8", "surrogatepass"), settings, flags).search  # type: ignore[return-value]


# ---- makers of tests


def fact(test: Predicate) -> Maker:
    return lambda argument, settings: test


def url(pattern: str, settings: Settings) -> Predicate:
    search = _text_search(pattern, settings)

    def matches(flow: Flow) -> bool:
        url = flow.request.pretty_url if isinstance(flow, HttpFlow) else url_of(flow)
        return url is not None and search(url) is not None

    return matches


def domain(pattern: str, settings: Settings) -> Predicate:
    search = _text_search(pattern, settings)

    def matches(flow: Flow) -> bool:
        if isinstance(flow, HttpFlow):
            request = flow.request
            return search(request.host) is not None or search(request.pretty_host) is not None
        return any(search(name) is not None for name in _raw_hosts(flow))

    return matches


def _raw_hosts(flow: Flow) -> Iterator[str]:
    if isinstance(flow, DnsFlow):
        yield flow.request.name
    if flow.server is not None and flow.server.peer is not None:
        yield flow.server.peer[0]
    if flow.client is not None and flow.client.tls is not None and flow.client.tls.server_name:
        yield flow.client.tls.server_name


def method(pattern: str, settings: Settings) -> Predicate:
    search = _text_search(pattern, settings)
    return lambda flow: isinstance(flow, HttpFlow) and search(flow.request.method) is not None


def status(argument: str, settings: Settings) -> Predicate:
    test = status_test(argument)
    return lambda flow: isinstance(flow, HttpFlow) and flow.response is not None and test(flow.response.status_code)


def body(of_request: bool, of_response: bool) -> Maker:
    def make(pattern: str, settings: Settings) -> Predicate:
        search = _byte_search(pattern, settings, re.DOTALL)
        return lambda flow: any(search(content) is not None for content in _contents(flow, of_request, of_response))

    return make


def head(of_request: bool, of_response: bool) -> Maker:
    def make(pattern: str, settings: Settings) -> Predicate:
        search = _byte_search(pattern, settings, re.MULTILINE)

        def matches(flow: Flow) -> bool:
            for message in _messages(flow, of_request, of_response):
                if search(b"\n".join(b"%b: %b" % each for each in message.headers.fields)) is not None:
                    return True
            return False

        return matches

    return make


def content_type(of_request: bool, of_response: bool) -> Maker:
    def make(pattern: str, settings: Settings) -> Predicate:
        search = _byte_search(pattern, settings)

        def matches(flow: Flow) -> bool:
            for message in _messages(flow, of_request, of_response):
                for name, value in message.headers.fields:
                    if len(name) == 12 and name.lower() == b"content-type" and search(value) is not None:
                        return True
            return False

        return matches

    return make


ASSET: Final = r"^(text/css|(text|application)/(x-)?javascript|image/|font/|application/(x-)?font)"
is_asset: Final = content_type(False, True)(ASSET, Settings(True, lambda: 0.0))


def address(addresses: Callable[[Flow], Iterator[Address | None]]) -> Maker:
    def make(pattern: str, settings: Settings) -> Predicate:
        search = _text_search(pattern, settings)
        return lambda flow: any(each is not None and search(_address_text(each)) is not None for each in addresses(flow))

    return make


def source(flow: Flow) -> Iterator[Address | None]:
    yield flow.client.peer if flow.client is not None else None


def destination(flow: Flow) -> Iterator[Address | None]:
    if flow.server is not None:
        yield flow.server.peer
        yield flow.server.resolved
    elif isinstance(flow, HttpFlow):
        yield flow.request.host, flow.request.port


def words(texts: Callable[[Flow], Iterator[str]]) -> Maker:
    def make(pattern: str, settings: Settings) -> Predicate:
        search = _text_search(pattern, settings)
        return lambda flow: any(search(text) is not None for text in texts(flow))

    return make


def markers(flow: Flow) -> Iterator[str]:
    if flow.marker:
        yield flow.marker
        yield f":{flow.marker.strip(':')}:"


def metadata(flow: Flow) -> Iterator[str]:
    yield "\n".join(f"{key}: {value}" for key, value in flow.metadata.items())


def comment(flow: Flow) -> Iterator[str]:
    yield flow.comment


def _connections(flow: Flow) -> Iterator[Connection]:
    if flow.client is not None:
        yield flow.client
    if flow.server is not None:
        yield flow.server


def server_names(flow: Flow) -> Iterator[str]:
    for connection in _connections(flow):
        if connection.tls is not None and connection.tls.server_name:
            yield connection.tls.server_name


def processes(flow: Flow) -> Iterator[str]:
    if flow.client is not None and flow.client.process is not None:
        yield flow.client.process.text


def http_versions(flow: Flow) -> Iterator[str]:
    for message in _messages(flow, True, True):
        yield message.http_version


def tls(argument: str, settings: Settings) -> Predicate:
    if not argument:
        return lambda flow: any(connection.tls is not None for connection in _connections(flow))
    test = amount_test(argument, tls_version, Bare.EXACTLY)
    return lambda flow: any(
        connection.tls is not None and connection.tls.version != "" and test(tls_rank(connection.tls.version))
        for connection in _connections(flow)
    )


def port_of(argument: str, settings: Settings) -> Predicate:
    test = amount_test(argument, port, Bare.EXACTLY)

    def matches(flow: Flow) -> bool:
        if isinstance(flow, HttpFlow):
            return test(flow.request.port)
        return flow.server is not None and flow.server.peer is not None and test(flow.server.peer[1])

    return matches


def size(of_request: bool) -> Maker:
    def make(argument: str, settings: Settings) -> Predicate:
        return _known(lambda flow: size_of(flow, of_request), amount_test(argument, parse_size, Bare.AT_LEAST))

    return make


def duration(argument: str, settings: Settings) -> Predicate:
    return _known(duration_of, amount_test(argument, parse_duration, Bare.AT_LEAST))


def time_of(argument: str, settings: Settings) -> Predicate:
    return _known(started_at, time_test(argument, settings.clock))


def _known(amount: Callable[[Flow], float | None], test: Test) -> Predicate:
    def matches(flow: Flow) -> bool:
        known = amount(flow)
        return known is not None and test(known)

    return matches
