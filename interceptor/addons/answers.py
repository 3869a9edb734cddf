"""Responses that are made here, by rules."""

from __future__ import annotations

import time
from http import HTTPStatus

from interceptor.model.body import Body, MemoryBody
from interceptor.model.http import Headers, Response


def answer(status: int, body: Body | bytes = b"", content_type: str | None = None) -> Response:
    """Complete, with a length, as of now."""
    if isinstance(body, bytes):
        body = MemoryBody(body)
    headers = Headers()
    if content_type is not None:
        headers.add("Content-Type", content_type)
    if status not in (204, 304):
        headers.add("Content-Length", str(body.size))
    now = time.time()
    return Response(status, reason_of(status), headers=headers, body=body, timestamp_start=now, timestamp_end=now)


def reason_of(status: int) -> bytes:
    """The phrase that belongs to it; b"" if it has none."""
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""
