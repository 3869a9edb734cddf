"""`validate_inbound_headers` off, in HTTP/2: heads are mended where a rule says what they mean, and refused where none does."""

from __future__ import annotations

import pytest
from hpack import NeverIndexedHeaderTuple

from interceptor.proxy.layers.http.http2_heads import read_request
from interceptor.proxy.layers.http.lenient_fields import mended_head, read_fields
from tests.proxy.layers.http.http2_world import TO_H2C, World, engine, world  # noqa: F401 - a fixture
from tests.support.http2_peers import Fields, Http2Peer
from tests.support.paper_driver import REGULAR, paper_settings, reverse

METHOD, SCHEME, PATH = (b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/x")
AUTHORITY = (b":authority", b"a.test")
HEAD = [METHOD, SCHEME, AUTHORITY, PATH]

MENDED: dict[str, tuple[Fields, Fields]] = {
    "capitals": ([*HEAD, (b"X-Odd", b"A")], [*HEAD, (b"x-odd", b"A")]),
    "blanks around": ([*HEAD, (b" x", b" a\t")], [*HEAD, (b"x", b"a")]),
    "line ends inside": ([*HEAD, (b"x", b"a\r\nb\x00c")], [*HEAD, (b"x", b"a  b c")]),
    "odd bytes": ([*HEAD, (b"x(y)\xe9", b"\x01")], [*HEAD, (b"x(y)\xe9", b"\x01")]),
    "about the connection": (
        [*HEAD, (b"connection", b"keep-alive, X-Hop"), (b"keep-alive", b"5"), (b"x-hop", b"1"), (b"x", b"y")],
        [*HEAD, (b"x", b"y")],
    ),
    "te": ([*HEAD, (b"te", b"gzip, trailers"), (b"te", b"deflate")], [*HEAD, (b"te", b"trailers")]),
    "the same length twice": (
        [*HEAD, (b"content-length", b"3"), (b"content-length", b"3")],
        [*HEAD, (b"content-length", b"3")],
    ),
    "another host": ([*HEAD, (b"host", b"b.test")], HEAD),
    "the same host twice": ([METHOD, SCHEME, PATH, *[(b"host", b"a.test")] * 2], [METHOD, SCHEME, PATH, (b"host", b"a.test")]),
    "pseudo fields late": ([METHOD, SCHEME, (b"x", b"y"), PATH, AUTHORITY], [METHOD, SCHEME, PATH, AUTHORITY, (b"x", b"y")]),
    "pseudo fields twice": ([METHOD, *HEAD, PATH], HEAD),
    "no path": ([METHOD, SCHEME, AUTHORITY], [METHOD, SCHEME, AUTHORITY, (b":path", b"/")]),
    "an empty path of OPTIONS": (
        [(b":method", b"OPTIONS"), SCHEME, AUTHORITY, (b":path", b"")],
        [(b":method", b"OPTIONS"), SCHEME, AUTHORITY, (b":path", b"*")],
    ),
    "no scheme": ([METHOD, AUTHORITY, PATH], [METHOD, AUTHORITY, PATH]),
}
REFUSED: dict[str, Fields] = {
    "no method": [SCHEME, AUTHORITY, PATH],
    "two methods": [METHOD, (b":method", b"POST"), SCHEME, AUTHORITY, PATH],
    "two authorities": [*HEAD, (b":authority", b"b.test")],
    "a pseudo field that is none": [*HEAD, (b":status", b"200")],
    "a coding": [*HEAD, (b"transfer-encoding", b"chunked")],
    "a coding that Connection names": [*HEAD, (b"connection", b"transfer-encoding"), (b"transfer-encoding", b"chunked")],
    "two lengths": [*HEAD, (b"content-length", b"3"), (b"content-length", b"4")],
    "a list of lengths": [*HEAD, (b"content-length", b"3, 3")],
    "what looks like a length": [*HEAD, (b"content length", b"3")],
    "what looks like a coding": [*HEAD, (b"transfer-encoding\x0b", b"chunked")],
    "a colon in a name": [*HEAD, (b"transfer-encoding:chunked", b"")],
    "an empty name": [*HEAD, (b"", b"z")],
    "two hosts": [METHOD, SCHEME, PATH, (b"host", b"a.test"), (b"host", b"b.test")],
    "a path that is a URL": [METHOD, SCHEME, AUTHORITY, (b":path", b"http://b.test/")],
    "a blank in a path": [METHOD, SCHEME, AUTHORITY, (b":path", b"/a b")],
}


@pytest.mark.parametrize("name", MENDED)
def test_what_a_rule_says_the_meaning_of(name: str) -> None:
    sent, wanted = MENDED[name]
    assert mended_head(sent) == wanted
    head = read_fields(read_request, mended_head, sent, paper_settings(validate_inbound_headers=False))
    assert head.fields == [item for item in wanted if not item[0].startswith(b":")]
    with pytest.raises(ValueError, match="at byte"):
        _strictly(sent)


def _strictly(sent: Fields) -> None:
    try:
        read_fields(read_request, mended_head, sent, paper_settings())
    except Exception as error:
        raise ValueError(str(error)) from error


@pytest.mark.parametrize("name", REFUSED)
def test_what_none_does(name: str) -> None:
    """And the first complaint stands."""
    sent = REFUSED[name]
    with pytest.raises(ValueError, match="at byte") as strict:
        _strictly(sent)
    with pytest.raises(Exception, match="at byte") as lenient:
        read_fields(read_request, mended_head, sent, paper_settings(validate_inbound_headers=False))
    assert str(lenient.value) == str(strict.value)


def test_what_is_not_to_be_compressed_is_not() -> None:
    [*_, item] = mended_head([*HEAD, NeverIndexedHeaderTuple(b"Authorization", b"secret")])
    assert item == (b"authorization", b"secret") and not item.indexable  # type: ignore[attr-defined]


def say(w: World, fields: Fields, ends: bool = True) -> int:
    stream = w.client.h2.get_next_available_stream_id()
    w.client.say_head(stream, fields, ends)
    w.run()
    return stream


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("name", [name for name in MENDED if "length" not in name])
def test_it_gets_through_on_a_connection(name: str) -> None:
    sent, wanted = MENDED[name]
    w = world(reverse("http://a.test:80"), validate_inbound_headers=False, http2_upstream="always", is_strict=False)
    w.client = w.driver.peers[w.driver.client] = Http2Peer(is_client=True, is_strict=False)
    stream = say(w, sent)
    fields = [item for item in w.server.heard[1].fields if not item[0].startswith(b":")]
    assert fields == [item for item in wanted if not item[0].startswith(b":")]
    assert dict(w.server.heard[1].fields)[b":scheme"] == b"http"
    w.server.answer(1, status=204)
    w.run()
    assert w.client.heard[stream].status == 204 and w.driver.errors() == [""]


def test_without_a_scheme_it_must_be_known_where_it_goes() -> None:
    w = world(REGULAR, speaks_http2=False, validate_inbound_headers=False)
    stream = say(w, [METHOD, AUTHORITY, PATH])
    assert w.client.heard[stream].reset == 1 and "must name its destination" in w.driver.errors()[0]


@pytest.mark.parametrize("is_strict", [True, False])
def test_responses_and_trailers_likewise(is_strict: bool) -> None:
    w = world(TO_H2C, validate_inbound_headers=is_strict)
    w.client.ask(b"POST", ends=False)
    w.client.say_head(1, [(b"X-Sum", b"1"), (b"Content-Length", b"4")], ends=True)
    w.run()
    if is_strict:
        assert w.client.heard[1].reset is not None or w.client.heard[1].status == 400
        return
    assert w.server.heard[1].trailers == [(b"x-sum", b"1")]
    w.server.answer(1, [(b"X-Up", b"1"), (b"connection", b"close")], b"hi", trailers=[(b"X-T", b" t")])
    w.run()
    heard = w.client.heard[1]
    assert (heard.fields, heard.body, heard.trailers) == ([(b":status", b"200"), (b"x-up", b"1")], b"hi", [(b"x-t", b"t")])


def test_towards_http1_a_mended_head_is_one_message() -> None:
    w = world(REGULAR, speaks_http2=False, validate_inbound_headers=False)
    say(w, [*HEAD, (b"X", b"a\r\nTransfer-Encoding: chunked"), (b"a b", b"c")])
    sent = w.driver.sent(w.driver.server)
    assert sent == b"GET /x HTTP/1.1\r\nhost: a.test\r\nx: a  Transfer-Encoding: chunked\r\na b: c\r\n\r\n"
