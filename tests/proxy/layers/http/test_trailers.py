"""Where a body ends, and trailers, where the two sides speak different versions: passed on if they have a place, else shown."""

from __future__ import annotations

import pytest

from interceptor.model.hooks import FORWARD, Collect, Forward, Hook, RequestHead, ResponseHead, ResponseReady, Verdict
from interceptor.model.http import Headers
from tests.proxy.layers.http.http2_world import world
from tests.support.http2_peers import Fields, Http2Peer
from tests.support.paper_driver import REGULAR, PaperDriver, paper_settings, reverse

LENGTH = (b"content-length", b"3")
ANNOUNCED = (b"trailer", b"x-sum")
SUM: Fields = [(b"x-sum", b"1")]
CHUNKED_END = b"\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n"


def to_http1(fields: Fields, body: bytes = b"abc", trailers: Fields | None = SUM, **options: object) -> tuple[PaperDriver, bytes]:
    """A request of HTTP/2 with trailers; what the server of HTTP/1 gets."""
    w = world(REGULAR, speaks_http2=False, **options)  # type: ignore[arg-type]
    stream = w.client.ask(b"POST", fields=fields, body=body, ends=False)
    w.run()
    if trailers is None:
        w.client.say(stream, b"", ends=True)
    else:
        w.client.say_head(stream, trailers, ends=True)
    w.run()
    return w.driver, w.driver.sent(w.driver.server)


def from_http2(
    fields: Fields, body: bytes = b"abc", trailers: Fields | None = SUM, *, asked: bytes = b"GET / HTTP/1.1", **options: object
) -> tuple[PaperDriver, bytes]:
    """A response of HTTP/2 with trailers; what the client of HTTP/1 gets."""
    server = Http2Peer(is_client=False)
    driver = PaperDriver(
        reverse("http://t.test:80"), paper_settings(http2_upstream="always"), greet=lambda connection: server, **options
    )  # type: ignore[arg-type]
    driver.says(asked + b"\r\nHost: t.test\r\n\r\n")
    driver.converse()
    server.answer(1, fields, body, trailers=trailers, ends=trailers is not None)
    if trailers is None:
        server.say(1, b"", ends=True)
    driver.converse()
    return driver, driver.sent(driver.client)


@pytest.mark.parametrize("kind", [ANNOUNCED, (b"content-type", b"application/grpc+proto")])
def test_a_body_with_a_length_is_chunked_where_trailers_are_to_come(kind: tuple[bytes, bytes]) -> None:
    driver, sent = to_http1([LENGTH, kind])
    assert sent == b"POST / HTTP/1.1\r\nhost: a.test\r\n%b: %b" % kind + CHUNKED_END
    assert driver.http.request.headers.fields == [LENGTH, kind], "as it was received"
    assert driver.http.request.not_sent == ()
    driver, sent = from_http2([LENGTH, kind])
    assert sent == b"HTTP/1.1 200 OK\r\n%b: %b" % kind + CHUNKED_END
    assert not driver.closed and driver.http.response is not None and driver.http.response.not_sent == ()


def test_trailers_that_nobody_announced_are_left_out_behind_a_length_and_shown() -> None:
    driver, sent = to_http1([LENGTH])
    assert sent == b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\n\r\nabc"
    assert driver.http.request.not_sent == (b"x-sum (trailer)",)
    driver, sent = from_http2([LENGTH])
    assert sent == b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"
    response = driver.http.response
    assert response is not None and response.not_sent == (b"x-sum (trailer)",) and response.trailers == Headers(SUM)
    assert driver.errors() == [""] and not driver.closed


def collects(hook: Hook) -> Verdict:
    return Forward(Collect.WHOLE) if isinstance(hook, (RequestHead, ResponseHead)) else FORWARD


@pytest.mark.parametrize("fields", [[LENGTH], []])
def test_none_are_lost_if_the_message_was_collected_first(fields: Fields) -> None:
    _, sent = to_http1(fields, decide=collects)
    assert sent == b"POST / HTTP/1.1\r\nhost: a.test" + CHUNKED_END
    _, sent = from_http2(fields, decide=collects)
    assert sent == b"HTTP/1.1 200 OK" + CHUNKED_END


def test_a_script_may_add_some_to_a_message_of_http1() -> None:
    def adds(hook: Hook) -> Verdict:
        if isinstance(hook, ResponseReady) and hook.flow.response is not None:
            hook.flow.backup()
            hook.flow.response.trailers = Headers(SUM)
        return collects(hook)

    driver = PaperDriver(decide=adds)
    driver.says(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
    driver.says(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", driver.server)
    assert driver.sent(driver.client) == b"HTTP/1.1 200 OK" + CHUNKED_END


def test_a_client_of_http10_takes_no_chunks_and_gets_no_trailers() -> None:
    driver, sent = from_http2([LENGTH, ANNOUNCED], asked=b"GET / HTTP/1.0")
    assert sent == b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntrailer: x-sum\r\n\r\nabc"
    assert driver.http.response is not None and driver.http.response.not_sent == (b"x-sum (trailer)",)


def test_a_response_to_head_keeps_its_length() -> None:
    _, sent = from_http2([LENGTH, ANNOUNCED], b"", asked=b"HEAD / HTTP/1.1")
    assert sent == b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntrailer: x-sum\r\n\r\n"


def test_a_body_that_is_announced_as_empty_has_one_framing() -> None:
    """Its end comes in a frame of its own: until then trailers may follow."""
    _, sent = to_http1([(b"content-length", b"0")], b"", None)
    assert sent == b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0\r\n\r\n"
    driver, sent = from_http2([(b"content-length", b"0")], b"", None)
    assert sent == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" and not driver.closed
    driver, sent = from_http2([(b"content-length", b"0"), ANNOUNCED], b"", SUM)
    assert sent == b"HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-sum: 1\r\n\r\n"


def test_to_http2_they_pass_in_any_case() -> None:
    w = world()
    stream = w.client.ask(b"POST", fields=[LENGTH], body=b"abc", ends=False)
    w.client.say_head(stream, SUM, ends=True)
    w.run()
    w.server.answer(1, [LENGTH], b"abc", trailers=SUM)
    w.run()
    assert w.server.heard[1].trailers == SUM and w.client.heard[stream].trailers == SUM


def test_a_response_without_a_body_says_so_in_http1() -> None:
    """Its head ends the stream in HTTP/2; in HTTP/1 it would go on to the end of the connection."""
    server = Http2Peer(is_client=False)
    driver = PaperDriver(reverse("http://t.test:80"), paper_settings(http2_upstream="always"), greet=lambda connection: server)
    driver.says(b"GET / HTTP/1.1\r\nHost: t.test\r\n\r\n")
    driver.converse()
    server.answer(1, [(b"grpc-status", b"12"), (b"content-type", b"application/grpc")])
    driver.converse()
    head = b"HTTP/1.1 200 OK\r\ngrpc-status: 12\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n"
    assert driver.sent(driver.client) == head and not driver.closed


@pytest.mark.parametrize("arrived", [b"abc", b"ab"])
def test_who_leaves_when_all_has_come_has_not_given_up(arrived: bytes) -> None:
    """The end of a body may come in a frame of its own, behind all that was announced."""
    server = Http2Peer(is_client=False)
    driver = PaperDriver(reverse("http://t.test:80"), paper_settings(http2_upstream="always"), greet=lambda connection: server)
    driver.says(b"GET / HTTP/1.1\r\nHost: t.test\r\n\r\n")
    driver.converse()
    server.answer(1, [LENGTH], arrived, ends=False)
    driver.converse()
    assert driver.sent(driver.client).endswith(b"\r\n\r\n" + arrived)
    driver.vanishes(driver.client)
    is_complete = arrived == b"abc"
    assert [not error for error in driver.errors()] == [is_complete]
    assert driver.http.response is not None and (driver.http.response.timestamp_end is not None) is is_complete
    driver.converse()
    assert driver.server in driver.closed or server.heard[1].reset is not None
