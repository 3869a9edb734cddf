"""The rules that lead connections to a transparent listener, as text for `nft -f`: a table of our own, so that undoing is exact.

    gateway       prerouting: what other machines send through this one
    this machine  output: what programs of this machine send, but for those of the user that the proxy runs as

Connections to this machine's own addresses are never redirected, so that services on it stay reachable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TABLE: Final = "interceptor"


@dataclass(frozen=True, slots=True)
class Redirection:
    """What is to be led to `listen_port`. `ports` empty: every TCP port. `user_id`: whose connections are left alone; None for a
    gateway."""

    listen_port: int
    ports: Sequence[int] = ()
    user_id: int | None = None

    @property
    def is_gateway(self) -> bool:
        return self.user_id is None


def ruleset(wanted: Redirection) -> str:
    """Complete: applying it twice is the same as once."""
    which = f"tcp dport {{ {', '.join(map(str, wanted.ports))} }}" if wanted.ports else "meta l4proto tcp"
    hook = "prerouting" if wanted.is_gateway else "output"
    rules = [f"type nat hook {hook} priority {'dstnat' if wanted.is_gateway else '-100'}; policy accept;"]
    if wanted.user_id is not None:
        rules.append(f"meta skuid {wanted.user_id} return")
    rules += ["fib daddr type { local, broadcast, multicast } return", f"{which} redirect to :{wanted.listen_port}"]
    body = "".join(f"        {rule}\n" for rule in rules)
    return (
        f"table inet {TABLE}\ndelete table inet {TABLE}\n"  # naming it first makes it exist, so deleting it cannot fail
        f"table inet {TABLE} {{\n    chain {hook} {{\n{body}    }}\n}}\n"
    )


def removal() -> str:
    return f"table inet {TABLE}\ndelete table inet {TABLE}\n"


FORWARDING: Final = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.send_redirects=0")
"""What a gateway needs beside the rules, as `sysctl -w` takes it."""
