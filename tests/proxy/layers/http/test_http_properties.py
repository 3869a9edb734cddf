"""Whatever is said, in whatever pieces: the same comes out, bytes survive, and nothing of ours breaks."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Origin
from interceptor.model.hooks import (
    FORWARD,
    Collect,
    Drop,
    Forward,
    Hook,
    Kill,
    MessageReceived,
    RequestHead,
    Respond,
    ResponseHead,
    Verdict,
)
from interceptor.model.http import Headers, Response
from interceptor.proxy.asks import ConnectFailed, Dial, RunHook
from interceptor.proxy.core.events import Congested, Drained
from interceptor.proxy.ingress import Ingress
from tests.support.paper_driver import REGULAR, PaperDriver, paper_settings, reverse

HOST = b"HTTP/1.1\r\nHost: a.test\r\n"
CONVERSATION = [
    # what the client says, what the server answers
    (b"GET http://a.test/1 " + HOST + b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    (
        b"POST http://a.test/2 " + HOST + b"Content-Length: 11\r\n\r\nhello world",
        b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n10\r\n"
        b"0123456789abcdef\r\n0\r\nX: y\r\n\r\n",
    ),
    (
        b"\r\nPUT http://a.test/3 " + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\nZ: z\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ),
    (b"HEAD http://a.test/4 " + HOST + b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
    (b"GET http://a.test/5 " + HOST + b"Connection: close\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nuntil the end"),
]


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(edges)]


def _talk(
    cuts: list[int], collect: Collect, is_heeded: bool = True
) -> tuple[bytes, bytes, list[tuple[bytes, bytes, object]]]:
    """All that the client and the server were sent, and what was recorded. Chunks are put together: their sizes may differ."""

    def decide(hook: Hook) -> Verdict:
        return Forward(collect) if isinstance(hook, (RequestHead, ResponseHead)) else FORWARD

    driver = PaperDriver(decide=decide)
    if not is_heeded:
        driver.stack.answers[RunHook] = lambda ask: FORWARD
    for said, answer in CONVERSATION:
        for piece in _pieces(said, cuts):
            driver.says(piece)
        for piece in _pieces(answer, cuts):
            driver.says(piece, driver.server)
    driver.ends(driver.server)
    [server] = driver.servers
    assert driver.client in driver.closed and driver.errors() == [""] * 5
    bodies = [
        (flow.request.body.read(), flow.response.body.read(), flow.response.trailers)  # type: ignore[attr-defined]
        for flow in driver.flows
    ]
    return driver.sent(driver.client), driver.sent(server), bodies


@pytest.mark.parametrize("collect", list(Collect))
def test_the_conversation_is_passed_on(collect: Collect) -> None:
    client, server, bodies = _talk([], collect)
    assert server.startswith(b"GET /1 HTTP/1.1\r\n") and client.endswith(b"\r\n\r\nuntil the end")
    assert bodies[1] == (b"hello world", b"abc0123456789abcdef", Headers([(b"X", b"y")]))
    assert bodies[2][0] == b"abcde" and bodies[4][1] == b"until the end"


@given(st.lists(st.integers(1, 300), max_size=12))
def test_any_split_gives_the_same_when_collected(cuts: list[int]) -> None:
    assert _talk(cuts, Collect.WHOLE) == _talk([], Collect.WHOLE)


@given(st.lists(st.integers(1, 300), max_size=12), st.booleans())
def test_any_split_gives_the_same_when_streamed(cuts: list[int], is_heeded: bool) -> None:
    client, server, bodies = _talk(cuts, Collect.NO, is_heeded)
    whole_client, whole_server, whole_bodies = _talk([], Collect.NO)
    assert bodies == whole_bodies
    assert _without_chunks(client) == _without_chunks(whole_client)
    assert _without_chunks(server) == _without_chunks(whole_server)


def _without_chunks(wire: bytes) -> bytes:
    """Sizes of chunks follow the reads; what is left must not."""
    kept, in_chunks, rest = b"", False, wire
    while rest:
        line, newline, rest = rest.partition(b"\r\n")
        if in_chunks:
            size = int(line, 16)
            kept += rest[:size]
            rest = rest[size + 2 :] if size else rest
            in_chunks = size > 0
        else:
            kept += line + newline
            in_chunks = line == b"" and kept.endswith(b"Transfer-Encoding: chunked\r\n\r\n")
    return kept


TOKEN = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=10).map(str.encode)
TEXT = st.lists(st.integers(0x20, 0xFF).filter(lambda byte: byte != 0x7F), max_size=20).map(lambda raw: bytes(raw).strip())
KNOWN = {b"host", b"content-length", b"transfer-encoding", b"expect", b"connection", b"upgrade", b"proxy-connection"}
FIELDS = st.lists(st.tuples(TOKEN.filter(lambda name: name.lower() not in KNOWN), TEXT), max_size=6)
PATH = st.lists(st.integers(0x21, 0xFF).filter(lambda byte: byte not in (0x7F, 0x23)), max_size=20).map(bytes)


@given(FIELDS, FIELDS, PATH, TEXT, st.integers(0, 6))
def test_heads_survive(
    asked: list[tuple[bytes, bytes]], answered: list[tuple[bytes, bytes]], path: bytes, reason: bytes, place: int
) -> None:
    """Order, case, duplicates, raw path bytes, the reason phrase."""
    asked.insert(min(place, len(asked)), (b"hOST", b"a.test"))
    answered.insert(min(place, len(answered)), (b"content-LENGTH", b"0"))
    fields, answers = (b"".join(b"%b: %b\r\n" % item for item in items) for items in (asked, answered))
    driver = PaperDriver()
    driver.says(b"GET http://a.test/%b HTTP/1.1\r\n%b\r\n" % (path, fields))
    assert driver.sent(driver.server) == b"GET /%b HTTP/1.1\r\n%b\r\n" % (path, fields)
    response = b"HTTP/1.1 299 %b\r\n%b\r\n" % (reason, answers)
    driver.says(response, driver.server)
    assert driver.sent(driver.client) == response
    assert driver.http.request.headers.fields == asked
    assert driver.http.response is not None and driver.http.response.headers.fields == answered


# --- noise ------------------------------------------------------------------------------------------------------

CLIENT_WORDS = [
    b"GET http://a.test/x " + HOST + b"\r\n",
    b"POST http://a.test/ " + HOST + b"Content-Length: 5\r\n\r\nhello",
    b"POST http://a.test/ " + HOST + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"0\r\nX: y\r\n\r\n",
    b"HEAD http://a.test/ HTTP/1.0\r\n\r\n",
    b"CONNECT b.test:443 HTTP/1.1\r\nHost: b.test\r\n\r\n",
    b"GET / " + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"POST / " + HOST + b"Content-Length: 100000\r\n\r\n",
    b"x" * 16384,
    b"\x16\x03\x01",
    b"\r\n",
    b"hello",
]
SERVER_WORDS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n",
    b"HTTP/1.1 204 No\r\n\r\n",
    b"HTTP/1.1 304 No\r\nContent-Length: 10\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    b"y" * 16384,
    b"garbage\n",
]
INGRESSES = [REGULAR, REGULAR, reverse("http://o.test:80"), reverse("tcp://o.test:80"), Ingress("x", Origin("tcp", "t.test", 80))]


DROP_OR_KILL: list[Verdict] = [Kill("killed"), Drop()]


class Fuzz:
    """One conversation of everything that may happen, in any order: `chance` decides."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        settings = paper_settings(
            is_eager=chance.random() < 0.6,
            body_size_limit=chance.choice([None, None, 20, 50_000]),
            stream_large_bodies=chance.choice([None, 4]),
        )
        self.driver = PaperDriver(chance.choice(INGRESSES), settings, decide=self.decide, dials=self.dials)
        if chance.random() < 0.5:  # some hooks are heeded by nobody, so that the strand goes on within the turn
            self.driver.stack.answers[RunHook] = lambda ask: FORWARD if chance.random() < 0.7 else None

    def dials(self, address: tuple[str, int]) -> ConnectFailed | bool | None:
        return self.chance.choice([True] * 8 + [None, ConnectFailed("x", "connect", "refused")])

    def decide(self, hook: Hook) -> Verdict | None:
        drawn = self.chance.random()
        if drawn < 0.7:
            return FORWARD
        if drawn < 0.75:
            return None
        if isinstance(hook, MessageReceived):
            return self.chance.choice([*DROP_OR_KILL, Forward(data=b"edited")])
        if isinstance(hook, (RequestHead, ResponseHead)) and drawn < 0.93:
            return Forward(collect=self.chance.choice([Collect.WHOLE, Collect.FOR_HOLD]))
        if drawn < 0.96:
            headers = Headers([(b"Content-Length", b"3")])
            return Respond(Response(self.chance.choice([101, 200, 204, 403]), b"OK", headers=headers, body=MemoryBody(b"abc")))
        return self.chance.choice(DROP_OR_KILL)

    def _word(self, words: list[bytes]) -> bytes:
        word = self.chance.choice(words)
        return word if self.chance.random() < 0.8 else word[: self.chance.randrange(len(word) + 1)]

    def step(self) -> None:
        driver, chance = self.driver, self.chance
        server = chance.choice(driver.servers) if driver.servers else driver.client
        steps: list[tuple[int, Callable[[], object]]] = [
            (35, lambda: driver.says(self._word(CLIENT_WORDS))),
            (30, lambda: driver.says(self._word(SERVER_WORDS), server) if driver.servers else None),
            (3, lambda: driver.vanishes(server, chance.choice(["", "connection reset by peer"]))),
            (3, lambda: driver.ends(server)),
            (1, lambda: driver.ends(driver.client)),
            (5, self._congestion),
            (5, lambda: driver.advance(chance.choice([0.1, 1, 4, 31, 700]))),
            (8, self._answer),
            (2, self._kill),
        ]
        [(_, act)] = chance.choices(steps, [weight for weight, _ in steps])
        act()

    def _congestion(self) -> None:
        connection = self.chance.choice([self.driver.client, *self.driver.servers])
        if connection not in self.driver.closed:
            self.driver.run(Congested(connection) if self.chance.random() < 0.5 else Drained(connection))

    def _answer(self) -> None:
        if self.driver.asked:
            ask = self.chance.choice(self.driver.asked)
            if isinstance(ask, RunHook):
                can_collect = isinstance(ask.hook, (RequestHead, ResponseHead))
                self.driver.answer(
                    ask, self.chance.choice([FORWARD, Forward(Collect.FOR_HOLD) if can_collect else Kill("later")])
                )
            elif isinstance(ask, Dial):
                self.driver.connected(ask)

    def _kill(self) -> None:
        if self.driver.stack.open_flows:
            self.driver.kill(self.chance.choice(list(self.driver.stack.open_flows.values())), "killed")


@pytest.mark.parametrize("start", range(0, 1000, 100))
def test_noise_breaks_nothing_of_ours(start: int) -> None:
    """The driver on paper raises what a layer raises, and counts that every flow starts once and ends once."""
    for seed in range(start, start + 100):
        fuzz = Fuzz(random.Random(seed))
        driver = fuzz.driver
        for _ in range(fuzz.chance.randrange(1, 40)):
            if not driver.is_over:
                fuzz.step()
        if not driver.is_over:
            driver.vanishes(driver.client)
        assert driver.is_over, seed
        assert set(map(id, driver.flows)) == set(map(id, driver.ended)), seed
        assert not driver.asked and all(server in driver.closed for server in driver.servers), seed
        assert all(flow.kind == "tcp" for flow in driver.ended_by_driver), f"{seed}: an exchange ends itself"
