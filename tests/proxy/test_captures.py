"""Modes that mitmproxy_rs runs, with a package on paper: refused with a reason, started, told of, and where streams lead."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from interceptor.model.connection import Origin
from interceptor.proxy import captures
from interceptor.proxy.captures import Captures, configuration, ingress_of_stream, said_by
from interceptor.specs.errors import UserError
from interceptor.specs.modes import parse_mode


class Server:
    def __init__(self, port: int = 51820) -> None:
        self.port, self.is_closed, self.specs = port, False, list[str]()

    def getsockname(self) -> tuple[str, int]:
        return "0.0.0.0", self.port

    def tun_name(self) -> str:
        return "tun3"

    def set_intercept(self, spec: str) -> None:
        self.specs.append(spec)

    def close(self) -> None:
        self.is_closed = True


class Package:
    """What we use of mitmproxy_rs. `reason`: why the machine cannot; `failure`: of what is started."""

    def __init__(self, reason: str | None = None, failure: Exception | None = None) -> None:
        self.server = Server()
        self.started = 0

        async def start(*arguments: Any) -> Server:
            self.arguments, self.started = arguments, self.started + 1
            if failure is not None:
                raise failure
            return self.server

        def describe(spec: str) -> None:
            if "!" in spec[1:]:
                raise ValueError("that is no spec")

        keys = iter("KS")
        self.wireguard = SimpleNamespace(
            genkey=lambda: next(keys), pubkey=lambda key: f"pub-{key}" if key in "KS" else 1 / 0, start_wireguard_server=start
        )
        redirector = SimpleNamespace(unavailable_reason=lambda: reason, describe_spec=describe)
        self.local = SimpleNamespace(LocalRedirector=redirector, start_local_redirector=start)
        self.tun = SimpleNamespace(
            TunInterface=SimpleNamespace(unavailable_reason=lambda: reason), create_tun_interface=start
        )


def with_captures(package: Any, folder: Path, main: Callable[..., Coroutine[Any, Any, None]]) -> list[str]:
    said: list[str] = []

    async def run() -> None:
        made = Captures(asyncio.get_running_loop(), None, folder, said.append, said.append, package=package)  # type: ignore[arg-type]
        await main(made)
        while made._tasks:
            await asyncio.gather(*made._tasks)

    asyncio.run(run())
    return said


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def has_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captures, "without_sudo", lambda: "")


def test_wireguard_keeps_its_keys_and_tells_what_a_client_needs(tmp_path: Path) -> None:
    package = Package()

    async def main(made: Captures) -> None:
        capture = made.start(parse_mode("wireguard"), "0.0.0.0", free_port(), lambda: ["192.0.2.7"])
        await asyncio.gather(*made._tasks)
        assert capture.state == "accepts" and capture.address == ("0.0.0.0", 51820)
        assert capture.configuration == configuration("S", "pub-K", "192.0.2.7:51820")
        capture.close()
        assert package.server.is_closed

    said = with_captures(package, tmp_path, main)
    assert "Endpoint = 192.0.2.7:51820" in said[0] and package.arguments[2:4] == ("K", ["pub-S"])
    file = tmp_path / "wireguard.conf"
    assert file.stat().st_mode & 0o077 == 0
    before = file.read_text()
    with_captures(Package(), tmp_path, main=lambda made: _started(made, "wireguard@127.0.0.1:0"))
    assert file.read_text() == before


async def _started(made: Captures, text: str) -> None:
    mode = parse_mode(text)
    made.start(mode, mode.listen_host or "127.0.0.1", mode.listen_port or 0, lambda: [])


@pytest.mark.parametrize("content", ["{}", "no JSON", '{"server_key": 7, "client_key": "x"}', "[]"])
def test_a_file_that_has_no_keys_is_said_to_have_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys"
    file.write_text(content)
    package = Package()
    package.wireguard.pubkey = lambda key: int(key)  # raises ValueError for what is none

    async def main(made: Captures) -> None:
        with pytest.raises(UserError, match="has no keys of WireGuard in it"):
            await _started(made, f"wireguard:{file}@0")

    assert with_captures(package, tmp_path, main) == []


def test_a_port_that_is_taken_is_said_at_once(tmp_path: Path) -> None:
    async def main(made: Captures) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            with pytest.raises(UserError, match=r"is already in use; choose another port: wireguard@PORT"):
                await _started(made, f"wireguard@127.0.0.1:{taken.getsockname()[1]}")

    with_captures(Package(), tmp_path, main)


@pytest.mark.parametrize("text", ["wireguard", "local", "tun"])
def test_without_the_package_one_sentence_says_how_to_get_it(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mitmproxy_rs", None)

    async def main(made: Captures) -> None:
        with pytest.raises(UserError, match=rf"^{text}: mode {text} needs the package mitmproxy_rs: .*pip install mitmproxy_rs$"):
            await _started(made, text)

    with_captures(None, tmp_path, main)


@pytest.mark.parametrize("text", ["local:curl", "tun"])
def test_what_the_machine_cannot_do_is_said_at_the_start(tmp_path: Path, text: str) -> None:
    async def main(made: Captures) -> None:
        with pytest.raises(UserError, match=f"^{text}: this machine cannot do that now: Linux 6.8 or newer"):
            await _started(made, text)

    with_captures(Package(reason="Linux 6.8 or newer is required"), tmp_path, main)


def test_what_goes_wrong_later_is_reported_without_its_backtrace(tmp_path: Path) -> None:
    failure = RuntimeError("Failed to run sudo.\n\nCaused by:\n  No such file\n\nStack backtrace:\n   0: <unknown>")
    assert with_captures(Package(failure=failure), tmp_path, lambda made: _started(made, "tun")) == [
        "tun does not run: Failed to run sudo. Caused by: No such file"
    ]
    assert said_by(ValueError()) == "ValueError"


def test_local_never_takes_what_we_send_and_one_redirector_does_for_all(tmp_path: Path) -> None:
    package = Package()
    own = f"!{os.getpid()}"

    async def main(made: Captures) -> None:
        for text in ("local:curl,firefox", "local"):
            capture = made.start(parse_mode(text), "", 0, lambda: [])
            with pytest.raises(UserError, match="there can be one local mode"):
                made.start(parse_mode("local:other"), "", 0, lambda: [])
            await asyncio.gather(*made._tasks)
            capture.close()
        with pytest.raises(UserError, match="that is no spec"):
            made.start(parse_mode("local:a!b"), "", 0, lambda: [])

    with_captures(package, tmp_path, main)
    assert package.server.specs == [f"curl,firefox,{own}", "", own, ""] and package.started == 1


def test_who_asks_the_name_server_of_wireguard_is_answered_by_us() -> None:
    wireguard, tun = parse_mode("wireguard"), parse_mode("tun")
    assert ingress_of_stream(wireguard, "udp", ("10.0.0.53", 53)).is_dns
    for mode, address in ((wireguard, ("192.0.2.1", 53)), (tun, ("10.0.0.53", 53))):
        ingress = ingress_of_stream(mode, "udp", address)
        assert not ingress.is_dns and ingress.origin == Origin("udp", *address) and ingress.is_redirected
