"""What a user or a rule may do to an exchange at each of its hooks, and what is on the wire then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from interceptor.model.body import MemoryBody
from interceptor.model.flow import HttpFlow
from interceptor.model.hooks import (
    FORWARD,
    Collect,
    ConnectRequested,
    Drop,
    Forward,
    Hook,
    HttpHook,
    Kill,
    RequestHead,
    RequestReady,
    Respond,
    ResponseHead,
    ResponseReady,
    Verdict,
)
from interceptor.model.http import Headers, Request, Response
from interceptor.proxy.asks import ConnectFailed
from interceptor.proxy.core.events import Congested, Drained
from interceptor.proxy.layers.http.collecting import HOLD_LIMIT
from tests.support.paper_driver import PaperDriver, paper_settings

HOST = b"HTTP/1.1\r\nHost: a.test\r\n"
GET = b"GET http://a.test/x " + HOST + b"\r\n"
POST = b"POST http://a.test/x " + HOST + b"Content-Length: 6\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def own(status: int = 200, body: bytes = b"own") -> Response:
    return Response(status, b"Own", headers=Headers([(b"Content-Length", b"%d" % len(body))]), body=MemoryBody(body))


def collecting(collect: Collect, hold: type[Hook] | None = None) -> Callable[[Hook], Verdict | None]:
    def decide(hook: Hook) -> Verdict | None:
        if hold is not None and isinstance(hook, hold):
            return None
        return Forward(collect) if isinstance(hook, (RequestHead, ResponseHead)) else FORWARD

    return decide


def at(kind: type[HttpHook], edit: Callable[[HttpFlow], Verdict | None]) -> Callable[[Hook], Verdict]:
    """Everything is collected; `edit` has its say at that hook."""

    def decide(hook: Hook) -> Verdict:
        if isinstance(hook, kind):
            verdict = edit(hook.flow)
            if verdict is not None:
                return verdict
        return Forward(Collect.WHOLE) if isinstance(hook, (RequestHead, ResponseHead)) else FORWARD

    return decide


# --- collecting -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("collect", [Collect.WHOLE, Collect.FOR_HOLD])
def test_a_collected_request_is_sent_when_it_is_there_and_decided_about(collect: Collect) -> None:
    driver = PaperDriver(decide=collecting(collect, RequestReady))
    driver.says(POST + b"abc")
    assert not driver.held() and not driver.servers
    driver.says(b"def")
    [hold] = driver.held(RequestReady)
    assert driver.http.request.body.read() == b"abcdef" and driver.http.body_is_editable
    driver.advance(60)
    driver.answer(hold, FORWARD)
    assert driver.sent(driver.server) == b"POST /x " + HOST + b"Content-Length: 6\r\n\r\nabcdef"
    driver.says(OK, driver.server)
    assert driver.sent(driver.client) == OK and driver.errors() == [""]
    assert driver.hook_names() == ["RequestHead", "RequestReady", "ResponseHead", "ResponseReady"]


def test_nobody_is_asked_about_what_nobody_collected() -> None:
    driver = PaperDriver()
    driver.says(POST + b"abcdef")
    driver.says(OK, driver.server)
    assert driver.hook_names() == ["RequestHead", "ResponseHead"]


@pytest.mark.parametrize("size", [1, 65_536, 65_537, 300_000])
def test_a_collected_body_of_any_size_goes_out_whole(size: int) -> None:
    driver = PaperDriver(decide=collecting(Collect.WHOLE))
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    driver.says(b"POST http://a.test/x " + HOST + b"Content-Length: %d\r\n\r\n" % size)
    for start in range(0, size, 16384):
        driver.says(body[start : start + 16384])
    assert driver.sent(driver.server).partition(b"\r\n\r\n")[2] == body
    driver.says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, driver.server)
    for start in range(0, size, 16384):
        driver.says(body[start : start + 16384], driver.server)
    assert driver.sent(driver.client).partition(b"\r\n\r\n")[2] == body
    assert driver.errors() == [""] and not driver.paused


def waiting_for_room() -> PaperDriver:
    """The client takes nothing; a collected body of 300,000 bytes is to be sent to it."""
    driver = PaperDriver(decide=collecting(Collect.WHOLE, ResponseReady))
    driver.says(GET)
    driver.says(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000, driver.server)
    [hold] = driver.held(ResponseReady)
    driver.run(Congested(driver.client))
    driver.answer(hold, FORWARD)
    assert driver.sent(driver.client).endswith(b"\r\n\r\n"), "the head, and no more"
    return driver


def test_a_collected_body_is_sent_as_its_reader_takes_it() -> None:
    driver = waiting_for_room()
    driver.run(Drained(driver.client))
    assert driver.sent(driver.client) == b"x" * 300_000 and driver.errors() == [""]


def test_a_client_that_leaves_while_a_collected_body_waits_for_room() -> None:
    driver = waiting_for_room()
    driver.vanishes(driver.client)
    assert len(driver.ended) == 1 and not driver.ended_by_driver


def test_a_hold_waits_three_seconds_for_the_body_then_holds_at_the_head() -> None:
    driver = PaperDriver(decide=collecting(Collect.FOR_HOLD, ResponseReady))
    driver.says(GET)
    driver.says(CHUNKED + b"3\r\nabc\r\n", driver.server)
    driver.advance(2.9)
    assert not driver.held()
    driver.advance(0.2)
    [hold] = driver.held(ResponseReady)
    assert not driver.http.body_is_editable
    driver.says(b"3\r\ndef\r\n", driver.server)
    assert driver.sent(driver.client) == b""
    driver.answer(hold, FORWARD)
    assert driver.sent(driver.client) == CHUNKED + b"3\r\nabc\r\n3\r\ndef\r\n" and driver.http.body_is_editable
    driver.says(b"0\r\n\r\n", driver.server)
    assert driver.sent(driver.client) == b"0\r\n\r\n" and driver.errors() == [""]


def test_the_same_for_a_request() -> None:
    driver = PaperDriver(decide=collecting(Collect.FOR_HOLD, RequestReady))
    driver.says(POST + b"abc")
    driver.advance(3.1)
    [hold] = driver.held(RequestReady)
    driver.answer(hold, FORWARD)
    assert driver.sent(driver.server).endswith(b"Content-Length: 6\r\n\r\nabc")
    driver.says(b"def")
    assert driver.sent(driver.server) == b"def"
    driver.says(OK, driver.server)
    assert driver.errors() == [""] and driver.http.request.body.read() == b"abcdef"


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_hold_does_not_collect_more_than_its_limit(is_announced: bool) -> None:
    driver = PaperDriver(decide=collecting(Collect.FOR_HOLD, ResponseReady))
    driver.says(GET)
    piece = b"x" * (1 << 20)
    if is_announced:
        driver.says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (HOLD_LIMIT + 1), driver.server)
    else:
        driver.says(b"HTTP/1.1 200 OK\r\n\r\n", driver.server)
        for _ in range(5):
            assert not driver.held()
            driver.says(piece, driver.server)
        driver.says(b"x", driver.server)
    assert driver.held(ResponseReady) and not driver.http.body_is_editable
    driver.says(piece, driver.server)
    driver.says(piece, driver.server)
    assert driver.server in driver.paused, "the rest waits at the server"


def test_server_sent_events_are_held_at_their_head() -> None:
    driver = PaperDriver(decide=collecting(Collect.FOR_HOLD, ResponseReady))
    driver.says(GET)
    driver.says(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", driver.server)
    assert driver.held(ResponseReady) and not driver.http.body_is_editable


def test_stream_large_bodies_bounds_what_rules_collect() -> None:
    driver = PaperDriver(settings=paper_settings(stream_large_bodies=5), decide=collecting(Collect.WHOLE))
    driver.says(POST + b"abcdef")
    driver.says(OK, driver.server)
    assert driver.sent(driver.server).endswith(b"abcdef") and driver.sent(driver.client) == OK
    assert driver.errors() == [""]


def test_a_collected_request_says_continue_itself() -> None:
    driver = PaperDriver(decide=collecting(Collect.WHOLE))
    driver.says(b"POST http://a.test/x " + HOST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert driver.sent(driver.client) == b"HTTP/1.1 100 Continue\r\n\r\n" and not driver.servers
    driver.says(b"abc")
    driver.says(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, driver.server)
    assert driver.sent(driver.client) == OK, "once is enough"


def test_trailers_of_collected_messages() -> None:
    driver = PaperDriver(decide=collecting(Collect.WHOLE))
    driver.says(b"POST http://a.test/x " + HOST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\nX: y\r\n\r\n")
    assert driver.sent(driver.server).endswith(b"chunked\r\n\r\n2\r\nab\r\n0\r\nX: y\r\n\r\n")
    driver.says(CHUNKED + b"2\r\nhi\r\n0\r\nZ: 1\r\n\r\n", driver.server)
    assert driver.sent(driver.client) == CHUNKED + b"2\r\nhi\r\n0\r\nZ: 1\r\n\r\n"


@pytest.mark.parametrize("break_", ["malformed", "ends"])
def test_what_breaks_while_it_is_collected(break_: str) -> None:
    driver = PaperDriver(decide=collecting(Collect.WHOLE))
    driver.says(GET)
    driver.says(CHUNKED + b"3\r\nabc\r\n", driver.server)
    if break_ == "malformed":
        driver.says(b"zz\r\n", driver.server)
    else:
        driver.ends(driver.server)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 502 ") and len(driver.ended) == 1
    driver = PaperDriver(decide=collecting(Collect.WHOLE))
    driver.says(b"POST http://a.test/x " + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 400 ") and not driver.servers and len(driver.ended) == 1


def test_a_collected_body_above_the_limit() -> None:
    driver = PaperDriver(settings=paper_settings(body_size_limit=5), decide=collecting(Collect.WHOLE))
    driver.says(b"POST http://a.test/x " + HOST + b"Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n")
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 413 ") and len(driver.ended) == 1
    driver = PaperDriver(settings=paper_settings(body_size_limit=5), decide=collecting(Collect.WHOLE))
    driver.says(GET)
    driver.says(CHUNKED + b"6\r\nabcdef\r\n", driver.server)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 502 ") and driver.server in driver.closed


# --- editing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", [RequestHead, RequestReady])
@pytest.mark.parametrize("request_", [GET, POST + b"abcdef"], ids=["GET", "POST"])
def test_an_edited_request(point: type[HttpHook], request_: bytes) -> None:
    def edit(flow: HttpFlow) -> None:
        flow.backup()
        flow.request.method, flow.request.path = "PUT", "/edited"
        flow.request.headers.add("X", "y")
        flow.request.set_content(b"longer than it was")

    driver = PaperDriver(decide=at(point, edit))
    driver.says(request_)
    head, _, body = driver.sent(driver.server).partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /edited HTTP/1.1\r\n") and b"\r\nX: y" in head
    assert b"Content-Length: 18" in head and head.count(b"Content-Length") == 1 and body == b"longer than it was"
    driver.says(OK, driver.server)
    assert driver.sent(driver.client) == OK and driver.errors() == [""]
    assert driver.http.request.body.read() == b"longer than it was"


@pytest.mark.parametrize(
    "edit",
    [
        lambda headers: headers.remove("Content-Length"),
        lambda headers: headers.set_all("Content-Length", ["2"]),
        lambda headers: headers.set_all("Content-Length", ["2", "99"]),
        lambda headers: headers.add("Transfer-Encoding", "chunked"),
    ],
    ids=["removed", "shorter", "two", "coded"],
)
def test_edited_fields_never_frame_a_streaming_body_wrongly(edit: Callable[[Headers], None]) -> None:
    """Else the rest of the body would be read as the next message, by the server or by the client."""

    def rule(flow: HttpFlow) -> None:
        flow.backup()
        edit((flow.response or flow.request).headers)

    def decide(hook: Hook) -> Verdict:
        if isinstance(hook, RequestHead | ResponseHead):
            rule(hook.flow)
        return FORWARD

    driver = PaperDriver(decide=decide)
    driver.says(POST + b"abc")
    driver.says(b"def")
    head, _, body = driver.sent(driver.server).partition(b"\r\n\r\n")
    driver.says(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n12", driver.server)
    driver.says(b"34", driver.server)
    answer, _, content = driver.sent(driver.client).partition(b"\r\n\r\n")
    if b"chunked" in head:
        assert b"Content-Length" not in head and body == b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
        assert b"Content-Length" not in answer and content == b"2\r\n12\r\n2\r\n34\r\n0\r\n\r\n"
    else:
        assert head.count(b"Content-Length") == 1 and b"Content-Length: 6" in head and body == b"abcdef"
        assert answer.count(b"Content-Length") == 1 and b"Content-Length: 4" in answer and content == b"1234"
    assert driver.errors() == [""]


def test_a_request_sent_elsewhere() -> None:
    driver = PaperDriver(decide=at(RequestHead, lambda flow: flow.request.set_url("http://b.test:81/elsewhere")))
    driver.says(GET)
    assert driver.server.peer == ("b.test", 81)
    assert driver.sent(driver.server) == b"GET /elsewhere HTTP/1.1\r\nHost: b.test:81\r\n\r\n"


def test_a_request_body_replaced_while_the_rest_is_at_the_client() -> None:
    driver = PaperDriver(decide=collecting(Collect.FOR_HOLD, RequestReady))
    driver.says(POST + b"abc")
    driver.advance(4)
    [hold] = driver.held()
    driver.http.backup()
    driver.http.request.set_content(b"new")
    driver.answer(hold, FORWARD)
    assert driver.sent(driver.server).endswith(b"Content-Length: 3\r\n\r\nnew")
    driver.says(OK, driver.server)
    assert driver.sent(driver.client) == OK
    driver.decide = lambda hook: FORWARD
    driver.says(b"def" + GET)
    assert driver.sent(driver.server).startswith(b"GET /x"), "the rest is read and dropped"
    assert driver.errors() == [""] and isinstance(driver.flows[0], HttpFlow) and driver.flows[0].request.body.read() == b"new"


def test_a_request_body_replaced_at_the_head_without_collecting() -> None:
    def decide(hook: Hook) -> Verdict:
        if isinstance(hook, RequestHead):
            hook.flow.request.set_content(b"new")
        return FORWARD

    driver = PaperDriver(decide=decide)
    driver.says(POST + b"abcdef")
    assert driver.sent(driver.server).endswith(b"Content-Length: 3\r\n\r\nnew")
    driver.says(OK, driver.server)
    assert driver.http.request.body.read() == b"new" and driver.errors() == [""]


def test_a_chunked_request_made_shorter() -> None:
    def edit(flow: HttpFlow) -> None:
        flow.backup()
        flow.request.set_content(b"a")

    driver = PaperDriver(decide=at(RequestReady, edit))
    driver.says(b"POST http://a.test/x " + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert driver.sent(driver.server).endswith(b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")


@pytest.mark.parametrize("response", [OK, CHUNKED + b"2\r\nhi\r\n0\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n"], ids=["CL", "TE", "204"])
@pytest.mark.parametrize("point", [ResponseHead, ResponseReady])
def test_an_edited_response(point: type[HttpHook], response: bytes) -> None:
    def edit(flow: HttpFlow) -> None:
        flow.backup()
        assert flow.response is not None
        flow.response.status_code, flow.response.reason = 418, b"Teapot"
        flow.response.set_content(b"short and stout")

    driver = PaperDriver(decide=at(point, edit))
    driver.says(GET)
    driver.says(response, driver.server)
    head, _, body = driver.sent(driver.client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 418 Teapot\r\n") and driver.errors() == [""]
    if response.startswith(CHUNKED):
        assert body == b"f\r\nshort and stout\r\n0\r\n\r\n"
    else:
        assert b"Content-Length: 15" in head and body == b"short and stout"


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("is_collected", [True, False])
def test_a_response_that_becomes_one_without_a_body(status: int, is_collected: bool) -> None:
    def decide(hook: Hook) -> Verdict:
        if isinstance(hook, ResponseHead) and hook.flow.response is not None:
            hook.flow.response.status_code = status
            return Forward(Collect.WHOLE if is_collected else Collect.NO)
        return FORWARD

    driver = PaperDriver(decide=decide)
    driver.says(GET)
    driver.says(OK, driver.server)
    assert driver.sent(driver.client).endswith(b"\r\n\r\n") and driver.errors() == [""]


def test_a_response_body_replaced_while_the_rest_is_at_the_server() -> None:
    driver = PaperDriver(decide=collecting(Collect.FOR_HOLD, ResponseReady))
    driver.says(GET)
    driver.says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", driver.server)
    driver.advance(4)
    [hold] = driver.held()
    assert driver.http.response is not None
    driver.http.response.set_content(b"new")
    driver.answer(hold, FORWARD)
    assert driver.sent(driver.client) == b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew"
    assert driver.server in driver.closed and driver.client not in driver.closed and driver.errors() == [""]


# --- answering and killing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", [RequestHead, RequestReady])
def test_a_request_that_is_answered_by_a_rule(point: type[HttpHook]) -> None:
    driver = PaperDriver(decide=at(point, lambda flow: Respond(own())))
    driver.says(POST + b"abcdef" + GET)
    assert driver.sent(driver.client) == b"HTTP/1.1 200 Own\r\nContent-Length: 3\r\n\r\nown" * 2
    assert not driver.servers and not driver.closed and driver.errors() == ["", ""]
    assert driver.hook_names().count("ResponseHead") == 2, "rules for responses see it"


def test_an_answered_upload_is_read_to_its_end() -> None:
    driver = PaperDriver(decide=at(RequestHead, lambda flow: Respond(own(body=b"o" * 100_000))))
    driver.says(POST + b"abc")
    assert driver.sent(driver.client).endswith(b"o" * 100_000) and not driver.ended
    driver.says(b"def")
    assert driver.errors() == [""] and not driver.closed and driver.http.request.body.read() == b"abcdef"


def test_an_answered_upload_that_waits_for_100() -> None:
    driver = PaperDriver(decide=at(RequestHead, lambda flow: Respond(own())))
    driver.says(b"POST http://a.test/x " + HOST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert b"Connection: close" in driver.sent(driver.client)
    assert driver.client in driver.closed and driver.errors() == [""]


@pytest.mark.parametrize("point", [ResponseHead, ResponseReady])
def test_a_response_that_is_replaced(point: type[HttpHook]) -> None:
    driver = PaperDriver(decide=at(point, lambda flow: Respond(own())))
    driver.says(GET)
    driver.says(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", driver.server)
    assert driver.sent(driver.client) == b"HTTP/1.1 200 Own\r\nContent-Length: 3\r\n\r\nown"
    assert driver.errors() == [""] and driver.client not in driver.closed


@pytest.mark.parametrize("status", [200, 204, 304])
def test_an_answer_to_head_has_no_body(status: int) -> None:
    driver = PaperDriver(decide=at(RequestHead, lambda flow: Respond(own(status))))
    driver.says(b"HEAD http://a.test/x " + HOST + b"\r\n" + GET)
    sent = driver.sent(driver.client)
    assert sent.startswith(b"HTTP/1.1 %d Own\r\nContent-Length: 3\r\n\r\nHTTP/1.1 %d " % (status, status))
    assert sent.endswith(b"\r\n\r\nown" if status == 200 else b"\r\n\r\n")


@pytest.mark.parametrize("verdict", [Kill("Blocked by a rule."), Drop()])
@pytest.mark.parametrize("point", [RequestHead, RequestReady, ResponseHead, ResponseReady])
def test_killed_at_any_hook(point: type[HttpHook], verdict: Verdict) -> None:
    driver = PaperDriver(decide=at(point, lambda flow: verdict))
    driver.says(POST + b"abcdef")
    if driver.servers:
        driver.says(OK, driver.server)
        assert driver.server in driver.closed
    assert driver.client in driver.closed and driver.sent(driver.client) == b""
    assert driver.errors() == ["Blocked by a rule." if isinstance(verdict, Kill) else "Dropped."]


@pytest.mark.parametrize("head", [b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nUpgrade: x\r\n\r\n"])
def test_a_rule_cannot_switch_protocols_without_a_server(head: bytes) -> None:
    driver = PaperDriver(decide=at(RequestHead, lambda flow: Respond(own(101, b""))))
    driver.says(head + b"early")
    assert driver.client in driver.closed and "no server" in driver.errors()[0]


# --- CONNECT --------------------------------------------------------------------------------------------------

CONNECT = b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n"


@pytest.mark.parametrize("is_eager", [True, False])
def test_a_granted_connect_leaves_no_row(is_eager: bool) -> None:
    driver = PaperDriver(settings=paper_settings(is_eager=is_eager))
    driver.says(CONNECT)
    assert driver.sent(driver.client) == b"HTTP/1.1 200 Connection established\r\n\r\n"
    assert len(driver.servers) == is_eager and not driver.flows
    driver.ends(driver.client)
    assert not driver.flows and driver.client in driver.closed


@pytest.mark.parametrize("rules_may_answer", [True, False])
def test_a_server_that_is_away_is_missed_unless_a_rule_may_answer_in_its_place(rules_may_answer: bool) -> None:
    answer = Respond(own(200))
    driver = PaperDriver(
        settings=paper_settings(rules_may_answer=rules_may_answer),
        decide=lambda hook: answer if isinstance(hook, RequestHead) else FORWARD,
        dials=lambda address: ConnectFailed("a.test:443", "connect", "nobody is there"),
    )
    driver.says(CONNECT)
    if not rules_may_answer:
        assert driver.sent(driver.client).startswith(b"HTTP/1.1 502 ") and driver.errors()[0].endswith("nobody is there")
    else:
        assert driver.sent(driver.client) == b"HTTP/1.1 200 Connection established\r\n\r\n"
        driver.says(b"GET /inside HTTP/1.1\r\nHost: a.test\r\n\r\n")
        assert driver.sent(driver.client).startswith(b"HTTP/1.1 200 ") and driver.errors() == [""]


def test_early_bytes_behind_a_connect() -> None:
    driver = PaperDriver()
    driver.says(CONNECT + b"GET /inside " + HOST + b"\r\n")
    assert driver.sent(driver.server) == b"GET /inside " + HOST + b"\r\n"
    assert len(driver.servers) == 1 and driver.http.request.url == "http://a.test:443/inside"


def test_a_refused_connect_and_then_another_request() -> None:
    driver = PaperDriver(decide=at(ConnectRequested, lambda flow: Respond(own(407))))
    driver.says(CONNECT)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 407 ")
    assert driver.errors() == ["CONNECT was answered with 407."] and not driver.closed
    driver.says(GET)
    assert len(driver.servers) == 1


def test_a_killed_connect() -> None:
    driver = PaperDriver(decide=at(ConnectRequested, lambda flow: Kill("no")))
    driver.says(CONNECT)
    assert driver.client in driver.closed and driver.errors() == ["no"]


def test_a_client_that_leaves_while_its_connect_is_decided() -> None:
    driver = PaperDriver(decide=lambda hook: None)
    driver.says(CONNECT)
    [hold] = driver.held(ConnectRequested)
    driver.ends(driver.client)
    assert driver.withdrawn == [hold] and not driver.flows


# --- replay ---------------------------------------------------------------------------------------------------


def replayed(request: Request) -> PaperDriver:
    driver = PaperDriver(is_opened=False)
    driver.replay(HttpFlow(7, request=request, replay_of=1))
    return driver


def test_a_replay() -> None:
    request = Request("POST", "http", "a.test", 80, b"/p", headers=Headers([(b"Host", b"a.test"), (b"Content-Length", b"9")]))
    request.body = MemoryBody(b"x" * 100_000)
    driver = replayed(request)
    assert driver.sent(driver.server) == b"POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
    driver.says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", driver.server)
    assert driver.http.response is not None and driver.http.response.body.read() == b"hi"
    assert driver.errors() == [""] and driver.server in driver.closed and driver.is_over


def test_a_replay_without_a_body_and_with_an_old_length() -> None:
    request = Request("GET", "http", "a.test", 80, b"/p", headers=Headers([(b"Host", b"a.test"), (b"Content-Length", b"9")]))
    driver = replayed(request)
    assert driver.sent(driver.server) == b"GET /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("end", ["killed", "vanishes", "upgraded"])
def test_a_replay_that_ends_otherwise(end: str) -> None:
    driver = replayed(Request("GET", "http", "a.test", 80, b"/p", headers=Headers([(b"Host", b"a.test")])))
    if end == "killed":
        driver.kill(driver.http, "enough")
    elif end == "vanishes":
        driver.vanishes(driver.server)
    else:
        driver.says(b"HTTP/1.1 101 Switching\r\n\r\n", driver.server)
    assert len(driver.ended) == 1 and driver.server in driver.closed and driver.is_over
