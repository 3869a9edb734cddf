"""Every operator against flows of every kind: which of them it picks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from interceptor.model.body import MemoryBody
from interceptor.model.flow import HttpFlow
from interceptor.specs.filter import operators, parse
from interceptor.specs.filter_terms import BODY_LIMIT
from tests.specs.flows import NOON, every, get

HTTP = "get upload image chat"


def picked(text: str, clock: Callable[[], float] | None = None) -> str:
    found = parse(text, clock=clock or (lambda: NOON + 600))
    return " ".join(name for name, flow in every().items() if found.matches(flow))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~all", f"{HTTP} failed datagrams"),
        ("~a", "image"),
        ("~e", "failed"),
        ("~q", "upload"),
        ("~s", "get image chat"),
        ("~http", HTTP),
        ("~tcp", "failed"),
        ("~udp", "datagrams"),
        ("~dns", ""),
        ("~websocket", "chat"),
        ("~fromclient & ~websocket", "chat"),
        ("~fromserver & ~websocket", "chat"),
        ("~marked", "upload"),
        ("~replay", "image"),
        ("~replayq", "image"),
        ("~replays", "image"),
        ("api", "get"),
        (r"~u ^https://www\.example\.com/api/", "get"),
        ("~u tcp://pinned.example:8443", "failed"),
        ("~d WWW.example", "get"),
        ("~d 192.0.2.7", "get"),
        ("~d pinned", "failed"),
        ("~m post", "upload"),
        ("~c 200", "get"),
        ("~c 4xx", "image"),
        ("~c 100-299", "get chat"),
        ("~c >=200", "get image"),
        ("~c >200", "image"),
        ("~c <200", "chat"),
        ("~c <=200", "get chat"),
        ("~c =404", "image"),
        ("~h 'user-agent: curl'", "get"),
        ("~h ^accept:", "get"),
        ("~h json$", "get"),
        ("~hq json", ""),
        ("~hs json", "get"),
        ("~t json|form", "get upload"),
        ("~tq form", "upload"),
        ("~tq json", ""),
        ("~ts image", "image"),
        ("~b token.*secret", "get"),  # across a line end, and in gzip
        ("~b 'hello|ping|password'", "upload chat failed"),
        ("~bq ping", "chat"),
        ("~bq pong", ""),
        ("~bs pong", "chat"),
        ("~bs secret", "get"),
        ("~bs password", ""),
        ("~src ^192.168.1.5:50001$", "get upload failed"),
        (r"~src ^\[::1\]:9999$", "datagrams"),
        ("~dst ^192.0.2.7:443$", "get image"),
        ("~dst www.example.com:443", "get image"),
        ("~dst :8080$", "upload"),
        ("~meta 'tag: blue'", "upload"),
        ("~marker red", "upload"),
        ("~marker ^:red_circle:$", "upload"),
        ("~comment here", "upload"),
        ("~size >10", "get chat failed"),
        ("~size 100b", "failed"),
        ("~size =100", "failed"),
        ("~size <1", "image datagrams"),
        ("~sizeq >1k", "upload"),
        ("~sizeq 2k", ""),
        ("~sizeq 1k-2k", "upload"),
        ("~sizeq 9..16", "chat failed"),
        ("~duration >1s", "get failed"),
        ("~duration 500ms", "get failed"),
        ("~duration <500ms", "image"),
        ("~duration 1s-2s", "get"),
        ("~time 12:30 & ~time 2026-11-20", f"{HTTP} failed datagrams"),
        ("~time >12:31", ""),
        ("~port 443", "get image chat"),
        ("~port 8000-9000", "upload failed"),
        ("~port <100", "datagrams"),
        ("~tls", "get failed"),
        ("~tls 1.2", "get"),
        ("~tls >=1.2", "get"),
        ("~tls TLSv1.1", "failed"),
        ("~tls <1.2", "failed"),
        ("~sni sni.example", "get"),
        ("~sni ^www", "get"),
        ("~version HTTP/2", "get"),
        ("~version 1.1", HTTP),  # the response of get came by HTTP/1.1
        ("~process curl", "get"),
        ("~process ^4711", "get"),
        ("~process BIN/CURL.curl.--silent", "get"),
        ("~process ''", "get"),
        ("~held", "upload"),
        ("~live", "upload"),
        ("~modified", "upload"),
    ],
)
def test_an_operator_picks_what_it_says(text: str, expected: str) -> None:
    assert picked(text) == expected


def test_each_operator_is_tested_here_and_its_example_works() -> None:
    cases = test_an_operator_picks_what_it_says.pytestmark[0].args[1]  # type: ignore[attr-defined]
    tested = " ".join(str(parse(text)) for text, _ in cases) + " "
    for each in operators():
        assert f"{each.name} " in tested, each.name
        assert each.name in parse(each.example).written_out


@pytest.mark.parametrize("text", ["~time <10m", "~time 10m", "~time <=1h", "~time >5m"])
def test_an_age_counts_back_from_now(text: str) -> None:
    assert picked(text)


@pytest.mark.parametrize("text", ["~time <5m", "~time >10m", "~time >1d"])
def test_an_age_that_does_not_fit(text: str) -> None:
    assert picked(text) == ""


def test_the_age_is_that_of_the_moment_of_asking() -> None:
    now = [NOON]
    found = parse("~time <5m", clock=lambda: now[0])
    assert found.matches(get())
    now[0] += 301
    assert not found.matches(get())


def test_case_counts_only_when_asked_to() -> None:
    assert parse("~m get").matches(get())
    assert not parse("~m get", ignore_case=False).matches(get())
    assert not parse("~b TOKEN", ignore_case=False).matches(get())


def test_a_body_that_does_not_decode_is_matched_as_far_as_it_goes_or_as_it_is() -> None:
    flow = get()
    assert isinstance(flow, HttpFlow) and flow.response is not None
    whole = flow.response.body.read()
    flow.response.body = MemoryBody(b"no gzip at all")
    assert parse("~bs gzip").matches(flow)
    flow.response.body = MemoryBody(whole[:-6])
    assert parse("~bs token").matches(flow)
    flow.response.headers["content-encoding"] = "unheard-of"
    flow.response.body = MemoryBody(b"as it is")
    assert parse("~bs 'as it is'").matches(flow)


def test_a_huge_body_is_read_to_the_limit_only() -> None:
    asked: list[tuple[int, int | None]] = []

    class Huge(MemoryBody):
        def read(self, start: int = 0, count: int | None = None) -> bytes:
            asked.append((start, count))
            return b""

    flow = get()
    flow.request.body = Huge()
    parse("~bq x").matches(flow)
    assert asked == [(0, BODY_LIMIT)]


def test_a_large_coded_body_is_decoded_to_the_limit() -> None:
    from interceptor.model.encoding import encode_content

    flow = get()
    assert flow.response is not None
    flow.response.body = MemoryBody(encode_content(b"start" + bytes(BODY_LIMIT) + b"finish", "gzip"))
    assert parse("~bs start").matches(flow)
    assert not parse("~bs finish").matches(flow)


@pytest.mark.parametrize("text", ["~b x", "~q | ~bq x", "!(~u x & ~bs y)", "~size >1k", "~sizeq 1"])
def test_a_filter_that_looks_into_bodies_says_so(text: str) -> None:
    assert parse(text).needs_body


@pytest.mark.parametrize("text", ["x", "~h b", "~c 200 & !~e", "~duration >1s"])
def test_and_others_do_not(text: str) -> None:
    assert not parse(text).needs_body
