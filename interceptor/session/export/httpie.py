r"""A request as an HTTPie command (version 3): `http METHOD URL Name:value …`.

HTTPie normalises the URL, so bytes that do not belong into one are percent-encoded here. It has its own language for headers: a
blank behind the colon keeps `:=` and `:@` from meaning something else, `Name;` is an empty one, `Name:` takes a default away.
There a backslash in front of a separator disappears, and nothing brings it back: such a header is refused.
"""

from __future__ import annotations

import re
from typing import Final

from interceptor.model.flow import Flow
from interceptor.options import Options
from interceptor.session.export.outgoing import Outgoing, outgoing
from interceptor.session.export.shell import LONGEST_WORD, is_pasteable, pipe, word
from interceptor.specs.errors import UserError

_DEFAULTS: Final = (b"User-Agent", b"Accept-Encoding", b"Accept", b"Connection")
_LOST_BACKSLASH: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\[:=@;]")


def httpie(flow: Flow, options: Options) -> str:
    """UserError if it cannot be said to HTTPie."""
    request = outgoing(flow)
    if not request.method.isascii() or not request.method.isalpha():
        raise UserError(f"HTTPie takes a method of letters only, not {request.method}; curl takes any")
    items = _items(request)
    flags = ["--path-as-is"] if b"/." in request.target or b"%2e" in request.target.lower() else []
    if request.is_chunked and request.body:
        flags.append("--chunked")
    before = ""
    if request.body and (len(request.body) > LONGEST_WORD - 10 or not is_pasteable(request.body)):
        before = f"{pipe(request.body)} |\n"
    else:
        flags.append("--ignore-stdin")
        if request.body:
            flags.append(word(b"--raw=" + request.body, "the body"))
    url = word(request.url.encode(), "the URL")
    separator = ["--"] if any(item.startswith(b"-") for item in items) else []
    first = " ".join(["http", *flags, *separator, request.method, url])
    return before + " \\\n  ".join([first, *(word(item, "a header") for item in items)])


def _items(request: Outgoing) -> list[bytes]:
    hosts = request.host_fields
    items: list[bytes] = []
    for name, value in request.fields:
        lower = name.lower()
        if lower == b"transfer-encoding" or (lower == b"host" and hosts == [request.authority.encode()]):
            continue
        if _LOST_BACKSLASH.search(value):
            raise UserError(f"HTTPie cannot be told the value of {name.decode()}: it has a backslash before a separator")
        items.append(b"%b: %b" % (name, value) if value.strip(b" \t") else name + b";")
    items += [name + b":" for name in _DEFAULTS if not request.has(name.lower())]
    if request.body and not request.has(b"content-type"):
        items.append(b"Content-Type:")
    return items
