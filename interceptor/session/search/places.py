"""What of a flow can be found: its texts, each with its place.

    flow ─▸ Place(request), Place(request body) …, Place(message 12) …

The same texts are indexed, and looked at to see whether something is really there. Bodies are without their codings, in the
charset that they are in; of what is no text the runs of ASCII are, as `strings` prints them. Of each body or message at most
`limit` bytes are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from interceptor.contentviews.charset import looks_binary, to_utf8
from interceptor.contentviews.rendered import ContentFacts
from interceptor.model.body import Body
from interceptor.model.connection import bracketed
from interceptor.model.encoding import PartialContent, TooLarge, decode_content
from interceptor.model.flow import DnsFlow, Flow, HttpFlow, TcpFlow
from interceptor.model.http import Message, Request

BODY_LIMIT: Final = 1024 * 1024
_ASCII_RUNS: Final = re.compile(rb"[\t\x20-\x7e]{4,}")


@dataclass(frozen=True, slots=True)
class Place:
    """`tab` shows it. `body` is the body whose content it is; None for what stands in the flow itself."""

    name: str
    tab: str
    body: Body | None = None
    message: Message | None = None
    facts: ContentFacts | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """Of what is binary there is only the ASCII in `text`, in another charset the bytes are not what they are in it, and what is
    cut goes on."""

    text: str
    is_cut: bool = False
    is_binary: bool = False
    is_other_charset: bool = False


def places_of(flow: Flow) -> Iterator[Place]:
    """In the order in which one reads them. Reads nothing yet."""
    if isinstance(flow, HttpFlow):
        yield Place("request", "request", message=flow.request)
        if flow.request.body.size:
            yield _body_of(flow, flow.request, "request")
        if flow.response is not None:
            yield Place("response", "response", message=flow.response)
            if flow.response.body.size:
                yield _body_of(flow, flow.response, "response")
        for number, spoken in enumerate(flow.websocket.messages if flow.websocket is not None else (), 1):
            if spoken.body.size:
                yield Place(f"message {number}", "messages", spoken.body)
    elif isinstance(flow, TcpFlow):
        yield Place("address", "stream")
        for number, said in enumerate(flow.messages, 1):
            if said.body.size:
                yield Place(f"message {number}", "stream", said.body)
    elif isinstance(flow, DnsFlow):
        yield Place("query", "request")
        if flow.response is not None:
            yield Place("answer", "response")
    if flow.comment or flow.error is not None:
        yield Place("details", "detail")


def _body_of(flow: HttpFlow, message: Message, tab: str) -> Place:
    return Place(f"{tab} body", tab, message.body, message, ContentFacts.of(flow.request, message))


def content_of(flow: Flow, place: Place, limit: int = BODY_LIMIT) -> Content:
    if place.body is None:
        return Content(_own_text(flow, place))
    raw = place.body.read(0, limit)
    is_cut = place.body.size > limit or place.body.is_truncated
    encoding = place.message.headers.get("content-encoding") if place.message is not None else ""
    if encoding and raw:
        try:
            raw = decode_content(raw, encoding, limit)
        except TooLarge as error:
            raw, is_cut = error.partial, True
        except PartialContent as error:
            raw, is_cut = error.content or raw, True
        except ValueError:
            is_cut = True
    return as_text(raw, place.facts or ContentFacts(), is_cut)


def as_text(raw: bytes, facts: ContentFacts, is_cut: bool = False) -> Content:
    """Whatever it is; of binary content what is ASCII in it."""
    if raw.isascii() and b"\0" not in raw:
        return Content(raw.decode("ascii"), is_cut)
    names_charset = facts.parameter("charset").lower() not in ("", "utf-8", "utf8")
    if looks_binary(raw) and not names_charset:
        return Content("\n".join(run.decode("ascii") for run in _ASCII_RUNS.findall(raw)), is_cut, is_binary=True)
    if not names_charset:
        try:
            return Content(raw.decode("utf-8").replace("\0", "\n"), is_cut, is_binary=b"\0" in raw)
        except UnicodeDecodeError:
            pass
    text, _ = to_utf8(raw, facts)
    return Content(text.decode("utf-8", "replace").replace("\0", "\n"), is_cut, is_other_charset=True)


def _own_text(flow: Flow, place: Place) -> str:
    if isinstance(flow, HttpFlow) and place.message is not None:
        return head_text(place.message)
    if place.name == "details":
        return "\n".join(each for each in (flow.comment, flow.error.message if flow.error is not None else "") if each)
    if isinstance(flow, TcpFlow):
        peer = flow.server.peer if flow.server is not None else None
        return f"{flow.kind}://{bracketed(peer[0])}:{peer[1]}" if peer is not None else flow.kind
    if isinstance(flow, DnsFlow):
        message = flow.request if place.name == "query" else flow.response
        return message.text() if message is not None else ""
    return ""


def head_text(message: Message) -> str:
    """First line with the whole URL, header fields, trailers."""
    if isinstance(message, Request):
        first = f"{message.method} {message.pretty_url}"
    else:
        first = f"{message.status_code} {message.reason_text}"  # type: ignore[attr-defined]
    lines = [first, *(_line(name, value) for name, value in message.headers.fields)]
    if message.trailers is not None:
        lines += [_line(name, value) for name, value in message.trailers.fields]
    return "\n".join(lines)


def _line(name: bytes, value: bytes) -> str:
    field = b"%b: %b" % (name, value)
    return field.decode("ascii") if field.isascii() else field.decode("utf-8", "replace")
