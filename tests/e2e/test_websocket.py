"""WebSockets of a real client and a real server through the program: plain and TLS, compressed and not, small and large."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.support.certificates import ServerCertificate, TestAuthority
from tests.support.nginx import content
from tests.support.proxy import Flow, Proxy
from tests.support.websocket_server import websocket_echo


@pytest.fixture(params=["ws", "wss"], scope="module")
def echo(request: pytest.FixtureRequest, certificate: ServerCertificate) -> Iterator[str]:
    with websocket_echo(certificate if request.param == "wss" else None) as url:
        yield url


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, confdir: Path, authority: TestAuthority) -> Iterator[Proxy]:
    """One that tells all messages."""
    folder = tmp_path_factory.mktemp("websocket-proxy")
    with Proxy(folder, "--set", "flow_detail=4", confdir=confdir, trusted_ca=authority.ca_file) as proxy:
        yield proxy


def trust(proxy: Proxy, url: str) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=str(proxy.ca_file)) if url.startswith("wss") else None


def said(flow: Flow) -> list[tuple[bool, str, str]]:
    messages = flow["websocket"]["messages"]
    return [(each["from_client"], each["type"], each.get("text", each.get("base64"))) for each in messages]


@pytest.mark.parametrize("compression", ["deflate", None])
def test_a_conversation(proxy: Proxy, echo: str, compression: str | None) -> None:
    path = f"/talk-{echo[:4].strip(':')}-{compression}"
    large = content("websocket", 3_000_000)

    async def talk() -> None:
        async with asyncio.timeout(30), connect(
            echo + path, proxy=proxy.url, ssl=trust(proxy, echo), compression=compression, max_size=1 << 24
        ) as client:
            for message in ("hello", b"\x00\x01\xff", "hello hello hello"):
                await client.send(message)
                assert await client.recv() == message
            await client.send(["in ", "three ", "fragments"])
            assert await client.recv() == "in three fragments"
            await (await client.ping())
            await client.send(large)
            assert await client.recv() == large

    asyncio.run(talk())
    flow = proxy.flow(path)
    assert flow["response"]["status_code"] == 101 and flow["websocket"]["close_code"] == 1000
    assert flow["websocket"]["closed_by_client"] is True and flow["error"] is None
    small = [each for each in said(flow) if len(each[2]) < 100 and each[1] in ("text", "binary")]
    expected = [("text", "hello"), ("binary", "AAH/"), ("text", "hello hello hello"), ("text", "in three fragments")]
    assert small == [(from_client, *each) for each in expected for from_client in (True, False)]
    assert [each["size"] for each in flow["websocket"]["messages"] if each["size"] > 100] == [3_000_000, 3_000_000]
    assert {each["type"] for each in flow["websocket"]["messages"]} == {"text", "binary", "ping", "pong", "close"}


def test_many_at_once_stay_in_order(proxy: Proxy, echo: str) -> None:
    count, sockets = 200, 8

    async def talk(number: int) -> list[str | bytes]:
        url = f"{echo}/many-{echo[:4].strip(':')}-{number}"
        async with connect(url, proxy=proxy.url, ssl=trust(proxy, echo)) as client:
            for index in range(count):
                await client.send(f"{number} {index}")
            return [await client.recv() for _ in range(count)]

    async def all_of_them() -> list[list[str | bytes]]:
        async with asyncio.timeout(30):
            return await asyncio.gather(*map(talk, range(sockets)))

    for number, answers in enumerate(asyncio.run(all_of_them())):
        assert answers == [f"{number} {index}" for index in range(count)]
        flow = proxy.flow(f"/many-{echo[:4].strip(':')}-{number}")
        for from_client in (True, False):
            told = [text for by_client, kind, text in said(flow) if by_client is from_client and kind == "text"]
            assert told == answers
