"""Content-Length follows the body that is sent, where an edit or a replacement changed it."""

from __future__ import annotations

from interceptor.model.http import Request, Response


def fix_length(message: Request | Response, size: int, method: str = "") -> None:
    """Content-Length follows the body that will be sent, where it says something else; added where a body would have no
    framing."""
    headers = message.headers
    if "transfer-encoding" in headers or method == "HEAD":
        return
    if isinstance(message, Response) and (message.status_code in (204, 304) or message.status_code < 200):
        return
    declared = headers.get_all("content-length")
    if declared and any(value != str(size) for value in declared):
        headers.set_all("Content-Length", [str(size)])
    elif not declared and size:
        headers.add("Content-Length", str(size))
