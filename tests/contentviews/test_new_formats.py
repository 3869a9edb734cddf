"""MQTT, Socket.IO, WBXML, certificates, hex streams; and formats that are recognised without a type."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime, timedelta

import pytest
import zstandard
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews.cbor_view import read_cbor
from interceptor.contentviews.msgpack_view import read_msgpack
from interceptor.contentviews.protobuf_text import read_protobuf
from interceptor.contentviews.registry import edit_text, names, reencode, render
from interceptor.contentviews.rendered import ContentFacts, Rendered, text_of
from interceptor.model.http import Headers
from interceptor.specs.errors import UserError
from tests.support.effort import examples

FACTS = ContentFacts()
MITMPROXY_HAS = (
    "raw", "json", "graphql", "xml/html", "javascript", "css", "url-encoded", "multipart form", "query", "image", "dns",
    "msgpack", "protobuf", "grpc", "hex dump", "hex stream", "mqtt", "socket.io", "wbxml", "zip archive",
)  # fmt: skip


def shown(body: bytes, view: str = "auto", facts: ContentFacts = FACTS) -> tuple[Rendered, list[str]]:
    rendered = render(body, view, facts)
    return rendered, [text_of(line) for line in rendered.lines]


@pytest.mark.parametrize("name", MITMPROXY_HAS)
def test_every_view_that_mitmproxy_has_is_there_in_any_spelling(name: str) -> None:
    assert name in names()
    assert render(b"x", name.title(), FACTS).lines


def packet(first: int, body: bytes) -> bytes:
    return bytes([first, len(body)]) + body


def text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def test_mqtt_packets() -> None:
    connect = packet(0x10, text(b"MQTT") + b"\x04\xc2\x00\x3c" + text(b"me") + text(b"user\x1b") + text(b"pass"))
    publish = packet(0x33, text(b"sensors/1") + b"\x00\x07" + b'{"celsius": 21}')
    subscribe = packet(0x82, b"\x00\x08" + text(b"a/#") + b"\x01")
    rendered, lines = shown(connect + packet(0x20, b"\0\0") + publish + subscribe + b"\xc0\x00", "mqtt")
    assert rendered.description == "MQTT, 5 packets"
    assert lines == [
        "CONNECT", "  protocol: MQTT 3.1.1", "  keep alive: 60 s", "  clean start: True", "  client: me", "  user: user\\x1b",
        "  password: pass", "",
        "CONNACK", "  session present: False", "  code: 0 accepted", "",
        "PUBLISH  QoS 1  retain", "  topic: sensors/1", "  packet: 7", '{"celsius": 21}', "",
        "SUBSCRIBE", "  packet: 8", "  topic: a/#  QoS 1", "",
        "PINGREQ", "",
    ]  # fmt: skip


def test_mqtt_of_version_5_that_is_cut_off() -> None:
    connect = packet(0x10, text(b"MQTT") + b"\x05\x02\x00\x3c\x03\x21\x00\x14" + text(b"me"))
    publish = packet(0x30, text(b"t") + b"\x00" + b"\x00\x01\x02")
    rendered, lines = shown(connect + publish + b"\x30\x7f", "mqtt")
    assert "  properties: 21 00 14" in lines and any("00 01 02" in line for line in lines)
    assert "ends too early" in rendered.description
    assert "not MQTT" in shown(b"\x00\x00", "mqtt")[0].description


def test_socket_io_packets() -> None:
    body = b'0{"sid":"x"}\x1e40\x1e42/chat,7["message",{"a":1}]\x1e2'
    rendered, lines = shown(body, "socket.io")
    assert rendered.description == "Socket.IO, 4 packets"
    assert lines[0] == "open" and '  "sid": "x"' in lines
    assert "message  EVENT  namespace /chat  id 7" in lines and '    "a": 1' in lines and "message  CONNECT" in lines
    assert shown(b"9", "socket.io")[0].view_name == "raw"
    counted = shown('8:42["ä\u20ac"]1:3'.encode(), "socket.io")[1]
    assert counted == ["message  EVENT", "[", '  "ä\u20ac"', "]", "", "pong", ""]
    facts = ContentFacts("text/plain", url="http://h/socket.io/?EIO=4")
    assert shown(body, "auto", facts)[0].view_name == "socket.io"


def test_wbxml_with_attributes_pages_and_strings() -> None:
    # SI from WAP-192 §8.2, shortened; then a tag of another page, opaque bytes and a literal
    body = b"\x03\x05\x6a\x05name\0" + b"\x45\xc6\x0b\x03https\x00\x85\x03.org\x00\x01\x03text\x1b\x00\x01"
    body += b"\x00\x02\x07\x44\x00\xc3\x02\xff\x00\x01\x01"
    rendered, lines = shown(body, "wbxml")
    assert rendered.description == "WBXML 1.3, public identifier 0x5"
    assert lines == [
        "<5>", '  <6 0x0b="https0x85.org">', "    text\\x1b", "  </6>", "  <2:7/>", "  <name>", "    ff00", "  </name>", "</5>",
    ]  # fmt: skip
    assert shown(body, "auto", ContentFacts("application/vnd.wap.wbxml"))[0].view_name == "wbxml"


def certificate() -> bytes:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "evil\x1b]52;c;x\x07\u202e.test")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(0xABC)
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=9))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("a.test"), x509.DNSName("b.test")]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_certificates_and_nothing_of_them_reaches_the_terminal() -> None:
    pem = certificate()
    rendered, lines = shown(b"text before\n" + pem * 2, "certificate")
    assert rendered.description == "2 certificates"
    assert "Names:   a.test, b.test" in lines and "Serial:  abc" in lines and "Key:     EC 256" in lines
    assert not any("\x1b" in line or "\x07" in line or "\u202e" in line for line in lines)
    assert shown(pem)[0].view_name == "certificate"
    der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    assert shown(der, "auto", ContentFacts("application/pkix-cert"))[0].view_name == "certificate"
    assert shown(b"\x30\x82nonsense", "certificate")[0].view_name != "certificate"


def test_hex_streams_are_edited() -> None:
    body = bytes(range(70))
    assert shown(body, "hex stream")[1][0] == body[:32].hex()
    assert reencode("hex stream", edit_text("hex stream", body, FACTS) + " F F", body, FACTS) == body + b"\xff"
    with pytest.raises(UserError, match=r"line 2.*'x'"):
        reencode("hex stream", "00\n0x", body, FACTS)
    with pytest.raises(UserError, match="one is missing"):
        reencode("hex stream", "00\n0", body, FACTS)


@pytest.mark.parametrize(
    ("body", "view"),
    [
        (b'{"a": 1}', "json"),
        (b"<?xml version='1.0'?><a/>", "xml/html"),
        (read_msgpack('{"name": "x\\x00", "count": 1}'), "msgpack"),
        (read_cbor('{"name": h\'00ff\', "count": 1}'), "cbor"),
        (read_protobuf('1: 150\n2: "testing"\n3: { 1: 5 }\n'), "protobuf"),
        (b"GIF89a\x01\x00\x01\x00\x80\x00\x00" + b"\xff" * 6 + b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;", "image"),
        (gzip.compress(b'{"a": 1}', mtime=0), "json"),
        (zstandard.compress(b"<html><p>x</p></html>"), "xml/html"),
        (gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0), "hex dump"),
        (b"plain words, nothing else", "raw"),
    ],
)
@pytest.mark.parametrize("content_type", ["", "application/octet-stream"])
def test_what_can_be_told_without_a_type_is(body: bytes, view: str, content_type: str) -> None:
    assert shown(body, "auto", ContentFacts(content_type))[0].view_name == view


def test_random_bytes_are_hardly_ever_taken_for_something() -> None:
    guessed = sum(shown(os.urandom(64))[0].view_name not in ("hex dump", "raw") for _ in range(500))
    assert guessed <= 5


TOKEN = b"eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.eHg"


def test_a_message_without_a_body_shows_its_query_and_tokens() -> None:
    headers = Headers([(b"Authorization", b"Bearer " + TOKEN)])
    facts = ContentFacts("", True, "http://h/p?a=1&b=%1b", headers)
    rendered, lines = shown(b"", "auto", facts)
    assert "Query of the URL" in rendered.description and "1 token" in rendered.description
    assert any('"sub": "me"' in line for line in lines) and any(line.startswith("a") for line in lines)
    assert shown(b"", "auto", ContentFacts("", True, "http://h/", headers))[0].view_name == "jwt"
    assert shown(b"", "auto", ContentFacts("", False, "http://h/?a=1"))[0].description == "No content"


@examples(300)
@given(body=st.binary(max_size=200), view=st.sampled_from(["mqtt", "socket.io", "wbxml", "certificate", "hex stream"]))
def test_any_bytes_are_shown_somehow_and_safely(body: bytes, view: str) -> None:
    for line in shown(body, view)[1]:
        assert line.replace("\t", "").isprintable() or not any(ord(character) < 32 for character in line.replace("\t", ""))
