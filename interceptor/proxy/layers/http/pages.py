"""What we say to a client in our own name, when there is no response to pass on. Plain, escaped, and without naming us."""

from __future__ import annotations

from html import escape
from typing import Final

from interceptor.model.body import MemoryBody
from interceptor.model.http import Headers, Response

REASONS: Final = {
    400: b"Bad Request",
    403: b"Forbidden",
    408: b"Request Timeout",
    413: b"Content Too Large",
    421: b"Misdirected Request",
    431: b"Request Header Fields Too Large",
    501: b"Not Implemented",
    502: b"Bad Gateway",
    504: b"Gateway Timeout",
    505: b"HTTP Version Not Supported",
}


def way_out(authority: str) -> str:
    """For what is refused as malformed: how to let it through."""
    return f". To let it through as it is, add {authority} to raw_hosts."


def error_response(status: int, detail: str, timestamp: float) -> Response:
    """A small page that says what happened; it ends with the connection's last response."""
    reason = REASONS.get(status, b"Error")
    title = f"{status} {reason.decode()}"
    page = (
        "<!doctype html><html><head><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{title}</title><style>body{{font:16px/1.5 sans-serif;max-width:40em;margin:4em auto;padding:0 1em}}"
        "p{white-space:pre-wrap}</style></head>"
        f"<body><h1>{title}</h1><p>{escape(detail)}</p></body></html>\n"
    ).encode("utf-8", "replace")
    headers = Headers([(b"Content-Type", b"text/html; charset=utf-8"), (b"Content-Length", str(len(page)).encode())])
    if status != 502:
        headers.add("Connection", "close")
    return Response(status, reason, headers=headers, body=MemoryBody(page), timestamp_start=timestamp, timestamp_end=timestamp)
