"""A request as a call of JavaScript's `fetch`, to be run by Node.js, or pasted into the console of a browser.

It is as faithful as `fetch` lets it be: names of fields are in small letters there, fields of one name are joined, hop-by-hop
fields cannot be said, and browsers choose some fields themselves (Host, Cookie, Origin …). What would be sent as something else
without a word is refused: a body with GET or HEAD, dot segments, an empty query.
"""

from __future__ import annotations

import base64
import re
from typing import Final

from interceptor.model.flow import Flow
from interceptor.options import Options
from interceptor.session.export.literals import check_length, javascript
from interceptor.session.export.outgoing import Outgoing, outgoing
from interceptor.specs.errors import UserError

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_UNSAYABLE: Final = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"expect", b"proxy-connection"})
_FORBIDDEN_METHODS: Final = frozenset({"CONNECT", "TRACE", "TRACK"})
_NORMALISED: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"})


def fetch(flow: Flow, options: Options) -> str:
    """UserError if it cannot be said to fetch."""
    request = outgoing(flow)
    _check(request)
    init = [f"  method: {javascript(request.method)},"]
    fields = [(name, value) for name, value in request.fields if name.lower() not in _UNSAYABLE]
    if request.host_fields == [request.authority.encode()]:
        fields = [field for field in fields if field[0].lower() != b"host"]
    if fields:
        pairs = [f"    [{javascript(name.decode('ascii'))}, {javascript(value.decode('latin-1'))}]," for name, value in fields]
        init += ["  headers: [", *pairs, "  ],"]
    if request.body:
        init.append(f"  body: {_body(request)},")
    init.append('  redirect: "manual",')
    url = javascript(request.url.replace("'", "%27"))
    lines = [f"const response = await fetch({url}, {{", *init, "});"]
    return "\n".join([*lines, "console.log(response.status, response.statusText);", "console.log(await response.text());"])


def _check(request: Outgoing) -> None:
    check_length(request.body)
    method = request.method
    if method.upper() in _FORBIDDEN_METHODS or (method.upper() in _NORMALISED and method != method.upper()):
        raise UserError(f"fetch cannot be told to use the method {method}; curl can")
    if request.body and method in ("GET", "HEAD"):
        raise UserError(f"fetch sends no body with {method}; curl does")
    if request.target == b"*":
        raise UserError("fetch cannot be told to ask for *; curl can")
    for name, value in request.fields:
        if _CONTROL.search(value):
            raise UserError(f"fetch cannot be told the value of {name.decode()}: it has a control character; curl can")
    if request.has_dot_segments:
        raise UserError("fetch takes dot segments out of the path; curl keeps them")
    if request.target.partition(b"?")[1:] == (b"?", b""):
        raise UserError("fetch takes away the ? of an empty query; curl keeps it")


def _body(request: Outgoing) -> str:
    """A text would be given a Content-Type, so without one it is bytes."""
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        literal = javascript(base64.b64encode(request.body).decode())
        return f"Uint8Array.from(atob({literal}), (character) => character.charCodeAt(0))"
    return javascript(text) if request.has(b"content-type") else f"new TextEncoder().encode({javascript(text)})"
