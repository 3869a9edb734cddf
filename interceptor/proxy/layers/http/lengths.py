"""What a message's fields say about its framing as it is sent, and Content-Length that follows the body, where an edit or a
replacement changed it."""

from __future__ import annotations

from interceptor.model.http import Field, Request, Response


def fix_length(message: Request | Response, size: int, method: str = "") -> None:
    """Content-Length follows the body that will be sent, where it says something else; added where a body would have no
    framing, removed where Transfer-Encoding has been put beside it."""
    headers = message.headers
    if "transfer-encoding" in headers:
        headers.remove("content-length")
        return
    if method == "HEAD":
        return
    if isinstance(message, Response) and (message.status_code in (204, 304) or message.status_code < 200):
        return
    declared = headers.get_all("content-length")
    if declared and any(value != str(size) for value in declared):
        headers.set_all("Content-Length", [str(size)])
    elif not declared and size:
        headers.add("Content-Length", str(size))


def framing_of(fields: list[Field]) -> tuple[bool, bytes]:
    """(whether there is a Transfer-Encoding, the values of Connection in lower case). One pass: every message comes by here."""
    is_chunked, connection = False, b""
    for name, value in fields:
        size = len(name)
        if size == 10 and name.lower() == b"connection":
            connection += value.lower() + b","
        elif size == 17 and name.lower() == b"transfer-encoding":
            is_chunked = True
    return is_chunked, connection
