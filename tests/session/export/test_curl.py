"""The exported curl command, run by a shell: what the origin receives is what was recorded."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, Side, TlsFacts
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Field, Headers, Request
from interceptor.options import Options
from interceptor.session.export.formats import export
from interceptor.session.export.outgoing import SAMPLE_KEY
from interceptor.specs.errors import UserError
from tests.session.export.echo import Echo, is_harmless, listening, run
from tests.support.effort import examples
from tests.tui.some_flows import tcp_flow


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with listening() as origin:
        yield origin


def flow_of(method: str, target: bytes, fields: list[Field], body: bytes = b"", port: int = 80) -> HttpFlow:
    if body and not any(name.lower() == b"transfer-encoding" for name, _ in fields):
        fields = [*fields, (b"Content-Length", b"%d" % len(body))]
    request = Request(method, "http", "127.0.0.1", port, target, headers=Headers(fields), body=MemoryBody(body))
    return HttpFlow(1, request=request)


def curl(flow: HttpFlow, **options: object) -> str:
    command = export("curl", flow, Options(**options))
    assert isinstance(command, str)
    assert is_harmless(command)
    return command


def received(echo: Echo, command: str, shell: str) -> tuple[bytes, list[Field], bytes]:
    echo.requests.clear()
    with tempfile.TemporaryDirectory() as folder:
        run(shell, command, Path(folder))
    head, _, body = echo.requests[0].partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    fields = [(name, value.removeprefix(b" ")) for name, _, value in (line.partition(b":") for line in lines)]
    return first, [field for field in fields if field[0].lower() != b"content-length"], body


SHELLS = [name for name in ("bash", "dash", "sh", "zsh", "mksh") if shutil.which(name)]
TOKEN = st.text("abXY09!#$%&'*+.^_`|~-", min_size=1, max_size=12).map(str.encode)
NAMES = TOKEN.map(lambda name: b"X" + name) | TOKEN
VALUE_BYTES = st.binary(max_size=40).map(lambda raw: bytes(byte for byte in raw if byte not in b"\r\n\0").strip(b" \t"))
NASTY = st.sampled_from(
    [
        b"$(touch pwned)",
        b"`touch pwned`",
        b"'; touch pwned; '",
        b'"; touch pwned; "',
        b"\\'; touch pwned #",
        b"\x1b]52;c;AAAA\x07\x1b[201~touch pwned",
        b"!!",
        b"!x\n!y".replace(b"\n", b" "),
        b"%s%n%d\\n\\x41",
        b"\\",
        b"\\0777\x007".replace(b"\0", b"\x01"),
        b"@/etc/passwd",
        b"-o pwned",
        b"\xe2\x80\xae evil \xe2\x80\xac",
        b"caf\xc3\xa9 \xff",
        b"~root *.py ?x [a-z] {a,b} <x >y | & ; #",
        b";",
        b"",
    ]
)
PLAIN_TARGETS = st.text("/.[]{}-a1,%2e?&;='", max_size=20).map(lambda text: b"/" + text.encode())
TARGETS = PLAIN_TARGETS | (st.binary(max_size=30) | NASTY).map(
    lambda raw: b"/" + bytes(byte for byte in raw if byte > 0x20 and byte != 0x7F)
)
OWN = {b"host", b"content-length", b"transfer-encoding", b"expect", b"connection", b"upgrade", b"te", b"http2-settings"}


@examples(60)
@given(
    shell=st.sampled_from(SHELLS),
    method=st.sampled_from(["GET", "POST", "PUT", "-o", "PROPFIND", "$'id'", "`id`", "M-SEARCH", "*"]),
    target=TARGETS,
    fields=st.lists(st.tuples(NAMES, NASTY | VALUE_BYTES), max_size=6),
    body=st.just(b"") | st.binary(max_size=60) | NASTY | st.text("a\n'!\\$\t", max_size=12).map(str.encode),
)
@example("dash", "PUT", b"/", [], b"\x00777\x019\x0a")
@example("bash", "POST", b"/../a/./b?[1-3]{a,b}#frag", [(b"Host", b"other"), (b"host-", b"x")], b"\n\n")
@example("bash", "GET", b"/../a/./b", [], b"")
@example("dash", "GET", b"/x?[1-3]{a,b}", [], b"")
@example("bash", "POST", b"/%2e%2e/%zz?a=b&c='d'", [(b"User-Agent", b""), (b"Accept", b""), (b"X-", b";")], b"@/etc/passwd")
@example("bash", "POST", b"*", [(b"Content-Type", b"a"), (b"Accept", b"1"), (b"accept", b"2")], b"--next")
def test_what_arrives_is_what_was_recorded(
    echo: Echo, shell: str, method: str, target: bytes, fields: list[Field], body: bytes
) -> None:
    hosts = [field for field in fields if field[0].lower() == b"host"][:1] or [(b"Host", b"127.0.0.1:%d" % echo.port)]
    fields = [field for field in fields if field[0].lower() not in OWN and (field[1].strip() or not field[1].strip(b" \t"))]
    sent = flow_of(method, target, [*hosts, *fields], body, echo.port)
    first, arrived, content = received(echo, curl(sent), shell)
    assert first == b"%b %b HTTP/1.1" % (method.encode(), target)
    assert arrived == [(b"Host", hosts[0][1]), *fields]
    assert content == body


@pytest.mark.parametrize("body", [bytes(range(256)) * 2000, b"text " * 40_000, b"short but long enough to be asked about " * 40])
def test_large_bodies(echo: Echo, body: bytes) -> None:
    first, fields, content = received(echo, curl(flow_of("PUT", b"/up", [(b"Host", b"h")], body, echo.port)), "bash")
    assert (first, fields, content) == (b"PUT /up HTTP/1.1", [(b"Host", b"h")], body)


def test_a_chunked_body_goes_out_chunked(echo: Echo) -> None:
    fields = [(b"Host", b"h"), (b"Transfer-Encoding", b"chunked"), (b"X", b"1")]
    assert received(echo, curl(flow_of("POST", b"/", fields, b"ab", echo.port)), "dash")[1:] == (fields, b"ab")


def test_an_empty_body_is_announced_if_it_was(echo: Echo) -> None:
    for fields, said in (([(b"Content-Length", b"0")], True), ([], False)):
        received(echo, curl(flow_of("POST", b"/", [(b"Host", b"h"), *fields], port=echo.port)), "bash")
        assert (b"Content-Length: 0" in echo.requests[0]) is said


def test_head_and_http_1_0_without_host(echo: Echo) -> None:
    flow = flow_of("HEAD", b"/", [], port=echo.port)
    flow.request.http_version = "HTTP/1.0"
    assert received(echo, curl(flow), "bash")[:2] == (b"HEAD / HTTP/1.0", [])


def test_an_ordinary_request_is_an_ordinary_command() -> None:
    fields = [(b"Host", b"127.0.0.1"), (b"User-Agent", b"me"), (b"Accept", b"*/*"), (b"Accept-Encoding", b"gzip")]
    assert curl(flow_of("GET", b"/a?b=c", fields)).split(" \\\n  ") == [
        "curl 'http://127.0.0.1/a?b=c'",
        "-H 'User-Agent: me'",
        "-H 'Accept: */*'",
        "-H 'Accept-Encoding: gzip'",
        "--compressed",
    ]


def tls_flow(host: str, sni: str, resolved: str | None = None) -> HttpFlow:
    flow = flow_of("GET", b"/", [(b"Host", b"named.example"), (b"User-Agent", b"x"), (b"Accept", b"y")], port=8443)
    flow.request.scheme, flow.request.host = "https", host
    address = (resolved, 8443) if resolved else None
    flow.server = Connection(Side.SERVER, (host, 8443), address, tls=TlsFacts(server_name=sni))
    return flow


def test_sni_and_destination_are_kept() -> None:
    assert "--resolve 'named.example:8443:192.0.2.7'".replace("'", "") in curl(tls_flow("192.0.2.7", "named.example"))
    assert "--resolve 'named.example:8443:[2001:db8::1]'" in curl(tls_flow("2001:db8::1", "named.example"))
    assert "--connect-to named.example:8443:origin.example:8443" in curl(tls_flow("origin.example", "named.example"))
    plain = curl(tls_flow("named.example", "named.example", "192.0.2.9"))
    assert "--resolve" not in plain and "--connect-to" not in plain
    kept = curl(tls_flow("named.example", "named.example", "192.0.2.9"), export_preserve_original_ip=True)
    assert "--resolve named.example:8443:192.0.2.9" in kept
    assert all("-k" not in line.split() and "--insecure" not in line for line in (plain, kept))


def test_an_edited_destination_is_where_it_goes() -> None:
    flow = tls_flow("named.example", "sni.example", "192.0.2.9")
    flow.request.host = "elsewhere.example"
    command = curl(flow, export_preserve_original_ip=True)
    assert command.startswith("curl https://elsewhere.example:8443/ ")
    assert "sni.example" not in command and "192.0.2.9" not in command


def test_resolving_really_goes_there(echo: Echo) -> None:
    flow = flow_of("GET", b"/there", [(b"Host", b"named.example")])
    flow.request.host, flow.request.port = "named.example", echo.port
    flow.server = Connection(Side.SERVER, ("named.example", echo.port), ("127.0.0.1", echo.port))
    first, fields, _ = received(echo, curl(flow, export_preserve_original_ip=True), "bash")
    assert first == b"GET /there HTTP/1.1"
    assert fields == [(b"Host", b"named.example")]


@pytest.mark.parametrize(
    ("method", "target", "fields", "reason"),
    [
        ("CONNECT", b"h:443", [], "CONNECT"),
        ("GET X", b"/", [], "method"),
        ("GET", b"/\nX: y", [], "path"),
        ("GET", b"/", [(b"@/etc/passwd", b"x")], "header"),
        ("GET", b"/", [(b"a b", b"x")], "header"),
        ("GET", b"/", [(b"", b"x")], "header"),
        ("GET", b"/", [(b"a", b"x\r\ny: z")], "line end"),
        ("GET", b"/", [(b"a", b"x\0")], "NUL"),
        ("GET", b"/", [(b"a", b"x" * 200_000)], "longer"),
    ],
)
@pytest.mark.parametrize("name", ["curl", "httpie"])
def test_what_no_client_can_say_is_refused_with_the_reason(
    name: str, method: str, target: bytes, fields: list[Field], reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        export(name, flow_of(method, target, fields), Options())


@pytest.mark.parametrize("host", ["a/b", "a@b", "a b", "$(id)", "x:1:2", "-o\n", ""])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    flow = flow_of("GET", b"/", [])
    flow.request.host = host
    with pytest.raises(UserError, match="host"):
        export("curl", flow, Options())


@pytest.mark.parametrize("shell", SHELLS[:1])
def test_a_websocket_that_was_asked_for_over_http2_is_asked_for_in_http1(echo: Echo, shell: str) -> None:
    flow = flow_of("GET", b"/chat", [(b"sec-websocket-version", b"13"), (b"origin", b"http://a.test")], port=echo.port)
    flow.request.http_version, flow.request.protocol = "HTTP/2.0", "websocket"
    first, fields, _ = received(echo, curl(flow), shell)
    sent = [(name.lower(), value) for name, value in fields if name.lower() != b"host"]
    assert first == b"GET /chat HTTP/1.1" and sent[:2] == flow.request.headers.fields
    assert sent[2:] == [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-key", SAMPLE_KEY)]
    flow.request.scheme = "https"
    assert " --http1.1" in curl(flow), "else it would be asked for in HTTP/2"


def test_what_is_not_there_is_not_exported() -> None:
    truncated = flow_of("POST", b"/", [], b"x")
    truncated.request.body.is_truncated = True  # type: ignore[misc]
    with pytest.raises(UserError, match="not kept"):
        export("curl", truncated, Options())
    running = flow_of("POST", b"/", [(b"Content-Length", b"9")])
    running.is_live = True
    with pytest.raises(UserError, match="on its way"):
        export("curl", running, Options())
    with pytest.raises(UserError, match="raw"):
        export("curl", tcp_flow(), Options())
    with pytest.raises(UserError, match="curl, httpie"):
        export("postman", truncated, Options())


def test_a_header_that_curl_would_leave_out_is_refused() -> None:
    """It takes these for blanks, and a header of blanks alone for one to be left out."""
    for value in (b"\x0b", b"\x0c\x0b"):
        with pytest.raises(UserError, match=r"header X .* curl"):
            export("curl", flow_of("GET", b"/", [(b"X", value)]), Options())
