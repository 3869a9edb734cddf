"""Each class of hostile peers against the real program, measured: `make soak ARGS="-k hostile -s"` prints the table.

For each: refused or bounded within a second of its limit; the proxy's memory less than 50 MB above idle; the 99th percentile of
another client's latency less than twice what it is without the attack; nothing raised, and no socket or flow left behind.

The victim is measured in rounds, each without the attack and then with it, and the medians are compared. Below a millisecond it
is the machine that is measured, so that is the least that the proxy is held to twice of.
"""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import StartProxy
from tests.soak.attacks import ATTACKS, LIMITS, Attack
from tests.soak.watching import Memory, Victim, descriptors, eventually, p99, urgently
from tests.support.certificates import ServerCertificate, TestAuthority
from tests.support.proxy import Proxy
from tests.support.raw_server import Peer, connect

pytestmark = pytest.mark.soak
ROUNDS = int(os.environ.get("SOAK_ROUNDS", "5"))
REQUESTS = 500  # of the victim, in each half of a round
STORE_LIMIT = "2m"  # so that it is full soon
MEMORY_LIMIT = 50_000_000
REFUSAL_SECONDS = 1.0
LEAST_P99 = 0.001


@pytest.fixture(scope="module")
def attacked(
    tmp_path_factory: pytest.TempPathFactory, confdir: Path, authority: TestAuthority
) -> Iterator[tuple[Proxy, Victim, int]]:
    """A proxy that has been used a little, somebody who uses it, and its memory when idle."""
    settings = [word for name, seconds in LIMITS.items() for word in ("--set", f"{name}={seconds:g}")]
    settings += ["--set", f"store_memory_limit={STORE_LIMIT}"]
    with urgently(), Proxy(tmp_path_factory.mktemp("proxy"), *settings, confdir=confdir, trusted_ca=authority.ca_file) as proxy:
        victim = Victim(proxy)
        with victim.server:
            victim.latencies(4000, 0)  # until the store is full, as it is in a proxy that has run for a while
            yield proxy, victim, proxy.memory()
        proxy.interrupt()
        ended = [flow["error"]["message"] for flow in proxy.flows() if flow["error"]]
        assert "The program ended." not in ended, "a flow was still live"
        assert_nothing_raised(proxy)


def assert_nothing_raised(proxy: Proxy) -> None:
    log = proxy.log.read_text()
    assert "Traceback" not in log and "nternal error" not in log, log[-3000:]


@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_peers(name: str, attacked: tuple[Proxy, Victim, int], certificate: ServerCertificate) -> None:
    proxy, victim, idle = attacked
    before = descriptors(proxy)
    attack = Attack(name, proxy.port, certificate)
    quiet, busy = list[float](), list[float]()
    try:
        with Memory(proxy) as memory:
            for _ in range(ROUNDS):
                quiet.append(p99(victim.latencies(REQUESTS, 0)))
                attack.go()
                busy.append(p99(victim.latencies(REQUESTS, 0.5)))
                result = attack.rest()
    finally:
        attack.close()
    are_closed = eventually(lambda: descriptors(proxy) <= before, 10)
    without, within = statistics.median(quiet), statistics.median(busy)
    print(
        f"\n{name:34} {result['attempts']:5} attempts, refused within {result['slowest']:5.2f} s,"
        f" memory {(memory.most - idle) / 1e6:+6.1f} MB, p99 {without * 1e3:6.2f} -> {within * 1e3:6.2f} ms"
        f" ({within / without:4.2f} x), descriptors {before} -> {descriptors(proxy)}"
    )
    assert not result["failures"] and result["attempts"] >= 1, result
    assert result["slowest"] < REFUSAL_SECONDS
    assert memory.most - idle < MEMORY_LIMIT
    assert within < 2 * max(without, LEAST_P99), f"p99 of each round: {quiet} without, {busy} with"
    assert are_closed, f"{before} descriptors before, {descriptors(proxy)} after"
    assert proxy.process.poll() is None
    assert_nothing_raised(proxy)


# --- many connections -------------------------------------------------------------------------------------------


@pytest.fixture
def many_descriptors() -> Iterator[int]:
    """How many connections this process can hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    yield min(hard, 20_000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_idle_connections(start_proxy: StartProxy, many_descriptors: int) -> None:
    """At most half of what mitmproxy takes for each (34 kB), and others are served as before."""
    with urgently():
        proxy = start_proxy("--set", f"store_memory_limit={STORE_LIMIT}")
        hold_many_idle(proxy, min(10_000, many_descriptors - 500))


def hold_many_idle(proxy: Proxy, count: int) -> None:
    victim = Victim(proxy)
    with victim.server:
        victim.latencies(4000, 0)
        idle, before = proxy.memory(), descriptors(proxy)
        without = statistics.median(p99(victim.latencies(REQUESTS, 0)) for _ in range(ROUNDS))
        clients: list[Peer] = []
        try:
            for _ in range(count):
                clients.append(connect(proxy.port))
            assert eventually(lambda: descriptors(proxy) > count)
            each = (proxy.memory() - idle) / count
            within = statistics.median(p99(victim.latencies(REQUESTS, 0)) for _ in range(ROUNDS))
        finally:
            for client in clients:
                client.close()
        print(f"\n{count} idle: {each / 1000:.1f} kB each, p99 {without * 1e3:.2f} -> {within * 1e3:.2f} ms")
        assert each < 17_000
        assert within < 2 * max(without, LEAST_P99)
        assert eventually(lambda: descriptors(proxy) <= before)
    assert_nothing_raised(proxy)


def test_one_connection_more_than_there_are_descriptors(start_proxy: StartProxy) -> None:
    """It waits, as do those behind it; those who are in are served; when some have left the others are let in."""
    proxy = start_proxy()
    victim = Victim(proxy)
    request = b"GET http://interceptor.test/ HTTP/1.1\r\nHost: interceptor.test\r\n\r\n"
    with victim.server, connect(proxy.port) as early:
        victim.latencies(10, 0)
        before = descriptors(proxy)
        resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (before + 200, before + 200))
        early.send(request)
        assert early.read_response()[0].startswith(b"HTTP/1.1 200")
        clients = [connect(proxy.port) for _ in range(300)]
        assert eventually(lambda: descriptors(proxy) >= before + 199)
        early.send(request)
        assert early.read_response()[0].startswith(b"HTTP/1.1 200"), "who is in is served"
        started = time.process_time()
        last = connect(proxy.port)
        last.send(request)
        for client in clients[:200]:
            client.close()
        assert last.read_response()[0].startswith(b"HTTP/1.1 200"), "let in, after those who had waited longer"
        assert time.process_time() - started < 5
        victim.latencies(10, 0)
        for client in (*clients[200:], last):
            client.close()
    assert eventually(lambda: descriptors(proxy) <= before)
    assert proxy.log.read_text().count("Raise the limit") == 1
    assert_nothing_raised(proxy)
