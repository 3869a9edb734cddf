"""What a case of the differential check is: bytes that a client or a server sends, and what is to become of them.

In `wire`, ``%O`` stands for host:port of the recording origin and ``%P`` for its port.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum


class Way(Enum):
    """How the client asks: the proxy itself, or the origin in a tunnel (where HTTP is spoken, whatever it looks like)."""

    TUNNEL = "in a tunnel"
    PROXY = "of the proxy"


@dataclass(frozen=True)
class Case:
    """The first `passes` messages of `wire` get through, each exactly as it is recorded. Then, if `refused` is set, the next one
    is refused: nothing of it gets through, and the flow's error has this text and names the bytes. `breaks`: its head was right,
    so it may be on its way when its body turns out malformed; what got through never ends. `is_cut`: the sender stops there.
    `lenient` is `passes` when validate_inbound_headers is off, where that differs."""

    name: str
    wire: bytes
    passes: int = 1
    refused: str = ""
    breaks: str = ""
    is_cut: bool = False
    lenient: int | None = None
    way: Way = Way.TUNNEL
    method: bytes = b"GET"  # of the request that a response answers
    is_tunnel: bool = False  # what follows the response belongs to another protocol, and is passed on

    @property
    def leniently(self) -> Case:
        """What is expected when validate_inbound_headers is off."""
        return self if self.lenient is None else replace(self, passes=self.lenient, refused="", breaks="")

    def at(self, port: int) -> bytes:
        return self.wire.replace(b"%O", b"127.0.0.1:%d" % port).replace(b"%P", b"%d" % port)


def forwarded(table: dict[str, bytes], **more: object) -> list[Case]:
    return [Case(name, wire, **more) for name, wire in table.items()]  # type: ignore[arg-type]


def refused(reason: str, table: dict[str, bytes], **more: object) -> list[Case]:
    return [Case(name, wire, 0, reason, **more) for name, wire in table.items()]  # type: ignore[arg-type]


def broken(reason: str, table: dict[str, bytes], **more: object) -> list[Case]:
    return [Case(name, wire, 0, breaks=reason, **more) for name, wire in table.items()]  # type: ignore[arg-type]


def cut(table: dict[str, bytes], **more: object) -> list[Case]:
    return [Case(name, wire, 0, is_cut=True, **more) for name, wire in table.items()]  # type: ignore[arg-type]


def distinct(cases: Iterable[Case]) -> list[Case]:
    """AssertionError if two have the same name, or say the same."""
    listed, names, wires = list(cases), set[str](), set[object]()
    for case in listed:
        said = case.wire, case.way, case.method, case.is_cut
        assert case.name not in names and said not in wires, f"a case twice: {case.name}"
        names.add(case.name)
        wires.add(said)
    return listed
