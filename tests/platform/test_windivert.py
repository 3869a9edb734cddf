"""Packets on paper, and a pydivert on paper that hands them over: what is led to us, what goes on, what is answered."""

from __future__ import annotations

import queue
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from interceptor.platform import windivert
from interceptor.platform.windivert import Diversion, LedConnections, NotDiverted, shown

CLIENT, SERVER = ("192.0.2.2", 50_000), ("198.51.100.2", 443)
PATIENCE = 10.0


@dataclass
class Paper:
    """What of `pydivert.Packet` is used."""

    source: tuple[str, int]
    to: tuple[str, int]
    flags: str = ""
    interface: tuple[int, int] = (7, 0)
    direction: str = "outbound"
    src_addr: str = field(init=False)

    def __post_init__(self) -> None:
        (self.src_addr, self.src_port), (self.dst_addr, self.dst_port) = self.source, self.to
        self.tcp = SimpleNamespace(syn="S" in self.flags, ack="A" in self.flags)

    @property
    def ends(self) -> tuple[tuple[str, int], tuple[str, int]]:
        return (self.src_addr, self.src_port), (self.dst_addr, self.dst_port)

    @property
    def raw(self) -> Paper:
        return self


def connections() -> LedConnections:
    return LedConnections(8080, lambda client: "2001:db8::1" if ":" in client else "192.0.2.1")


@pytest.mark.parametrize(("client", "server"), [(CLIENT, SERVER), (("2001:db8::2", 1), ("2001:db8:2::2", 80))])
def test_there_and_back(client: tuple[str, int], server: tuple[str, int]) -> None:
    led = connections()
    here = ("2001:db8::1" if ":" in client[0] else "192.0.2.1", 8080)
    for flags in ("S", "A", "FA"):
        packet = Paper(client, server, flags)
        assert led.leads_here(packet) and packet.ends == (client, here)
    assert led.destination(client) == server and led.destination((client[0], 9)) is None
    answer = Paper(here, client, "SA")
    led.answers(answer)
    assert answer.ends == (server, client), "from where it was sent to"
    other = Paper(here, ("203.0.113.9", 9))
    led.answers(other)
    assert other.ends == (here, ("203.0.113.9", 9)), "who came to the listener itself"


def test_what_began_before_goes_on_as_it_was() -> None:
    led = connections()
    old = Paper(CLIENT, SERVER, "A")
    assert not led.leads_here(old) and old.ends == (CLIENT, SERVER)
    assert led.leads_here(Paper(CLIENT, SERVER, "S"))
    assert not led.leads_here(Paper(CLIENT, ("198.51.100.3", 443), "A")), "the same port, and another connection"
    assert led.leads_here(Paper(CLIENT, ("198.51.100.3", 443), "S"))
    assert led.destination(CLIENT) == ("198.51.100.3", 443)


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windivert, "KNOWN", 3)
    led = connections()
    for port in (1, 2, 3, 1, 4):
        led.leads_here(Paper(("192.0.2.2", port), SERVER, "S"))
    assert [port for port in range(1, 5) if led.destination(("192.0.2.2", port))] == [1, 3, 4]


class Handle:
    def __init__(self, package: Package, filter: str, layer: str = "network") -> None:
        self.filter, self.layer, self._package = filter, layer, package
        self.is_open = False
        self.waiting: queue.Queue[Paper | None] = queue.Queue()
        self.sent: queue.Queue[Paper] = queue.Queue()

    def open(self) -> None:
        if self._package.refusal is not None:
            raise self._package.refusal
        self.is_open = True

    def recv(self) -> Paper:
        if (packet := self.waiting.get(timeout=PATIENCE)) is None:
            raise OSError(995, "The operation was aborted")
        return packet

    def send(self, packet: Paper) -> None:
        self.sent.put(packet)

    def close(self) -> None:
        self.is_open = False
        self.waiting.put(None)


class Package:
    """What of pydivert is used."""

    Layer = SimpleNamespace(NETWORK_FORWARD="forward")
    Direction = SimpleNamespace(INBOUND="inbound")

    def __init__(self, refusal: OSError | None = None) -> None:
        self.refusal, self.handles = refusal, list[Handle]()

    def WinDivert(self, filter: str, **layer: str) -> Handle:
        self.handles.append(Handle(self, filter, **layer))
        return self.handles[-1]

    @staticmethod
    def Packet(raw: Paper, interface: Any, direction: str) -> Paper:
        source, to = raw.ends
        return Paper(source, to, raw.flags, interface, direction)


def test_packets_go_from_handle_to_handle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windivert, "_own_address", lambda client: "192.0.2.1")
    package, told = Package(), list[str]()
    diversion = Diversion(8080, told.append, package)
    diversion.start()
    forwarded, answers = package.handles
    assert (forwarded.filter, forwarded.layer) == ("tcp.DstPort == 80 or tcp.DstPort == 443", "forward")
    assert (answers.filter, answers.layer) == ("outbound and tcp.SrcPort == 8080", "network")
    forwarded.waiting.put(Paper(CLIENT, SERVER, "A"))
    assert forwarded.sent.get(timeout=PATIENCE).ends == (CLIENT, SERVER)
    forwarded.waiting.put(Paper(CLIENT, SERVER, "S"))
    led = answers.sent.get(timeout=PATIENCE)
    assert led.ends == (CLIENT, ("192.0.2.1", 8080)) and (led.direction, led.interface) == ("inbound", (7, 0))
    answers.waiting.put(Paper(("192.0.2.1", 8080), CLIENT, "SA"))
    assert answers.sent.get(timeout=PATIENCE).ends == (SERVER, CLIENT)
    diversion.close()
    assert not (forwarded.is_open or answers.is_open or told)


def test_who_may_not_is_told_what_it_takes() -> None:
    package = Package(PermissionError(5, "Access is denied"))
    with pytest.raises(NotDiverted) as caught:
        Diversion(8080, print, package).start()
    assert str(caught.value) == "WinDivert cannot be opened: Access is denied; it takes an administrator"


def test_what_an_administrator_does() -> None:
    text = shown(8081)
    assert "-LocalPort 8081 -Action Allow" in text and "Set-NetIPInterface -Forwarding Enabled" in text
