"""The rules that lead connections to a transparent listener, as text for `nft -f`: a table of our own, so that undoing is exact.

    gateway       prerouting: what other machines send through this one
    this machine  output: what programs of this machine send, but for those of the user that the proxy runs as

TCP is redirected; the kernel remembers where to. UDP is handed over as it is (TPROXY), which can be done only where packets come
in: what this machine sends is marked, and routed by its mark to come in again over the loopback interface. Connections to
this machine's own addresses are never redirected, so that services on it stay reachable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TABLE: Final = "interceptor"


MARK: Final = 0x1C3B
ROUTES: Final = 7227
"""The routing table that packets with the mark are routed by."""


@dataclass(frozen=True, slots=True)
class Redirection:
    """What is to be led to `listen_port`. `ports` empty: every TCP port; `udp_ports` likewise, None: no UDP. `user_id`: whose
    connections are left alone; None for a gateway."""

    listen_port: int
    ports: Sequence[int] = ()
    user_id: int | None = None
    udp_ports: Sequence[int] | None = None

    @property
    def is_gateway(self) -> bool:
        return self.user_id is None


_NOT_OURS: Final = "fib daddr type { local, broadcast, multicast } return"


def ruleset(wanted: Redirection) -> str:
    """Complete: applying it twice is the same as once."""
    hook = "prerouting" if wanted.is_gateway else "output"
    leave = [] if wanted.is_gateway else [f"meta skuid {wanted.user_id} return"]
    redirect = f"{_which('tcp', wanted.ports)} redirect to :{wanted.listen_port}"
    chains = {hook: [_begin("nat", hook, "dstnat" if wanted.is_gateway else "-100"), *leave, _NOT_OURS, redirect]}
    if wanted.udp_ports is not None:
        which = _which("udp", wanted.udp_ports)
        hand_over = f"tproxy to :{wanted.listen_port} accept"
        if wanted.is_gateway:
            rules = [_NOT_OURS, f"{which} meta mark set {MARK:#x} {hand_over}"]
        else:
            rules = [f'iifname "lo" meta mark {MARK:#x} {which} {hand_over}']
            begin = _begin("route", "output", "mangle")
            chains["marking"] = [begin, *leave, _NOT_OURS, f"{which} meta mark set {MARK:#x}"]
        chains["datagrams"] = [_begin("filter", "prerouting", "mangle"), *rules]
    text = "".join(f"    chain {name} {{\n{_lines(rules)}    }}\n" for name, rules in chains.items())
    return f"{removal()}table inet {TABLE} {{\n{text}}}\n"


def _begin(kind: str, hook: str, priority: str) -> str:
    return f"type {kind} hook {hook} priority {priority}; policy accept;"


def _which(protocol: str, ports: Sequence[int]) -> str:
    return f"{protocol} dport {{ {', '.join(map(str, ports))} }}" if ports else f"meta l4proto {protocol}"


def _lines(rules: Sequence[str]) -> str:
    return "".join(f"        {rule}\n" for rule in rules)


def removal() -> str:
    # naming it first makes it exist, so deleting it cannot fail
    return f"table inet {TABLE}\ndelete table inet {TABLE}\n"


def routing() -> Sequence[str]:
    """What datagrams need beside the rules, as `ip` takes it."""
    lines = (f"rule add fwmark {MARK:#x} lookup {ROUTES}", f"route add local default dev lo table {ROUTES}")
    return [f"{family} {line}" for family in ("-4", "-6") for line in lines]


def routing_removal() -> Sequence[str]:
    """Fails where there is nothing to be removed."""
    lines = (f"rule del fwmark {MARK:#x} lookup {ROUTES}", f"route flush table {ROUTES}")
    return [f"{family} {line}" for family in ("-4", "-6") for line in lines]


FORWARDING: Final = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.send_redirects=0")
"""What a gateway needs beside the rules, as `sysctl -w` takes it."""
