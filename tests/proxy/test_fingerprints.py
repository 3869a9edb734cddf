"""JA3 and JA4 of hellos: against values that are published, and against a hello of the standard library."""

from __future__ import annotations

import hashlib
import struct

import pytest

from interceptor.proxy.fingerprints import fingerprints
from tests.support.client_hellos import client_hello, records


def vector(width: int, data: bytes) -> bytes:
    return len(data).to_bytes(width, "big") + data


def numbers(text: str) -> bytes:
    return b"".join(struct.pack(">H", int(each, 16)) for each in text.split(","))


def hello(suites: str, extensions: list[tuple[int, bytes]]) -> bytes:
    body = b"\x03\x03" + bytes(32) + vector(1, b"") + vector(2, numbers(suites)) + vector(1, b"\0")
    body += vector(2, b"".join(struct.pack(">H", kind) + vector(2, content) for kind, content in extensions))
    return records(b"\x01" + vector(3, body))


# The example of FoxIO's specification of JA4 (a Chrome), with GREASE put in where Chrome has it.
CHROME_SUITES = "0a0a,1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"
CHROME_SCHEMES = "0403,0804,0401,0503,0805,0501,0806,0601"
CHROME = hello(
    CHROME_SUITES,
    [
        (0x1A1A, b""),
        (0x001B, b"\x02\0\x02"),
        (0x0000, vector(2, b"\0" + vector(2, b"example.com"))),
        (0x0033, b""),
        (0x0010, vector(2, vector(1, b"h2") + vector(1, b"http/1.1"))),
        (0x4469, b""),
        (0x0017, b""),
        (0x002D, b""),
        (0x000D, vector(2, numbers(CHROME_SCHEMES))),
        (0x0005, b""),
        (0x0023, b""),
        (0x0012, b""),
        (0x002B, vector(1, numbers("2a2a,0304,0303"))),
        (0xFF01, b"\0"),
        (0x000B, vector(1, b"\0")),
        (0x000A, vector(2, numbers("3a3a,001d,0017,0018"))),
        (0x0015, b""),
    ],
)


def test_the_example_of_the_specification() -> None:
    named = fingerprints(CHROME)
    assert named is not None and named.ja4 == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_ja3_is_of_what_is_offered_in_order_without_grease() -> None:
    named = fingerprints(CHROME)
    assert named is not None
    suites = "4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53"
    assert named.ja3_text == f"771,{suites},27-0-51-16-17513-23-45-13-5-35-18-43-65281-11-10-21,29-23-24,0"
    assert named.ja3 == hashlib.md5(named.ja3_text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("alpn", "mark"), [(["http/1.1"], "h1"), (["h2"], "h2"), ([], "00"), (["\xe9x"], "c8")], ids=["h1", "h2", "none", "odd"]
)
def test_the_mark_of_the_first_protocol(alpn: list[str], mark: str) -> None:
    extension = [(16, vector(2, b"".join(vector(1, each.encode("utf-8")) for each in alpn)))] if alpn else []
    named = fingerprints(hello("1301", extension))
    assert named is not None and named.ja4.partition("_")[0] == f"t12i01{len(extension):02}{mark}"


def test_a_hello_without_extensions() -> None:
    named = fingerprints(hello("002f", []))
    assert named is not None and named.ja4 == f"t12i010000_{hashlib.sha256(b'002f').hexdigest()[:12]}_000000000000"


def test_of_the_standard_library() -> None:
    raw = client_hello("a.test", ["h2"])
    named = fingerprints(raw)
    assert named is not None and named.ja4.startswith("t13d") and named.ja4.partition("_")[0].endswith("h2")
    assert fingerprints(raw[:50]) is None
    assert fingerprints(b"GET / HTTP/1.1\r\n\r\n") is None
