"""WebSockets: bytes pass as they came, messages are recorded inflated, held, edited, dropped, put in; and how they end."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.frames import Opcode as Code

from interceptor.model.flow import HoldPoint, HttpFlow, Opcode
from interceptor.model.hooks import (
    FORWARD,
    Collect,
    Drop,
    Forward,
    Hook,
    Kill,
    Verdict,
    WebSocketMessageBegun,
    WebSocketMessageReceived,
)
from interceptor.model.http import Request
from interceptor.model.records import BodyData, FlowEnded, LongWebSocketMessage, WebSocketMessageData
from interceptor.proxy.core.events import Congested, Drained, MessageInjected
from interceptor.proxy.layers.websocket import HOLD_LIMIT, LONG, WebSocket
from interceptor.proxy.websocket_deflate import INFLATED_LIMIT
from tests.support.paper_driver import PaperDriver, paper_settings, reverse
from tests.support.websocket_messages import spoken

HTTP = reverse("http://t.test:80")
ASKED = (
    b"GET /chat HTTP/1.1\r\nHost: t.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
DEFLATE = b"permessage-deflate"


def granted(extensions: bytes = b"") -> bytes:
    more = b"Sec-WebSocket-Extensions: %b\r\n" % extensions if extensions else b""
    accept = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    return b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + accept + more + b"\r\n"


def opened(
    decide: Callable[[Hook], Verdict | None] = lambda hook: FORWARD, extensions: bytes = b"", **settings: object
) -> PaperDriver:
    driver = PaperDriver(HTTP, paper_settings(**settings), decide=lambda hook: FORWARD)
    driver.says(ASKED)
    driver.says(granted(extensions), driver.server)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 101 ")
    driver.sent(driver.server)
    driver.decide = decide
    return driver


def frame(content: bytes, opcode: int = Code.TEXT, is_final: bool = True, rsv1: bool = False, masked: bool = True) -> bytes:
    raw = Frame(Code(opcode), content, is_final).serialize(mask=masked)
    return bytes([raw[0] | rsv1 << 6]) + raw[1:]


def from_server(content: bytes, opcode: int = Code.TEXT, **more: bool) -> bytes:
    return frame(content, opcode, masked=False, **more)


def deflated(compressor: zlib._Compress, content: bytes) -> bytes:
    return (compressor.compress(content) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def read(raw: bytes) -> list[tuple[int, bytes, bool]]:
    """Whole frames, unmasked."""
    from interceptor.proxy.websocket_frames import FrameReader

    pieces = FrameReader().feed(raw)
    assert all(piece.is_first and piece.is_last for piece in pieces) and b"".join(piece.raw for piece in pieces) == raw
    return [(piece.opcode, piece.payload, piece.is_final) for piece in pieces]


def kept(driver: PaperDriver) -> list[tuple[bool, str, bytes | None]]:
    said = [record for record in driver.records if isinstance(record, WebSocketMessageData)]
    return [(record.from_client, record.opcode.name, record.data) for record in said]


def collecting(hook: Hook) -> Verdict | None:
    """Holds every message of the client."""
    match hook:
        case WebSocketMessageReceived(from_client=True):
            return None
        case WebSocketMessageBegun(from_client=True):
            return Forward(Collect.FOR_HOLD)
    return FORWARD


def test_messages_pass_in_the_bytes_they_came_in_and_are_recorded() -> None:
    driver = opened()
    question, answer = frame(b"hello"), from_server(b"\x00\xff", Code.BINARY)
    driver.says(question)
    driver.says(answer, driver.server)
    assert driver.sent(driver.server) == question and driver.sent(driver.client) == answer
    assert kept(driver) == [(True, "TEXT", b"hello"), (False, "BINARY", b"\x00\xff")]
    assert driver.http.is_live and driver.http.websocket is not None and driver.http.is_upgraded
    driver.says(from_server(b"\x03\xe9bye", Code.CLOSE), driver.server)
    driver.says(frame(b"\x03\xe9", Code.CLOSE))
    driver.vanishes(driver.server)
    assert {driver.client, driver.server} <= set(driver.closed)
    socket = driver.http.websocket
    assert (socket.closed_by_client, socket.close_code, socket.close_reason) == (False, 1001, "bye")
    assert driver.http.error is None and socket.timestamp_end is not None
    assert [type(record) for record in driver.records][-1] is FlowEnded and not driver.stack.alarms


def test_what_the_server_says_right_behind_its_answer_is_a_message() -> None:
    driver = PaperDriver(HTTP, paper_settings())
    driver.says(ASKED)
    driver.says(granted() + from_server(b"early"), driver.server)
    assert driver.sent(driver.client).endswith(from_server(b"early"))
    assert kept(driver) == [(False, "TEXT", b"early")]


def test_the_option_turns_it_into_a_raw_conversation() -> None:
    driver = opened(websocket=False)
    driver.says(frame(b"hello"))
    assert driver.http.websocket is None and not driver.http.is_live
    assert driver.tcp.message_count == 1


def test_fragments_pass_one_by_one_and_are_one_message() -> None:
    driver = opened()
    first, ping, last = frame(b"he", is_final=False), frame(b"?", Code.PING), frame(b"llo", Code.CONT)
    for part in (first, ping, last):
        driver.says(part)
        assert driver.sent(driver.server) == part
    assert kept(driver) == [(True, "PING", b"?"), (True, "TEXT", b"hello")]


def test_a_frame_that_comes_in_pieces_goes_on_in_pieces() -> None:
    driver = opened()
    whole = frame(b"x" * 1000)
    for start in range(0, len(whole), 100):
        driver.says(whole[start : start + 100])
        assert driver.sent(driver.server) == whole[start : start + 100]
    assert kept(driver) == [(True, "TEXT", b"x" * 1000)]


def test_compressed_messages_are_recorded_inflated() -> None:
    driver = opened(extensions=DEFLATE)
    compressor = zlib.compressobj(wbits=-15)
    for content in (b"one one one", b"one one two"):
        raw = frame(deflated(compressor, content), rsv1=True)
        driver.says(raw)
        assert driver.sent(driver.server) == raw
    driver.says(frame(b"not compressed"))
    assert [content for _, _, content in kept(driver)] == [b"one one one", b"one one two", b"not compressed"]


def test_each_message_by_itself_where_no_context_is_kept() -> None:
    driver = opened(extensions=DEFLATE + b"; server_no_context_takeover")
    for _ in range(2):
        driver.says(from_server(deflated(zlib.compressobj(wbits=-15), b"again again"), rsv1=True), driver.server)
    assert kept(driver) == [(False, "TEXT", b"again again")] * 2


def test_what_cannot_be_inflated_passes_and_is_recorded_as_it_came() -> None:
    driver = opened(extensions=DEFLATE)
    raw = frame(b"\xff\xff\xff", rsv1=True)
    driver.says(raw)
    driver.says(frame(b"still compressed", rsv1=True))
    assert driver.sent(driver.server).startswith(raw)
    assert kept(driver)[-1] == (True, "TEXT", b"still compressed")
    assert "not inflated" in str(driver.http.metadata)


def test_a_compression_bomb_is_bounded() -> None:
    driver = opened(extensions=DEFLATE)
    compressor = zlib.compressobj(9, wbits=-15)
    bomb = deflated(compressor, bytes(INFLATED_LIMIT + 40 * 1024 * 1024))
    assert len(bomb) < 200_000
    driver.says(frame(bomb, Code.BINARY, rsv1=True))
    inflated = sum(len(record.data) for record in driver.records if isinstance(record, BodyData))
    assert INFLATED_LIMIT <= inflated <= INFLATED_LIMIT + 1024 * 1024
    assert len(driver.sent(driver.server)) > len(bomb), "the server gets it all the same"


def test_a_long_message_is_recorded_while_it_passes() -> None:
    driver = opened()
    whole = frame(b"y" * (LONG * 2))
    driver.says(whole[: LONG + 1000])
    [begun] = [record for record in driver.records if isinstance(record, LongWebSocketMessage)]
    driver.says(whole[LONG + 1000 :])
    assert begun.message.body.read() == b"y" * (LONG * 2)
    assert driver.sent(driver.server) == whole and kept(driver) == []
    driver.says(frame(b"short"))
    assert kept(driver) == [(True, "TEXT", b"short")]


# --- decided about -----------------------------------------------------------------------------------------------


def test_a_held_message_stops_its_own_direction_alone() -> None:
    driver = opened(collecting)
    driver.says(frame(b"one") + frame(b"two"))
    [hold] = driver.held(WebSocketMessageReceived)
    driver.says(frame(b"alive?", Code.PING))
    assert read(driver.sent(driver.server)) == [(Code.PING, b"alive?", True)], "a ping goes round a held message"
    driver.says(from_server(b"news"), driver.server)
    assert driver.sent(driver.client) == from_server(b"news")
    driver.answer(hold, FORWARD)
    assert driver.sent(driver.server)[-3:] != b"" and kept(driver)[-1] == (True, "TEXT", b"one")
    [second] = driver.held(WebSocketMessageReceived)
    assert isinstance(second.hook, WebSocketMessageReceived) and second.hook.data == b"two"


def test_a_close_stays_behind_a_held_message() -> None:
    driver = opened(collecting)
    driver.says(frame(b"last words") + frame(b"\x03\xe8", Code.CLOSE))
    [hold] = driver.held()
    assert driver.sent(driver.server) == b""
    driver.answer(hold, FORWARD)
    assert [opcode for opcode, _, _ in read(driver.sent(driver.server))] == [Code.TEXT, Code.CLOSE]


def test_a_held_message_can_be_edited() -> None:
    driver = opened(collecting)
    driver.says(frame(b"he", is_final=False) + frame(b"llo", Code.CONT))
    [hold] = driver.held()
    driver.answer(hold, Forward(data=b"goodbye"))
    sent = driver.sent(driver.server)
    assert read(sent) == [(Code.TEXT, b"goodbye", True)] and sent[1] & 0x80, "what goes to a server is masked"
    [record] = [record for record in driver.records if isinstance(record, WebSocketMessageData)]
    assert (record.data, record.original) == (b"goodbye", b"hello")


def test_a_dropped_message_is_recorded_and_not_sent() -> None:
    driver = opened(collecting)
    driver.says(frame(b"secret"))
    driver.answer(driver.held()[0], Drop())
    assert driver.sent(driver.server) == b""
    [record] = [record for record in driver.records if isinstance(record, WebSocketMessageData)]
    assert (record.data, record.original) == (None, b"secret")


def test_after_an_edit_what_the_context_was_needed_for_goes_on_inflated() -> None:
    driver = opened(collecting, extensions=DEFLATE)
    compressor = zlib.compressobj(wbits=-15)
    driver.says(frame(deflated(compressor, b"alpha beta gamma"), rsv1=True))
    driver.answer(driver.held()[0], Forward(data=b"edited"))
    driver.decide = lambda hook: FORWARD
    driver.says(frame(deflated(compressor, b"alpha beta delta"), rsv1=True))
    driver.says(frame(b"plain"))
    assert read(driver.sent(driver.server)) == [(1, b"edited", True), (1, b"alpha beta delta", True), (1, b"plain", True)]


def test_fragments_behind_a_lost_context_are_fragments_still() -> None:
    driver = opened(collecting, extensions=DEFLATE)
    compressor = zlib.compressobj(wbits=-15)
    driver.says(frame(deflated(compressor, b"alpha beta gamma"), rsv1=True))
    driver.answer(driver.held()[0], Drop())
    driver.decide = lambda hook: FORWARD
    whole = deflated(compressor, b"alpha beta gamma delta")
    driver.says(frame(whole[:4], is_final=False, rsv1=True))
    driver.says(frame(whole[4:], Code.CONT))
    frames = read(driver.sent(driver.server))
    assert [opcode for opcode, _, _ in frames] == [Code.TEXT, Code.CONT] and [last for *_, last in frames] == [False, True]
    assert b"".join(content for _, content, _ in frames) == b"alpha beta gamma delta"


def test_a_message_that_is_too_long_to_hold_passes() -> None:
    driver = opened(collecting)
    whole = frame(b"z" * (HOLD_LIMIT + 10), Code.BINARY)
    for start in range(0, len(whole), 1 << 20):
        driver.says(whole[start : start + (1 << 20)])
    assert not driver.held() and driver.sent(driver.server) == whole
    [begun] = [record for record in driver.records if isinstance(record, LongWebSocketMessage)]
    assert begun.message.body.size == HOLD_LIMIT + 10


def test_kill_ends_both_sides() -> None:
    driver = opened(collecting)
    driver.says(frame(b"x"))
    driver.answer(driver.held()[0], Kill("not that"))
    assert driver.errors() == ["not that"] and {driver.client, driver.server} <= set(driver.closed)


def test_the_user_may_end_a_running_one() -> None:
    driver = opened()
    driver.kill(driver.http, "enough")
    assert driver.errors() == ["enough"] and {driver.client, driver.server} <= set(driver.closed)


def test_a_server_that_leaves_ends_the_hold() -> None:
    driver = opened(collecting)
    driver.says(frame(b"x"))
    driver.vanishes(driver.server)
    assert not driver.held() and driver.withdrawn and not driver.http.is_live


# --- ends --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["client", "server"])
def test_an_end_without_a_close_is_told(side: str) -> None:
    driver = opened()
    driver.vanishes(getattr(driver, side))
    assert "without a closing handshake" in driver.errors()[-1] and side in driver.errors()[-1]


def test_silence_ends_it() -> None:
    driver = opened(tcp_timeout=10.0)
    driver.advance(8)
    driver.says(frame(b"x"))
    driver.advance(8)
    assert driver.http.is_live
    driver.advance(8)
    assert "tcp_timeout" in driver.errors()[-1]


def test_a_slow_server_stops_the_client() -> None:
    driver = opened()
    driver.run(Congested(driver.server))
    for _ in range(10):
        driver.says(frame(bytes(16_000), Code.BINARY))
    assert driver.client in driver.paused
    driver.run(Drained(driver.server))
    assert driver.client not in driver.paused and len(kept(driver)) == 10


# --- sent again --------------------------------------------------------------------------------------------------


def test_a_replay_connects_again_and_says_what_the_client_said() -> None:
    driver = PaperDriver(HTTP, paper_settings(), is_opened=False)
    request = Request("GET", "http", "t.test", 80, b"/chat")
    request.headers.add("Upgrade", "websocket")
    request.headers.add("Connection", "Upgrade")
    again = HttpFlow(7, request=request)
    script = [spoken(True, b"one", 10.0), spoken(True, b"two", 10.5), spoken(True, b"\x03\xe8", 99.0, Opcode.CLOSE)]
    driver.replay(again, script)
    assert driver.sent(driver.server).startswith(b"GET /chat")
    driver.says(granted() + from_server(b"welcome"), driver.server)
    assert read(driver.sent(driver.server)) == [(Code.TEXT, b"one", True)]
    driver.advance(0.6)
    assert read(driver.sent(driver.server)) == [(Code.TEXT, b"two", True)]
    driver.advance(1.1)
    assert read(driver.sent(driver.server)) == [(Code.CLOSE, b"\x03\xe8", True)], "a long pause is cut short"
    driver.ends(driver.server)
    assert [content for _, _, content in kept(driver)] == [b"welcome", b"one", b"two", b"\x03\xe8"]
    assert not again.is_live and again.error is None


# --- whatever comes ----------------------------------------------------------------------------------------------

some_frames = st.lists(
    st.tuples(st.sampled_from([0, 1, 2, 3, 8, 9, 10, 11]), st.binary(max_size=300), st.booleans(), st.booleans()), max_size=6
)


def written(frames: list[tuple[int, bytes, bool, bool]]) -> bytes:
    """Valid or not."""
    out = b""
    for opcode, content, is_final, rsv1 in frames:
        length = bytes([len(content)]) if len(content) < 126 else b"\x7e" + len(content).to_bytes(2, "big")
        out += bytes([is_final << 7 | rsv1 << 6 | opcode]) + length + content
    return out


@given(some_frames, st.lists(st.integers(1, 50), max_size=40), st.sampled_from([b"", DEFLATE]))
@example([(2, b"\x06\x00", True, True)], [3], DEFLATE)  # malformed, behind something that is not
def test_any_split_of_the_same_bytes_is_the_same(
    frames: list[tuple[int, bytes, bool, bool]], cuts: list[int], extensions: bytes
) -> None:
    raw = written(frames)
    at_once, in_pieces = opened(extensions=extensions), opened(extensions=extensions)
    at_once.says(raw, at_once.server)
    rest = raw
    for cut in [*cuts, len(raw)]:
        in_pieces.says(rest[:cut], in_pieces.server)
        rest = rest[cut:]
    whole = at_once.sent(at_once.client)
    assert in_pieces.sent(in_pieces.client) == whole and raw.startswith(whole)
    assert kept(at_once) == kept(in_pieces)


@given(st.binary(max_size=400), st.binary(max_size=400), st.booleans())
def test_noise_passes_and_never_raises(noise: bytes, answer: bytes, is_collected: bool) -> None:
    driver = opened(collecting if is_collected else lambda hook: FORWARD, extensions=DEFLATE)
    driver.says(noise)
    driver.says(answer, driver.server)
    driver.vanishes(driver.server)
    assert not driver.http.is_live


def test_the_layer_is_the_head_of_both_pipes() -> None:
    driver = opened()
    heads = {type(driver.stack.pipes[connection].head) for connection in (driver.client, driver.server)}
    assert heads == {WebSocket} and driver.http.held is not HoldPoint.MESSAGE


# --- put in ------------------------------------------------------------------------------------------------------


def test_the_user_may_say_something_in_either_direction() -> None:
    driver = opened(extensions=DEFLATE)
    driver.run(MessageInjected(driver.http.id, True, b"from me", is_text=True))
    driver.run(MessageInjected(driver.http.id, False, b"\x01", is_text=False))
    assert read(driver.sent(driver.server)) == [(Code.TEXT, b"from me", True)]
    assert read(driver.sent(driver.client)) == [(Code.BINARY, b"\x01", True)]
    said = [record for record in driver.records if isinstance(record, WebSocketMessageData)]
    assert [(each.from_client, each.data) for each in said if each.is_injected] == [(True, b"from me"), (False, b"\x01")]


def test_what_is_put_in_waits_for_the_end_of_a_message() -> None:
    driver = opened()
    driver.says(frame(b"one ", is_final=False))
    driver.run(MessageInjected(driver.http.id, True, b"mine", is_text=True))
    driver.says(frame(b"two", Code.CONT))
    frames = read(driver.sent(driver.server))
    assert [content for _, content, _ in frames] == [b"one ", b"two", b"mine"]


def test_nothing_is_said_in_the_name_of_who_has_closed() -> None:
    driver = opened()
    driver.says(frame(b"\x03\xe8", Code.CLOSE))
    conversation = driver.stack.injectable[driver.http.id]
    assert "has closed" in conversation.refusal(True) and conversation.refusal(False) == ""
