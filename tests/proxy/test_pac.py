"""PAC files: what they answer, how they fail, what is remembered, and which way is tried next."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from interceptor.model.connection import Origin, Route
from interceptor.proxy import pac as pac_module
from interceptor.proxy.asks import ChooseWay, ConnectFailed, Reached
from interceptor.proxy.pac import PacFiles
from interceptor.specs.errors import UserError
from interceptor.specs.routes import Pac, Routes, parse_pac_answer, parse_route, parse_rule, parse_rules
from tests.proxy.test_upstreams import World
from tests.support.raw_server import Peer, RawServer

SCRIPT = """
var asked = 0;
function FindProxyForURL(url, host) {
    asked += 1;
    if (isInNet(host, "10.0.0.0", "255.0.0.0")) return "DIRECT";
    if (shExpMatch(url, "https://*")) return "HTTPS gate:8443; SOCKS5 far:1080; DIRECT";
    if (host == "loop.test") while (true) {}
    if (host == "odd.test") return "CARRIER pigeon:1";
    return "PROXY gate:" + asked;
}
"""


def ask(source: Path | str, url: str, host: str) -> ChooseWay:
    return ChooseWay(None, Pac(str(source)), url, host)  # type: ignore[arg-type]


def with_files(test: Callable[[PacFiles], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        files = PacFiles()
        try:
            return await test(files)
        finally:
            files.close()

    return asyncio.run(run())


def test_rules_and_answers_are_read() -> None:
    assert parse_rule("pac:/etc/proxy.pac").route == parse_rule("pac:///etc/proxy.pac").route == Pac("/etc/proxy.pac")
    assert parse_rule(r"\.corp: pac:https://wpad/x.pac").route == Pac("https://wpad/x.pac")
    with pytest.raises(UserError, match="which file"):
        parse_rule("pac:")
    assert parse_pac_answer(" proxy a:1 ;HTTPS b:2; SOCKS c:3;SOCKS5 d:4;WHAT e:5; DIRECT;") == (
        *map(parse_route, ("http://a:1", "https://b:2", "socks4a://c:3", "socks5h://d:4")),
        (),
    )
    assert parse_pac_answer("") == ((),), "nothing said is direct"
    with pytest.raises(UserError, match="no way that is known"):
        parse_pac_answer("CARRIER pigeon:1")


def test_a_file_is_asked_once_for_a_host_and_read_again_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "proxy.pac"
    file.write_text(SCRIPT)
    monkeypatch.setattr(pac_module, "ANSWER_SECONDS", 1.0)

    async def go(files: PacFiles) -> None:
        async def choose(url: str, host: str) -> tuple[Route, ...] | ConnectFailed:
            return await files.choose(ask(file, url, host))

        assert await choose("http://a.test/", "a.test") == (parse_route("http://gate:1"),)
        assert await choose("http://a.test/", "a.test") == (parse_route("http://gate:1"),), "remembered"
        assert await choose("http://b.test/", "b.test") == (parse_route("http://gate:2"),)
        assert await choose("http://10.1.2.3/", "10.1.2.3") == ((),)
        assert await choose("https://a.test/", "a.test") == (parse_route("https://gate:8443"), parse_route("socks5h://far"), ())
        failed = await choose("http://odd.test/", "odd.test")
        assert str(failed) == f"pac:{file}: PAC: its answer names no way that is known here: 'CARRIER pigeon:1'"
        failed = await choose("http://loop.test/", "loop.test")
        assert str(failed) == f"pac:{file}: PAC: it has not answered within 1 s"
        assert await choose("http://c.test/", "c.test") == (parse_route("http://gate:1"),), "another process"
        file.write_text('function FindProxyForURL(url, host) { return "PROXY new:1"; }')
        os.utime(file, (1, 1))
        assert await choose("http://a.test/", "a.test") == (parse_route("http://new:1"),)
        file.write_text("this is no JavaScript")
        assert isinstance(failed := await choose("http://a.test/", "a.test"), ConnectFailed) and failed.stage == "PAC"
        file.unlink()
        failed = await choose("http://a.test/", "a.test")
        assert str(failed) == f"pac:{file}: PAC: the file cannot be read: no such file or directory"

    with_files(go)


def test_a_url_is_fetched_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    def serve(peer: Peer) -> None:
        peer.read_head()
        body = b'function FindProxyForURL(url, host) { return "SOCKS5 far:9"; }'
        peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    with RawServer(serve) as server:

        async def go(files: PacFiles) -> None:
            for host in ("a.test", "b.test"):
                answer = await files.choose(ask(f"http://127.0.0.1:{server.port}/p.pac", f"http://{host}/", host))
                assert answer == (parse_route("socks5h://far:9"),)

        with_files(go)
        assert server.connections == 1


def test_without_its_library_the_reason_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "proxy.pac"
    file.write_text(SCRIPT)
    (tmp_path / "pacparser.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    async def go(files: PacFiles) -> None:
        assert "pip install 'interceptor[pac]'" in str(await files.choose(ask(file, "http://a.test/", "a.test")))

    with_files(go)


# --- in a stack -------------------------------------------------------------------------------------------------


def chooses(world: World) -> ChooseWay:
    [choose] = [each for each in world.asked if isinstance(each, ChooseWay)]
    return choose


def test_the_next_way_is_tried_where_the_first_is_not_there() -> None:
    world = World(routes=Routes(parse_rules(["pac:/p.pac"])), upstream_auth=("me", "pw"))
    world.reach(Origin("https", "a.test", 443))
    choose = chooses(world)
    assert (choose.url, choose.host) == ("https://a.test/", "a.test")
    world.answer(choose, (parse_route("http://gate:8"), parse_route("socks5h://far"), ()))
    first = world.dial()
    assert first.connection.dialled == ("gate", 8) and first.connection.via[0].user == "me", "upstream_auth is for such proxies"
    world.answer(first, ConnectFailed("http://gate:8", "connect", "connection refused"))
    second = world.dial()
    assert second.connection.dialled == ("far", 1080) and not world.asker.answers
    world.advance(40)
    third = world.dial()
    assert third.connection.dialled == ("a.test", 443) and not third.connection.via
    world.answer(third, ConnectFailed("a.test:443", "connect", "connection refused"))
    assert world.failure() == "a.test:443: connect: connection refused"


def test_a_refusal_is_an_answer_and_a_file_that_fails_or_dawdles_is_named() -> None:
    def asked() -> tuple[World, ChooseWay]:
        world = World(routes=Routes(parse_rules(["pac:/p.pac"])), connect_timeout=2)
        world.reach(Origin("http", "a.test", 8080))
        assert chooses(world).url == "http://a.test:8080/"
        return world, chooses(world)

    world, choose = asked()
    world.answer(choose, (parse_route("http://gate:8"), ()))
    connection = world.dialled()
    world.says(b"HTTP/1.1 403 No\r\n\r\n", connection)
    assert world.failure() == "http://gate:8: CONNECT: it answered 403 No"
    world, choose = asked()
    world.answer(choose, ConnectFailed("pac:/p.pac", "PAC", "no"))
    assert world.failure() == "pac:/p.pac: PAC: no"
    world, choose = asked()
    world.advance(3)
    assert world.failure() == "pac:/p.pac: PAC: no answer within 2 s (connect_timeout)" and choose in world.withdrawn
    world = World(routes=Routes(parse_rules(["pac:/p.pac"])))
    reach = world.reach()
    choose = chooses(world)
    world.asker.withdraw(reach)
    world.reach_plain()
    assert choose in world.withdrawn
    world.answer(chooses(world), (parse_route("http://gate:8"),))
    assert isinstance(world.last if (gate := world.dialled()) else None, Reached) and gate.is_forwarded
