"""A request as a Go program that sends it with net/http: the transport itself, so that no redirect is followed.

Go writes fields in the order of their names, and Host first. What it would add by itself (User-Agent, Accept-Encoding) is held
back; it takes framing from the body.
"""

from __future__ import annotations

from typing import Final

from interceptor.model.flow import Flow
from interceptor.options import Options
from interceptor.session.export.literals import check_length, go
from interceptor.session.export.outgoing import Outgoing, outgoing

_OWN: Final = frozenset({b"host", b"transfer-encoding"})
_LOOKED_UP: Final = {b"user-agent": b"User-Agent", b"connection": b"Connection", b"trailer": b"Trailer", b"expect": b"Expect"}
"""Fields that Go looks for in this spelling."""


def golang(flow: Flow, options: Options) -> str:
    """UserError if it cannot be said to Go."""
    request = outgoing(flow)
    check_length(request.body)
    url = request.url
    lines = []
    if request.target == b"*" or request.has_broken_percent:
        base, slash, rest = url.partition("://")[2].partition("/")
        target = "*" if request.target == b"*" else slash + rest
        url = f"{request.scheme}://{base}/"
        lines.append(f"\trequest.URL.Opaque = {go(target.encode())}")
    lines += _fields(request)
    if request.is_chunked and request.body:
        lines.append("\trequest.ContentLength = -1")
    reader = f"strings.NewReader({go(request.body)})" if request.body else "http.NoBody" if request.is_framed else "nil"
    imports = ["fmt", "io", "log", "net/http", *(["strings"] if request.body else [])]
    return "\n".join(
        [
            "package main",
            "",
            "import (",
            *(f'\t"{name}"' for name in imports),
            ")",
            "",
            "func main() {",
            f"\trequest, err := http.NewRequest({go(request.method.encode())}, {go(url.encode())}, {reader})",
            *_checked(),
            *lines,
            "\ttransport := http.DefaultTransport.(*http.Transport).Clone()",
            "\ttransport.DisableCompression = true",
            "\tresponse, err := transport.RoundTrip(request)",
            *_checked(),
            "\tdefer response.Body.Close()",
            "\tbody, err := io.ReadAll(response.Body)",
            *_checked(),
            "\tfmt.Println(response.Status)",
            "\tfmt.Println(string(body))",
            "}",
        ]
    )


def _fields(request: Outgoing) -> list[str]:
    values: dict[bytes, list[bytes]] = {}
    for name, value in request.fields:
        if name.lower() not in _OWN:
            values.setdefault(_LOOKED_UP.get(name.lower(), name), []).append(value)
    if b"User-Agent" not in values:
        values[b"User-Agent"] = [b""]
    lines = []
    if request.host_fields and request.host_fields != [request.authority.encode()]:
        lines.append(f"\trequest.Host = {go(request.host_fields[0])}")
    for name, found in values.items():
        listed = ", ".join(map(go, found))
        lines.append(f"\trequest.Header[{go(name)}] = []string{{{listed}}}")
    return lines


def _checked() -> list[str]:
    return ["\tif err != nil {", "\t\tlog.Fatal(err)", "\t}"]
