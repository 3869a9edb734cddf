"""Names looked up by ourselves: asked of a name server on loopback, over the layers that serve clients' queries, and never of the
hosts file."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import dns.rrset
import pytest

from interceptor.model.hooks import FORWARD
from interceptor.proxy import own_lookups
from interceptor.proxy.asks import LookUp
from interceptor.proxy.names import SystemNames, search_list
from interceptor.proxy.own_lookups import OwnLookups
from interceptor.proxy.resolver import BY_NAME_SERVERS, LEADS_HERE, Unreachable, address_infos, finder
from tests.proxy.test_driver import Running
from tests.support import dns_server
from tests.support.dns_server import DnsServer
from tests.support.paper_driver import paper_settings


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    with DnsServer() as running:
        yield running


@asynccontextmanager
async def lookups(folder: Path, *servers: DnsServer, resolv_conf: str = "") -> AsyncIterator[OwnLookups]:
    (folder / "resolv.conf").write_text(resolv_conf)
    (folder / "hosts").write_text("127.0.0.1 www.example.test\n")
    names = SystemNames(folder / "resolv.conf", folder / "hosts")
    names.configure([f"127.0.0.1:{server.port}" for server in servers], uses_hosts=False)
    running = Running()
    running.decides = lambda hook: pytest.fail(f"somebody was asked: {hook}") or FORWARD
    running.services.look_up = names.look_up
    asking = OwnLookups(running.services, names, paper_settings)
    try:
        yield asking
        assert not running.flows and not running.services.drivers, "nobody is told of our own look-ups"
    finally:
        asking.close()
        running.close()


async def addresses(asking: OwnLookups, host: str, is_hop: bool = False) -> set[str]:
    found = await asking.find(host, 443, socket.SOCK_STREAM, is_hop)
    assert {info[4][1] for info in found} == {443}
    return {info[4][0] for info in found}


def test_name_servers_say_what_the_hosts_file_would_not(server: DnsServer, tmp_path: Path) -> None:
    async def main() -> None:
        async with lookups(tmp_path, server) as asking:
            wanted = {"192.0.2.1", "192.0.2.2", "2001:db8::1"}
            assert await addresses(asking, "www.example.test") == wanted
            assert await addresses(asking, "ALIAS.example.test.") == wanted, "by way of a CNAME"
            assert await addresses(asking, "sip.example.test", is_hop=True) == {"192.0.2.60"}
            assert await addresses(asking, "a.localhost") == {"127.0.0.1", "::1"}
            server.asked.clear()
            many = await asyncio.gather(*(addresses(asking, "www.example.test") for _ in range(200)))
            assert many == [wanted] * 200

    asyncio.run(main())
    assert server.asked == [("udp", "www.example.test. A"), ("udp", "www.example.test. AAAA")], "once for all two hundred"


def test_a_datagram_that_got_lost_is_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_lookups, "AGAIN_SECONDS", (0.02, 10.0))

    async def main() -> None:
        with DnsServer() as lossy:
            lossy.is_silent = True
            async with lookups(tmp_path, lossy) as asking:
                looking = asyncio.ensure_future(addresses(asking, "sip.example.test"))
                while len(lossy.asked) < 2:
                    await asyncio.sleep(0.001)
                lossy.is_silent = False
                assert await asyncio.wait_for(looking, 5) == {"192.0.2.60"}

    asyncio.run(main())


def test_why_there_is_no_address(server: DnsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(host: str, *servers: DnsServer) -> str:
        async with lookups(tmp_path, *servers) as asking:
            with pytest.raises(Unreachable) as caught:
                await addresses(asking, host)
            return str(caught.value)

    resolved = "the name cannot be resolved: "
    assert asyncio.run(main("nothing.example.test", server)) == resolved + "there is no such name, says 127.0.0.1"
    assert asyncio.run(main("plain.example.test", server)) == resolved + "it has no address, says 127.0.0.1"
    assert asyncio.run(main("x" * 64 + ".test", server)).startswith(resolved)
    assert asyncio.run(main("www.example.test")) == resolved + "No name server is known: set dns_name_servers"
    with DnsServer() as gone:
        pass
    assert "connection refused" in asyncio.run(main("www.example.test", gone))
    monkeypatch.setattr(own_lookups, "AGAIN_SECONDS", ())
    monkeypatch.setattr(own_lookups, "PATIENCE_SECONDS", 0.05)
    with DnsServer() as silent:
        silent.is_silent = True
        assert asyncio.run(main("www.example.test", silent)) == resolved + "no name server has answered"


def test_the_next_server_is_asked_where_one_is_gone(server: DnsServer, tmp_path: Path) -> None:
    async def main() -> None:
        with DnsServer() as gone:
            pass
        async with lookups(tmp_path, gone, server) as asking:
            assert await addresses(asking, "sip.example.test") == {"192.0.2.60"}

    asyncio.run(main())


def test_what_is_truncated_is_asked_for_over_a_stream(
    server: DnsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [f"192.0.2.{number}" for number in range(100)]
    zone = dns_server.ZONE
    rrset = dns.rrset.from_text("many.example.test.", 300, "IN", "A", *many)
    with zone.writer() as writer:
        writer.add(rrset)

    async def main() -> None:
        async with lookups(tmp_path, server) as asking:
            assert await addresses(asking, "many.example.test") == set(many)

    server.asked.clear()
    try:
        asyncio.run(main())
    finally:
        with zone.writer() as writer:
            writer.delete(rrset)
    assert ("tcp", "many.example.test. A") in server.asked


def test_short_names_are_looked_for_in_the_domains_of_this_machine(server: DnsServer, tmp_path: Path) -> None:
    async def main() -> None:
        async with lookups(tmp_path, server, resolv_conf="search nowhere.test example.test.\n") as asking:
            assert "192.0.2.1" in await addresses(asking, "www")
            with pytest.raises(Unreachable):
                await addresses(asking, "www.")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "domains", "dots"),
    [
        ("", [], 1),
        ("domain corp.test", ["corp.test"], 1),
        ("domain a.test\nsearch b.test c.test.\noptions edns0 ndots:5 rotate", ["b.test", "c.test"], 5),
        ("search .\noptions ndots:x", [], 1),
    ],
)
def test_the_search_list(text: str, domains: list[str], dots: int) -> None:
    assert search_list(text) == (domains, dots)


def test_the_order_of_names(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_text("search a.test\noptions ndots:2")
    names = SystemNames(conf, tmp_path / "none")
    assert names.full_names("one.two") == ["one.two.a.test", "one.two"]
    assert names.full_names("one.two.three") == ["one.two.three", "one.two.three.a.test"]
    assert names.full_names("one.") == ["one"]


def test_systemd_resolved_which_knows_the_hosts_file_is_not_asked_but_whom_it_asks(tmp_path: Path) -> None:
    conf, behind = tmp_path / "resolv.conf", tmp_path / "behind"
    conf.write_text("nameserver 127.0.0.53\noptions edns0 trust-ad\n")
    behind.write_text("nameserver 192.0.2.53\nnameserver 2001:db8::53\n")

    def asked(uses_hosts: bool, behind: Path = behind) -> list[str]:
        names = SystemNames(conf, tmp_path / "none", behind)
        names.configure([], uses_hosts)
        return [server.host for server in names.look_up(LookUp(None, "")).servers]  # type: ignore[arg-type]

    assert asked(uses_hosts=True) == ["127.0.0.53"]
    assert asked(uses_hosts=False) == ["192.0.2.53", "2001:db8::53"]
    assert asked(uses_hosts=False, behind=tmp_path / "none") == ["127.0.0.53"]


def test_a_name_that_leads_back_to_us_is_not_connected_to() -> None:
    async def main() -> None:
        async def instead(host: str, port: int, kind: int, is_hop: bool) -> list[own_lookups.AddressInfo]:
            return address_infos(["127.0.0.1", "192.0.2.1"] if host == "both.test" else ["127.0.0.1"], port, kind)

        def is_own(host: str, port: int, transport: str) -> bool:
            return (host, port, transport) == ("127.0.0.1", 80, "tcp")

        find = finder(asyncio.get_running_loop(), is_own, instead, transport="tcp")
        assert [info[4][0] for info in await find("both.test", 80, socket.SOCK_STREAM)] == ["192.0.2.1"]
        assert len(await find("us.test", 81, socket.SOCK_STREAM)) == 1
        with pytest.raises(Unreachable) as caught:
            await find("us.test", 80, socket.SOCK_STREAM)
        assert str(caught.value) == LEADS_HERE + BY_NAME_SERVERS

    asyncio.run(main())
