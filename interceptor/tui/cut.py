"""Single facts of flows, by mitmproxy's paths: `request.method`, `response.content`, `request.header[host]` …

One fact of one flow is its bare bytes; more than that is a table of comma-separated values, a row for each flow.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Final

from interceptor.model.encoding import PartialContent, TooLarge, decode_content
from interceptor.model.flow import Flow, HttpFlow
from interceptor.model.http import Message, Request, Response
from interceptor.specs.errors import UserError


def cut(flows: Sequence[Flow], paths: Sequence[str]) -> bytes:
    """UserError for an unknown path, or if none of the flows has what is asked for."""
    if not flows:
        raise UserError("there is no flow to take it from")
    if len(flows) == 1 and len(paths) == 1:
        value = _value(flows[0], paths[0])
        if value is None:
            raise UserError(f"this flow has no {paths[0]}")
        return value
    text = io.StringIO()
    writer = csv.writer(text)
    for flow in flows:
        writer.writerow([(_value(flow, path) or b"").decode("utf-8", "backslashreplace") for path in paths])
    return text.getvalue().encode()


def _value(flow: Flow, path: str) -> bytes | None:
    subject, _, name = path.partition(".")
    if subject not in ("request", "response", "q", "s") or not name:
        raise UserError(f"{path!r} is not a path; request.url, response.content or request.header[host] would be")
    is_request = subject in ("request", "q")
    if name.startswith("header[") and name.endswith("]"):
        message = _message(flow, is_request)
        value = message.headers.get(name[7:-1]) if message is not None else None
        return value.encode("utf-8", "surrogateescape") if value is not None else None
    getter: Callable[..., bytes] | None = (_REQUEST if is_request else _RESPONSE).get(name) or _BOTH.get(name)
    if getter is None:
        known = ", ".join([*_BOTH, *(_REQUEST if is_request else _RESPONSE), "header[name]"])
        raise UserError(f"{path!r} is not known; behind {subject}. there may be {known}")
    message = _message(flow, is_request)
    return getter(message) if message is not None else None


def _message(flow: Flow, is_request: bool) -> Message | None:
    if not isinstance(flow, HttpFlow):
        return None
    return flow.request if is_request else flow.response


def _content(message: Message) -> bytes:
    raw = message.body.read()
    try:
        return decode_content(raw, message.headers.get("content-encoding") or "", 1 << 30)
    except (TooLarge, PartialContent) as error:
        raise UserError(f"the body cannot be decoded: {error}; raw_content takes it as it is") from None
    except ValueError:
        return raw


def _text(value: object) -> bytes:
    return str(value).encode("utf-8", "surrogateescape")


_BOTH: Final[dict[str, Callable[[Message], bytes]]] = {
    "content": _content,
    "raw_content": lambda message: message.body.read(),
    "http_version": lambda message: _text(message.http_version),
    "timestamp_start": lambda message: _text(message.timestamp_start),
    "timestamp_end": lambda message: _text(message.timestamp_end or ""),
}
_REQUEST: Final[dict[str, Callable[[Request], bytes]]] = {
    "method": lambda request: _text(request.method),
    "scheme": lambda request: _text(request.scheme),
    "host": lambda request: _text(request.host),
    "port": lambda request: _text(request.port),
    "path": lambda request: request.target,
    "url": lambda request: _text(request.url),
}
_RESPONSE: Final[dict[str, Callable[[Response], bytes]]] = {
    "status_code": lambda response: _text(response.status_code),
    "reason": lambda response: response.reason,
}
