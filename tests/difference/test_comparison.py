"""Flows compared: heads by name, bodies as what they are, what was received beside what is; bounded, and called off."""

from __future__ import annotations

import gzip
import json
import random
import time
from collections.abc import Callable

import pytest

from interceptor.contentviews.rendered import RenderCancelled
from interceptor.difference import comparison
from interceptor.difference.comparison import Difference, compare
from interceptor.difference.parts import as_it_is, as_received
from interceptor.difference.rows import Kind
from interceptor.model.body import MemoryBody
from interceptor.model.dns import DnsMessage
from interceptor.model.flow import DnsFlow, Flow, FlowError, HttpFlow, Opcode, TcpFlow, TcpMessage, WebSocketData
from interceptor.model.http import Headers
from interceptor.specs.errors import UserError
from tests.difference.test_bodies import told
from tests.support.websocket_messages import spoken
from tests.tui.some_flows import http_flow


def compared(left: Flow, right: Flow, counts_key_order: bool = False) -> Difference:
    return compare(as_it_is(left), as_it_is(right), counts_key_order=counts_key_order)


def different(difference: Difference) -> list[str]:
    return [line for line in told([row for row in difference.rows if row.kind.is_difference])]


def notes(difference: Difference) -> list[str]:
    return [row.left.text for row in difference.rows if row.kind is Kind.NOTE and row.left]


def with_bodies(left: bytes, right: bytes, content_type: bytes = b"application/json") -> tuple[HttpFlow, HttpFlow]:
    return http_flow(body=left, content_type=content_type), http_flow(body=right, content_type=content_type)


def test_a_flow_has_no_difference_from_itself() -> None:
    flow = http_flow(body=b"same", request_body=b"x")
    difference = compared(flow, flow)
    assert difference.count == 0 and notes(difference) == ["The same on both sides."] * 2


def test_fields_are_beside_those_of_the_same_name_whatever_their_order() -> None:
    left, right = http_flow(), http_flow()
    left.request.headers = Headers(
        [(b"Host", b"a"), (b"Accept", b"x"), (b"X-Old", b"1"), (b"Cookie", b"a=1"), (b"Cookie", b"b=2")]
    )
    right.request.headers = Headers(
        [(b"accept", b"x"), (b"cookie", b"b=2"), (b"host", b"b"), (b"x-new", b"2"), (b"cookie", b"a=9")]
    )
    assert different(compared(left, right)) == [
        "! Host: a | host: b",
        "+ x-new: 2",
        "- X-Old: 1",
        "! Cookie: a=1 | cookie: a=9",
    ]


def test_parameters_of_the_query_are_beside_those_of_the_same_name() -> None:
    lines = different(compared(http_flow(target=b"/a?x=1&y=2"), http_flow(target=b"/a?y=3&x=1")))
    assert lines[1:] == ["! y = 2 | y = 3"] and lines[0].startswith("! GET ")


def test_json_is_compared_as_what_it_means() -> None:
    left, right = with_bodies(b'{"b": [1, 2], "a": "A"}', b'{"a":"\\u0041",\n"b":[1,3]}')
    assert [line for line in different(compared(left, right)) if "Length" not in line] == ["!     2 |     3"]
    left, right = with_bodies(b'{"b": 1, "a": 2}', b'{"a": 2, "b": 1 }')
    difference = compared(left, right)
    assert [line for line in different(difference) if "Length" not in line] == []
    assert notes(difference) == ["The same JSON on both sides, written otherwise."]
    assert len(different(compared(left, right, counts_key_order=True))) == 1, "only the length: values are found by their keys"


def test_bodies_are_compared_without_their_content_coding() -> None:
    left, right = with_bodies(gzip.compress(b'{"a": 1}'), b'{"a": 2}')
    assert left.response is not None
    left.response.headers.add("Content-Encoding", "gzip")
    assert '!   "a": 1 |   "a": 2' in different(compared(left, right))


def test_markup_is_compared_as_it_is_shown() -> None:
    left, right = with_bodies(b"<p><b>one</b><i>two</i></p>", b"<p><b>one</b><i>three</i></p>", b"text/html")
    (line,) = [line for line in different(compared(left, right)) if "Length" not in line]
    assert line.startswith("! ") and "two" in line and "three" in line and "one" not in line


def test_what_is_no_text_is_compared_as_bytes() -> None:
    left, right = with_bodies(b"\x00\x01\x02\x03" * 8, b"\x00\x01\x02\x03" * 7 + b"\x00\x01\xff\x03", b"application/octet-stream")
    (line,) = [line for line in different(compared(left, right)) if "Length" not in line]
    assert "00 01 02 03 00 01 02 03" in line and "00 01 02 03 00 01 ff 03" in line


def test_what_is_missing_and_why() -> None:
    left, right = http_flow(body=b"x"), http_flow()
    right.response, right.error = None, FlowError("connection refused", 5.0)
    lines = different(compared(left, right))
    assert lines[0].startswith("- HTTP/1.1 200") and "- A body of 1b" in lines and lines[-1] == "+ connection refused"


def test_an_edit_is_compared_with_what_was_received() -> None:
    flow = http_flow(body=b'{"n": 1}', content_type=b"application/json")
    with pytest.raises(UserError, match="as it was received"):
        as_received(flow)
    flow.backup()
    assert flow.response is not None
    flow.request.method = "PUT"
    flow.response.set_content(b'{"n": 2}')
    lines = different(compare(as_received(flow), as_it_is(flow)))
    assert lines[0].startswith("! GET ") and " | PUT " in lines[0] and lines[1:] == ['!   "n": 1 |   "n": 2']
    flow.original = None
    with pytest.raises(UserError, match="not kept"):
        as_received(flow)


def test_what_happens_to_a_flow_later_does_not_show() -> None:
    flow = http_flow()
    before = as_it_is(flow)
    flow.request.method = "PUT"
    assert compare(before, as_it_is(flow)).count == 1


def test_messages_of_conversations() -> None:
    left, right = http_flow(), http_flow()
    left.websocket = WebSocketData([spoken(True, b"hello", 1.0), spoken(False, b"\xf0", 2.0, Opcode.BINARY)])
    right.websocket = WebSocketData(
        [spoken(True, b"hello", 1.0), spoken(False, b"\xf1", 2.0, Opcode.BINARY), spoken(True, b"x", 3.0)]
    )
    assert different(compared(left, right)) == ["! ← binary f0 | ← binary f1", "+ → x"]
    said = [TcpMessage(True, MemoryBody(b"a\xff"), 1.0)]
    assert different(compared(TcpFlow(1, messages=said), TcpFlow(2))) == ["- → 61 ff"]


def test_dns() -> None:
    import dns.message

    one, other = (
        DnsFlow(1, request=DnsMessage(dns.message.make_query(name, "A", id=7).to_wire())) for name in ("a.example", "b.example")
    )
    assert different(compared(one, other)) == ["! a.example. IN A | b.example. IN A"]
    other.request = DnsMessage(b"\x00\x07broken")
    assert different(compared(one, other)), "as bytes"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda noise: "\n".join(noise.choices(("some", "text"), k=12_000)).encode(), "best alignment"),
        (lambda noise: json.dumps(noise.choices("ab", k=8_000)).encode(), "best alignment"),
        (lambda noise: noise.randbytes(1 << 20) + b"\x00" * noise.randrange(1, 9), "first 256k"),
        (lambda noise: b"line\n" * 1_200 + noise.randbytes(2).hex().encode(), "first 1,000 lines"),
        (lambda noise: b"[" * 10_000 + noise.randbytes(2).hex().encode(), ""),
    ],
    ids=["lines", "JSON", "bytes", "many lines", "depth"],
)
def test_what_is_large_or_made_to_hurt_is_bounded(
    make: Callable[[random.Random], bytes], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "lines" in said:
        monkeypatch.setattr(comparison, "MOST_LINES", 1_000)
    kind = b"application/octet-stream" if said.startswith("first 256k") else b"text/plain"
    left, right = with_bodies(make(random.Random(1)), make(random.Random(2)), kind)
    started = time.process_time()
    difference = compared(left, right)
    assert time.process_time() - started < 60
    assert said in " ".join(notes(difference))


def test_it_can_be_called_off() -> None:
    left, right = with_bodies(b"a\nb\n" * 5000, b"c\nd\n" * 5000, b"text/plain")
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    with pytest.raises(RenderCancelled):
        compare(as_it_is(left), as_it_is(right), cancelled=cancelled)


def test_a_bomb_is_not_unpacked_to_be_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "TEXT_LIMIT", 1 << 18)
    left, right = with_bodies(gzip.compress(b"[" + b"1," * 5_000_000 + b"1]", 1), b"[1]")
    assert left.response is not None
    left.response.headers.add("Content-Encoding", "gzip")
    started = time.process_time()
    assert compared(left, right).count
    assert time.process_time() - started < 30
