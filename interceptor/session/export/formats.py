"""What a flow can be exported as: a name, how, and what such a file is called.

Text comes out of `curl` and `httpie`, to be pasted into a shell, and of those that write a program: printable characters, tabs
and newlines. The others are bytes, as they were on the wire.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Final

from interceptor.model.flow import Flow, HttpFlow
from interceptor.options import Options
from interceptor.session.export.curl import curl
from interceptor.session.export.golang import golang
from interceptor.session.export.httpie import httpie
from interceptor.session.export.javascript import fetch
from interceptor.session.export.outgoing import http_flow
from interceptor.session.export.powershell import power_shell
from interceptor.session.export.python_requests import python_requests
from interceptor.session.export.raw import raw, raw_request, raw_response
from interceptor.specs.errors import UserError

_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)", re.IGNORECASE)
"""Windows takes these for devices, whatever follows the dot."""


def names() -> Sequence[str]:
    return tuple(_FORMATS)


def export(name: str, flow: Flow, options: Options) -> bytes | str:
    """UserError for an unknown name, and if this flow has no such form; its message says why."""
    check(name)
    return _FORMATS[name][0](flow, options)


def check(name: str) -> None:
    """UserError for an unknown name."""
    if name not in _FORMATS:
        raise UserError(f"{name!r} is not a format; {', '.join(_FORMATS)} are")


def file_name(name: str, flow: Flow) -> str:
    """A name for a file with that export. Made of what the wire said, so only letters, digits, `.`, `-` and `_` are in it; it is
    never empty, hidden, a path, longer than file systems take, or one that Windows keeps for itself."""
    _, ending = _FORMATS[name]
    said = ""
    if isinstance(flow, HttpFlow):
        path = flow.request.path.partition("?")[0]
        said = f"{flow.request.host}-{path.rstrip('/').rpartition('/')[2]}"
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", said.encode("ascii", "replace").decode())
    plain = re.sub(r"\.\.+", ".", plain).strip("._-")[:80].rstrip("._-")
    if _DEVICE.match(plain):
        plain = f"_{plain}"
    return f"{plain or 'flow'}-{flow.id}{ending}"


def _har(flow: Flow, options: Options) -> bytes:
    from interceptor.session.formats.har import HarWriter

    stream = io.BytesIO()
    writer = HarWriter(stream)
    writer.write(http_flow(flow))
    writer.close()
    return stream.getvalue()


_FORMATS: Final[dict[str, tuple[Callable[[Flow, Options], bytes | str], str]]] = {
    "curl": (curl, ".sh"),
    "httpie": (httpie, ".sh"),
    "python": (python_requests, ".py"),
    "fetch": (fetch, ".mjs"),
    "go": (golang, ".go"),
    "powershell": (power_shell, ".ps1"),
    "raw": (raw, ".http"),
    "raw_request": (raw_request, "-request.http"),
    "raw_response": (raw_response, "-response.http"),
    "har": (_har, ".har"),
}
