"""A request as a curl command that sends the same bytes: target, headers in their order and spelling, body.

    [printf '…' |]
    curl https://name/path [--resolve name:443:192.0.2.7] [-X PUT] -H 'Name: value' … [--data-raw 'text' | --data-binary @-]

curl is kept from adding what the client did not send (User-Agent, Accept, Content-Type, Expect) and from reading what was sent
as an instruction of its own: a leading @, brackets, dot segments. Certificates stay verified. Two things it does in its own way:
Host comes first, Content-Length last.
"""

from __future__ import annotations

import re
from typing import Final

from interceptor.model.connection import bracketed
from interceptor.model.flow import Flow
from interceptor.options import Options
from interceptor.session.export.outgoing import Outgoing, is_ip, outgoing
from interceptor.session.export.shell import LONGEST_WORD, is_pasteable, pipe, word
from interceptor.specs.errors import UserError

_PLAIN_TARGET: Final = re.compile(rb"/[A-Za-z0-9._~!$&'()*+,;=:@/?%{}\[\]|^-]*")
_EXPECTED_FROM: Final = 1024
"""From this size on curl asks with Expect: 100-continue by itself (later versions: from a megabyte on)."""


def curl(flow: Flow, options: Options) -> str:
    """UserError if it cannot be said to curl."""
    request = outgoing(flow, options.export_preserve_original_ip)
    parts = [f"curl {_url(request)}", *_connection(request), *_headers(request)]
    if (accepted := request.value(b"accept-encoding").strip().lower()) and accepted != b"identity":
        parts.append("--compressed")
    before = ""
    if request.is_framed:
        if len(request.body) <= LONGEST_WORD and is_pasteable(request.body):
            parts.append(f"--data-raw {word(request.body, 'the body')}")
        else:
            before = f"{pipe(request.body)} |\n"
            parts.append("--data-binary @-")
    return before + " \\\n  ".join(parts)


def _url(request: Outgoing) -> str:
    base = f"{request.scheme}://{bracketed(request.host)}"
    if request.authority != bracketed(request.host):
        base += f":{request.port}"
    target = request.target
    if not _PLAIN_TARGET.fullmatch(target):
        return f"{word(base.encode() + b'/', 'the URL')} \\\n  --request-target {word(target, 'the path')}"
    flags = ""
    if b"/." in target or b"%2e" in target.lower():
        flags += " --path-as-is"
    if any(byte in target for byte in b"[]{}") or "[" in base:
        flags += " --globoff"
    return word(base.encode() + target, "the URL") + flags


def _connection(request: Outgoing) -> list[str]:
    parts = []
    if request.address:
        if is_ip(request.address):
            where = f"{bracketed(request.host)}:{request.port}:{bracketed(request.address)}"
            parts.append(f"--resolve {word(where.encode(), 'the address')}")
        else:
            where = f"{request.host}:{request.port}:{request.address}:{request.port}"
            parts.append(f"--connect-to {word(where.encode(), 'the address')}")
    version = request.http_version
    if version == "HTTP/1.0":
        parts.append("--http1.0")
    elif version.startswith("HTTP/1") and request.scheme == "https":
        parts.append("--http1.1")
    elif version.startswith("HTTP/2") and request.scheme == "http":
        parts.append("--http2-prior-knowledge")
    if request.method == "HEAD" and not request.is_framed:
        parts.append("--head")
    elif request.method != ("POST" if request.is_framed else "GET"):
        parts.append(f"-X {word(request.method.encode(), 'the method')}")
    return parts


def _headers(request: Outgoing) -> list[str]:
    hosts = request.host_fields
    lines: list[bytes] = [] if hosts else [b"Host:"]
    for name, value in request.fields:
        if name.lower() == b"host" and hosts == [request.authority.encode()]:
            continue
        if value and not value.strip() and value.strip(b" \t"):
            shown = name[:40].decode("ascii", "backslashreplace")
            raise UserError(f"the header {shown} holds only blanks of a kind with which curl leaves it out; raw_request keeps it")
        lines.append(b"%b: %b" % (name, value) if value.strip() else name + b";")  # "name:" would take it away
    lines += [name + b":" for name in (b"User-Agent", b"Accept") if not request.has(name.lower())]
    if request.is_framed and not request.has(b"content-type"):
        lines.append(b"Content-Type:")
    if len(request.body) >= _EXPECTED_FROM and not request.has(b"expect"):
        lines.append(b"Expect:")
    return [f"-H {word(line, 'a header')}" for line in lines]
