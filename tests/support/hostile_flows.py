"""Flows with what a terminal or a shell would obey in one of their fields: `HOSTILE_FIELDS` makes one for each field there is."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, Side, TlsFacts
from interceptor.model.flow import NOTED_BY_RULES, Flow, FlowError, HttpFlow, Opcode, UdpFlow, WebSocketData
from interceptor.model.http import Headers, Response
from interceptor.model.process import Process
from tests.support.websocket_messages import spoken
from tests.tui.some_flows import http_flow, tcp_flow

MARK = (
    "zq\x1b[31m\x1b]52;c;QUFB\x07\x1b]8;;http://x\x1b\\\x1bP1$q\x1b\\\x9b2J\x9d0;t\x9c\x90q\x85\x00\x08\x7f"
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u200b\u200c\u200d\u2060\ufeff\xad\u2028\u2029"
    "\r\n\t\v\f日本ｗe\u0301\u0489\U0001f469\U0001f3fd\U0001f1e9\u270f\ufe0f\U000e0041\U0001d173\udcff\udc9bqz"
)
"""Escape sequences in seven and eight bits, bidi controls, what has no width, wide and combining characters, what is no UTF-8."""
RAW = MARK.encode("utf-8", "surrogatepass") + b"\xff\x9b2J\xc3"
TEXT = MARK.encode("utf-8", "ignore").replace(b"\0", b"")
"""The same as valid text, which is shown as such and not as hexadecimal digits."""
ASCII_MARK = "zq\x1b[31m\x07\x7f\r\n\tqz"


@cache
def certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    text = MARK.encode("utf-8", "ignore").decode()

    def named(organisation: str) -> x509.Name:
        values = ((NameOID.COMMON_NAME, text[:30]), (NameOID.ORGANIZATION_NAME, organisation))
        return x509.Name([x509.NameAttribute(kind, value) for kind, value in values])

    names = [x509.DNSName("zq\x1b[31m\x07.test"), x509.RFC822Name("a\x1b]0;x\x07@b.test"), x509.DirectoryName(named("c\u202e"))]
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(named("\x1b[31ma\x9b")).issuer_name(named("b\u2066"))
    builder = builder.public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(1))
    return builder.add_extension(x509.SubjectAlternativeName(names), False).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def with_request(**changed: object) -> HttpFlow:
    flow = http_flow()
    for name, value in changed.items():
        setattr(flow.request, name, value)
    return flow


def with_response(**changed: object) -> HttpFlow:
    flow = http_flow()
    for name, value in changed.items():
        setattr(flow.response, name, value)
    return flow


def with_flow(flow: Flow | None = None, **changed: object) -> Flow:
    flow = flow or http_flow()
    for name, value in changed.items():
        setattr(flow, name, value)
    return flow


def with_connections(**changed: object) -> Flow:
    made = [Connection(side, ("a.test", 1), **changed) for side in (Side.CLIENT, Side.SERVER)]  # type: ignore[arg-type]
    return with_flow(client=made[0], server=made[1])


def with_tls(**changed: object) -> Flow:
    facts: dict[str, object] = {"version": "TLSv1.3", "cipher": "AES", "server_name": "a.test", **changed}
    return with_connections(tls=TlsFacts(**facts))  # type: ignore[arg-type]


def with_websocket(**changed: object) -> Flow:
    said = [spoken(True, RAW, 1.0), spoken(False, b"hello", 2.0, Opcode.BINARY), spoken(False, b"bye", 3.0, Opcode.PING)]
    socket = WebSocketData(said, True, 1000, "over", 4.0)
    for name, value in changed.items():
        setattr(socket, name, value)
    return with_flow(http_flow(status=101), websocket=socket)


def with_fields(*fields: tuple[bytes, bytes], body: bytes = b"x") -> Callable[[], Flow]:
    def made() -> Flow:
        flow = with_request(headers=Headers(fields), body=MemoryBody(body))
        flow.response = Response(200, b"OK", headers=Headers(fields), body=MemoryBody(body))
        return flow

    return made


def with_body(kind: bytes, body: bytes) -> Callable[[], Flow]:
    return with_fields((b"Content-Type", kind), body=body)


def edited() -> Flow:
    flow = http_flow()
    flow.backup()
    flow.request.headers.add(b"x", RAW)
    flow.request.method = "GETS"
    assert flow.original is not None
    flow.original[0].headers.add(b"y" + RAW, b"z")
    return flow


def datagrams() -> Flow:
    flow = UdpFlow(1, Connection(Side.CLIENT, ("::1", 1)), Connection(Side.SERVER, (MARK, 2)))
    flow.messages = tcp_flow((True, RAW), (False, RAW)).messages
    return flow


PART = b'--b\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n\r\n%b\r\n--b--\r\n' % (TEXT, TEXT, TEXT)
MARKUP = b"<a title='%b'><!--%b-->%b<script>%b</script></a>" % (TEXT, TEXT, TEXT, TEXT)
EVENT = b"event: %b\nid: %b\ndata: %b\n: %b\n\n" % (TEXT, TEXT, TEXT, TEXT)
PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0xxxx\0\0\0\x05tEXt\x1b[2J\x07xxxx"
HOSTILE_FIELDS: dict[str, Callable[[], Flow]] = {
    "method": lambda: with_request(method=MARK),
    "scheme": lambda: with_request(scheme=MARK),
    "host": lambda: with_request(host=MARK),
    "authority": lambda: with_request(authority=MARK, is_absolute=True),
    "target": lambda: with_request(target=b"/a/" + RAW + b"/b.js?" + RAW + b"=" + RAW + b"&" + RAW),
    "version of the request": lambda: with_request(http_version=MARK),
    "version of the response": lambda: with_response(http_version=MARK),
    "reason": lambda: with_response(reason=RAW),
    "names of fields": with_fields((RAW, b"x"), (b"X", b"y")),
    "values of fields": with_fields((b"X", RAW), (b"Host", RAW), (b"Server", RAW), (b"Date", RAW)),
    "content type": with_fields((b"Content-Type", RAW)),
    "content encoding": with_fields((b"Content-Encoding", RAW)),
    "cookies": with_fields((b"Cookie", b"a" + RAW + b"=" + RAW), (b"Set-Cookie", b"a=" + RAW + b"; Path=" + RAW)),
    "authorization": with_fields((b"Authorization", b"Bearer eyJhIjoiXHUwMDFiWzMxbSJ9.eyJhIjoiXHUyMDJlIn0." + RAW)),
    "trailers": lambda: with_response(trailers=Headers([(RAW, RAW)])),
    "fields not sent": lambda: with_response(not_sent=(RAW,)),
    "informational": lambda: with_flow(informational=[Response(103, RAW, headers=Headers([(RAW, RAW)]), http_version=MARK)]),
    "no text": with_body(b"text/plain", RAW),
    "text": with_body(b"text/plain", TEXT),
    "text in another charset": with_body(b"text/plain; charset=utf-16-le", MARK.encode("utf-16-le", "surrogatepass")),
    "html": with_body(b"text/html", MARKUP),
    "css": with_body(b"text/css", b"a{b:c}/*" + TEXT + b"*/d{e:'" + TEXT + b"'}"),
    "script": with_body(b"text/javascript", b"let a='" + TEXT + b"'//" + TEXT),
    "python": with_body(b"text/x-python", b"a = '" + TEXT + b"' # " + TEXT),
    "json": with_body(b"application/json", b'{"' + TEXT + b'": ["' + TEXT + b'", "\\u001b\\u202e"]}'),
    "graphql": with_body(b"application/json", json.dumps({"query": "{a(b:\"" + MARK + "\")}", "variables": {MARK: 1}}).encode()),
    "form": with_body(b"application/x-www-form-urlencoded", b"a%1b%00=%1b]0;x%07%e2%80%ae&" + TEXT + b"=" + TEXT),
    "multipart": with_body(b"multipart/form-data; boundary=b", PART),
    "event stream": with_body(b"text/event-stream", EVENT),
    "protobuf": with_body(b"application/x-protobuf", b"\x0a\x1dwords and words\xe2\x80\xae and \x1b[2J."),
    "msgpack": with_body(b"application/msgpack", b"\x81\xd9" + bytes([len(RAW)]) + RAW + b"\xa2\x1b["),
    "cbor": with_body(b"application/cbor", b"\xa1\x78" + bytes([len(RAW)]) + RAW + b"\x62\x1b["),
    "certificate body": lambda: with_body(b"application/pkix-cert", certificate())(),
    "image": with_body(b"image/png", PICTURE),
    "comment": lambda: with_flow(comment=MARK),
    "marker": lambda: with_flow(marker=MARK),
    "mode": lambda: with_flow(mode=MARK),
    "error": lambda: with_flow(error=FlowError(MARK, 1.0)),
    "error without a response": lambda: with_flow(http_flow(status=0), error=FlowError(MARK, 1.0)),
    "metadata": lambda: with_flow(metadata={MARK: MARK, "b": [MARK, RAW]}),
    "rules": lambda: with_flow(metadata={NOTED_BY_RULES: [MARK, ASCII_MARK]}),
    "addresses": lambda: with_connections(resolved=(MARK, 1), local=(MARK, 2)),
    "peers": lambda: with_flow(client=Connection(Side.CLIENT, (MARK, 1)), server=Connection(Side.SERVER, (MARK, 2))),
    "transport": lambda: with_connections(transport=MARK),
    "program": lambda: with_connections(process=Process(7, MARK, MARK, (MARK, "\udcff"))),
    "error of a connection": lambda: with_connections(error=MARK),
    "TLS version": lambda: with_tls(version=MARK),
    "cipher": lambda: with_tls(cipher=MARK),
    "server name": lambda: with_tls(server_name=MARK),
    "ALPN": lambda: with_tls(alpn=RAW, alpn_offers=(RAW, b"h2")),
    "certificate": lambda: with_tls(chain=(certificate(), b"\x30\x03" + RAW)),
    "ClientHello": lambda: with_tls(hello=b"\x16\x03\x01\x00\xff" + RAW),
    "WebSocket close": lambda: with_websocket(close_reason=MARK),
    "WebSocket messages": with_websocket,
    "raw peers": lambda: with_flow(tcp_flow((True, b"x")), server=Connection(Side.SERVER, (MARK, 2)), error=FlowError(MARK, 1.0)),
    "raw messages": lambda: tcp_flow((True, RAW), (False, RAW), (False, b"\x1b]52;c;!\x07")),
    "datagrams": datagrams,
    "edited": edited,
}


def hostile_in_all() -> HttpFlow:
    """What a chooser, a prompt or an editor takes from the wire."""
    flow = http_flow("GE\x1bT", "a\x1b.test", b"/" + RAW + b"?" + RAW + b"=" + RAW, body=RAW, request_body=RAW)
    flow.request.headers = Headers([(RAW, RAW), (b"Cookie", b"a=" + RAW), (b"Host", RAW), (b"Content-Type", RAW)])
    flow.request.scheme, flow.comment, flow.marker = "http", MARK, MARK
    assert flow.response is not None
    flow.response.reason = RAW
    return flow
