"""HTTP/2 in any pieces and of any kind: the same comes out however it is cut, and noise breaks nothing of ours."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection
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
from tests.proxy.layers.http.http2_world import TO_H2C
from tests.support.http2_peers import PREFACE, Heard, Http2Peer, frame
from tests.support.paper_driver import REGULAR, PaperDriver, paper_settings, reverse


def _scripts() -> tuple[bytes, bytes]:
    """What a client says and what a server answers."""
    client, server = Http2Peer(is_client=True), Http2Peer(is_client=False)
    client.ask(path=b"/1", fields=[(b"a", b"1" * 300)])
    stream = client.ask(b"POST", b"/2", fields=[(b"a", b"2")], body=b"hello", ends=False)
    client.say(stream, b"world")
    client.say_head(stream, [(b"t", b"1")], ends=True)
    client.ask(b"HEAD", b"/3")
    client.reset(client.ask(b"GET", b"/4"))
    server.feed(said := client.take())
    server.answer(3, [], b"x" * 20_000, trailers=[(b"t", b"2")])
    server.say_head(1, [(b":status", b"103"), (b"l", b"m")])
    server.answer(5, [(b"content-length", b"50")], ends=True)
    server.answer(1, [(b"a", b"b")], b"one")
    return said, server.take()


SAID, ANSWERED = _scripts()


Told = tuple[dict[int, Heard], dict[int, Heard], list[object]]


def _talk(client_cuts: list[int], server_cuts: list[int], collect: Collect) -> Told:
    def decide(hook: Hook) -> Verdict:
        return Forward(collect) if isinstance(hook, (RequestHead, ResponseHead)) else FORWARD

    driver = PaperDriver(TO_H2C, decide=decide)
    for piece in _pieces(SAID, client_cuts):
        driver.says(piece)
    for piece in _pieces(ANSWERED, server_cuts):
        driver.says(piece, driver.server)
    client, server = Http2Peer(is_client=True), Http2Peer(is_client=False)
    for stream in (1, 3, 5, 7):
        client.h2.send_headers(stream, [(b":method", b"HEAD" if stream == 5 else b"GET"), (b":path", b"/"), (b":scheme", b"http"),
                                        (b":authority", b"a.test")])  # fmt: skip
    client.feed(driver.sent(driver.client))
    server.feed(driver.sent(driver.server))
    flows = [
        (flow.request.body.read(), flow.request.trailers, flow.response and flow.response.body.read(), str(flow.error))  # type: ignore[attr-defined]
        for flow in driver.flows
    ]
    return client.heard, server.heard, flows


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("collect", list(Collect))
def test_the_conversation_is_passed_on(collect: Collect) -> None:
    client, server, flows = _talk([], [], collect)
    assert client[1].body == b"one" and client[3].trailers == [(b"t", b"2")] and client[5].has_ended
    assert server[3].body == b"helloworld" and server[3].trailers == [(b"t", b"1")] and len(flows) == 4


@given(st.lists(st.integers(1, 1000), max_size=10), st.lists(st.integers(1, 25_000), max_size=10), st.sampled_from(Collect))
def test_any_split_gives_the_same(client_cuts: list[int], server_cuts: list[int], collect: Collect) -> None:
    assert _talk(client_cuts, server_cuts, collect)[::2] == _talk([], [], collect)[::2]


# --- noise ------------------------------------------------------------------------------------------------------

SETTINGS = frame(4, 0, 0)
KINDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 77]
VERDICTS: list[Verdict] = [Kill("killed"), Drop()]


class Raw:
    """A server that is sent anything but HTTP/2, and echoes it."""

    heard = b""

    def feed(self, data: bytes) -> None:
        self.heard += data

    def take(self) -> bytes:
        said, self.heard = self.heard, b""
        return said


class Fuzz:
    """A client and servers of HTTP/2 that do what they should, most of the time."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        settings = paper_settings(
            is_eager=chance.random() < 0.6, body_size_limit=chance.choice([None, None, 20, 50_000]), http2_upstream="always"
        )
        ingress = chance.choice([REGULAR, TO_H2C, reverse("http://o.test:80")])
        self.driver = PaperDriver(ingress, settings, decide=self.decide, dials=self.dials)
        self.client = Http2Peer(is_client=True, is_strict=False, reads=chance.random() < 0.7)
        self.servers: dict[Connection, Http2Peer | Raw] = {}
        self.streams: list[int] = []

    def dials(self, address: tuple[str, int]) -> ConnectFailed | bool | None:
        return self.chance.choice([True] * 8 + [None, ConnectFailed("x", "connect", "refused")])

    def decide(self, hook: Hook) -> Verdict | None:
        drawn = self.chance.random()
        if drawn < 0.75:
            return FORWARD
        if drawn < 0.8:
            return None
        if isinstance(hook, MessageReceived):
            return self.chance.choice([*VERDICTS, Forward(data=b"edited")])
        if isinstance(hook, (RequestHead, ResponseHead)) and drawn < 0.94:
            return Forward(collect=self.chance.choice([Collect.WHOLE, Collect.FOR_HOLD]))
        if drawn < 0.97:
            headers = Headers([(b"Content-Length", b"3")])
            return Respond(Response(self.chance.choice([101, 200, 204]), b"", headers=headers, body=MemoryBody(b"abc")))
        return self.chance.choice(VERDICTS)

    def _exchange(self) -> None:
        """What was sent is read, and answered."""
        driver = self.driver
        for connection in driver.servers:
            if connection not in self.servers and (first := driver.sent(connection)):
                self.servers[connection] = Http2Peer(is_client=False, is_strict=False) if first.startswith(PREFACE) else Raw()
                self.servers[connection].feed(first)
        for connection, peer in [(driver.client, self.client), *self.servers.items()]:
            try:
                peer.feed(driver.sent(connection))
            except Exception as error:
                if not self.is_noisy:
                    raise AssertionError("we sent what h2 does not take") from error
            if (said := peer.take()) and not driver.is_over:
                driver.says(said, connection)

    is_noisy = False

    def _ask(self) -> None:
        method = self.chance.choice([b"GET", b"POST", b"CONNECT", b"HEAD"])
        body = self.chance.choice([b"", b"x", b"y" * 30_000]) if method == b"POST" else b""
        stream = self.client.ask(method, authority=b"a.test:80", body=body, ends=self.chance.random() < 0.6)
        self.streams.append(stream)

    def _answer(self) -> None:
        servers = [peer for peer in self.servers.values() if isinstance(peer, Http2Peer)]
        if not servers:
            return
        server = self.chance.choice(servers)
        for stream, heard in list(server.heard.items()):
            if heard.fields and heard.reset is None and stream not in server.ended and self.chance.random() < 0.5:
                body = self.chance.choice([b"", b"z" * 100, b"w" * 90_000])
                server.answer(stream, [], body, trailers=self.chance.choice([None, None, [(b"a", b"b")]]))

    def _noise(self) -> None:
        chance, driver = self.chance, self.driver
        self.is_noisy = True
        kind, flags = chance.choice(KINDS), chance.choice([0, 1, 4, 5, 0x24, 8])
        payload = chance.choice([b"", b"\x82\x84\x86\x41\x01a", bytes(4), bytes(8), b"\0\4\0\0\0\0", b"\0\0\0\1"])
        said = frame(kind, flags, chance.choice([0, *self.streams, 2, 99]), payload)
        driver.says(said, chance.choice([driver.client, *driver.servers]))

    def step(self) -> None:
        driver, chance = self.driver, self.chance
        some = chance.choice(driver.servers) if driver.servers else driver.client
        steps: list[tuple[int, Callable[[], object]]] = [
            (20, self._ask),
            (20, self._answer),
            (5, self._say),
            (4, self._reset),
            (3, lambda: driver.vanishes(some)),
            (2, lambda: driver.ends(some)),
            (2, self._noise),
            (5, self._congestion),
            (4, lambda: driver.advance(chance.choice([0.1, 1, 4, 31, 700]))),
            (8, self._decide),
            (2, self._kill),
        ]
        try:
            chance.choices([each for _, each in steps], [weight for weight, _ in steps])[0]()
        except (KeyError, ValueError) as error:
            raise AssertionError("the test itself") from error
        except Exception as error:
            if not type(error).__module__.startswith("h2."):  # the peer would not say that
                raise
        if not driver.is_over:
            self._exchange()

    def _say(self) -> None:
        if streams := [stream for stream in self.streams if stream not in self.client.ended]:
            data = self.chance.choice([b"d", b"e" * 20_000])
            self.client.say(self.chance.choice(streams), data, self.chance.random() < 0.5)

    def _reset(self) -> None:
        if streams := [number for number, stream in self.client.h2.streams.items() if not stream.closed]:
            self.client.reset(self.chance.choice(streams))

    def _congestion(self) -> None:
        connection = self.chance.choice([self.driver.client, *self.driver.servers])
        if connection not in self.driver.closed:
            self.driver.run(Congested(connection), Drained(connection))

    def _decide(self) -> None:
        for ask in list(self.driver.asked):
            if isinstance(ask, RunHook) and self.chance.random() < 0.5:
                self.driver.answer(ask, FORWARD)
            elif isinstance(ask, Dial):
                self.driver.connected(ask)

    def _kill(self) -> None:
        if self.driver.stack.open_flows:
            self.driver.kill(self.chance.choice(list(self.driver.stack.open_flows.values())), "killed")


@pytest.mark.parametrize("start", range(0, 400, 100))
def test_noise_breaks_nothing_of_ours(start: int) -> None:
    """The driver on paper raises what a layer raises, and counts that every flow starts once and ends once."""
    for seed in range(start, start + 100):
        fuzz = Fuzz(random.Random(seed))
        driver = fuzz.driver
        fuzz._exchange()
        for _ in range(fuzz.chance.randrange(5, 40)):
            if not driver.is_over:
                fuzz.step()
        if not driver.is_over:
            driver.vanishes(driver.client)
        assert driver.is_over, seed
        assert set(map(id, driver.flows)) == set(map(id, driver.ended)), seed
        assert not driver.asked and all(server in driver.closed for server in driver.servers), seed
        assert all(flow.kind == "tcp" for flow in driver.ended_by_driver), f"{seed}: an exchange ends itself"


@pytest.mark.parametrize("start", range(0, 100, 50))
def test_any_bytes_behind_the_preface(start: int) -> None:
    for seed in range(start, start + 50):
        driver = PaperDriver()
        driver.says(PREFACE + SETTINGS + random.Random(seed).randbytes(300))
        if not driver.is_over:
            driver.vanishes(driver.client)
        assert driver.stack.failure is None and set(map(id, driver.flows)) == set(map(id, driver.ended))
