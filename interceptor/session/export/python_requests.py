"""A request as a Python program that sends it with the library `requests`.

An ordinary one is a call of `requests.request`. Where that would change the request (several fields of one name, dot segments in
the path, a method in small letters), it is prepared by hand; then fields of one name stand together, spelt like the first. Fields
that `requests` would add are held back; redirects are not followed. What it cannot be talked out of: brackets in the path are
percent-encoded, escapes become capital (`%2F`), and of an empty query (`/a?`) it sends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from interceptor.model.flow import Flow
from interceptor.model.http import Field
from interceptor.options import Options
from interceptor.session.export.literals import check_length, python
from interceptor.session.export.outgoing import Outgoing, outgoing
from interceptor.specs.errors import UserError

_ADDED_BY_REQUESTS: Final = (b"Accept", b"Connection")
_ADDED_BELOW: Final = (b"User-Agent", b"Accept-Encoding")
_END: Final = "print(response.status_code, response.reason)\nprint(response.text)"


def python_requests(flow: Flow, options: Options) -> str:
    """UserError if it cannot be said to `requests`."""
    request = outgoing(flow)
    check_length(request.body)
    if request.target == b"*":
        raise UserError("requests cannot be told to ask for *; curl can")
    if request.has_broken_percent:
        raise UserError("requests changes a % in the path that begins no escape; curl keeps it")
    fields = [field for field in request.fields if field[0].lower() != b"transfer-encoding"]
    return _called(request, fields) if _is_ordinary(request, fields) else _prepared(request, fields)


def _is_ordinary(request: Outgoing, fields: Sequence[Field]) -> bool:
    names = {name.lower() for name, _ in fields}
    return (
        len(names) == len(fields)
        and request.method == request.method.upper()
        and not request.has_dot_segments
        and not request.target.startswith(b"//")
        and all(value == value.strip() for _, value in fields)
        and not any(byte in request.target for byte in b"'\\^|`\"<>{}%#")
    )


def _called(request: Outgoing, fields: Sequence[Field]) -> str:
    lines = [f"    {python(name)}: {python(value)}," for name, value in _named(request, fields)]
    lines += [f"    {python(name)}: urllib3.util.SKIP_HEADER," for name in _ADDED_BELOW if not request.has(name.lower())]
    lines += [f"    {python(name)}: None," for name in _ADDED_BY_REQUESTS if not request.has(name.lower())]
    imports = "import requests\n" + ("import urllib3\n" if any("SKIP_HEADER" in line for line in lines) else "")
    arguments = [python(request.method.encode()), python(request.url.encode()), "headers=headers"]
    if request.is_framed:
        arguments.append(f"data={_body(request)}")
    arguments.append("allow_redirects=False")
    call = "".join(f"    {each},\n" for each in arguments)
    return f"{imports}\nheaders = {{\n" + "\n".join(lines) + f"\n}}\nresponse = requests.request(\n{call})\n{_END}"


def _prepared(request: Outgoing, fields: Sequence[Field]) -> str:
    lines = [f"        ({python(name)}, {python(value)})," for name, value in _named(request, fields)]
    lines += [f"        ({python(name)}, urllib3.util.SKIP_HEADER)," for name in _ADDED_BELOW if not request.has(name.lower())]
    if request.is_framed:
        framing = (b"Transfer-Encoding", b"chunked") if request.is_chunked else (b"Content-Length", b"%d" % len(request.body))
        lines.append(f"        ({python(framing[0])}, {python(framing[1])}),")
    return "\n".join(
        [
            "import requests",
            "import urllib3",
            "",
            f"request = requests.Request('GET', {python(request.url.encode())}).prepare()",
            f"request.method = {python(request.method.encode())}",
            f"request.url = {python(request.url.encode())}",
            "request.headers = urllib3.HTTPHeaderDict(",
            "    [",
            *lines,
            "    ]",
            ")",
            f"request.body = {_body(request) if request.is_framed else None}",
            "with requests.Session() as session:",
            "    response = session.send(request, allow_redirects=False)",
            _END,
        ]
    )


def _named(request: Outgoing, fields: Sequence[Field]) -> list[Field]:
    """Without a Host that says what the URL says."""
    is_implied = request.host_fields == [request.authority.encode()]
    return [field for field in fields if not (is_implied and field[0].lower() == b"host")]


def _body(request: Outgoing) -> str:
    literal = repr(request.body)
    return f"iter([{literal}])" if request.is_chunked and request.body else literal
