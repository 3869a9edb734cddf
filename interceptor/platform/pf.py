"""pf, the packet filter of macOS and the BSDs: the rules that lead connections here, and where a led one was meant to go.

    macOS, FreeBSD, NetBSD    rdr       pfctl -s state (by sudo) ─ the line of this client ─▸ the address that it dialled
    OpenBSD                   divert-to the accepted socket's own address is that one

By their documentation; tested with recorded outputs. `pfctl` is a program, so asking it takes some milliseconds: not for a loop.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from typing import Final

from interceptor.model.connection import Address

PFCTL: Final = "/sbin/pfctl"
LISTING: Final = ("sudo", "-n", PFCTL, "-s", "state")
SUDOERS: Final = f"ALL ALL=NOPASSWD: {PFCTL} -s state"
"""What has to stand in sudoers if the proxy does not run as root."""
_SECONDS: Final = 5.0
_END: Final = re.compile(r"\(?([0-9a-fA-F.:]+?)(?:%\w+)?(?:\[(\d+)\]|:(\d+))\)?")
_OVER: Final = ("TIME_WAIT", "FIN_WAIT", "CLOSED", "CLOSING")


class NotTold(Exception):
    """Why pf cannot say it, for a person."""


def ask_pf(client: Address) -> Address:
    """Where that client's connection was meant to go; NotTold. Takes as long as `pfctl` does."""
    try:
        done = subprocess.run(LISTING, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotTold(f"{' '.join(LISTING)}: {getattr(error, 'strerror', None) or 'it does not answer'}") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
        raise NotTold(f"{' '.join(LISTING)}: {said}; sudoers (visudo) has to have the line: {SUDOERS}")
    destination = destination_in(done.stdout, client)
    if destination is None:
        raise NotTold("pf has no state for it: nothing redirected it")
    return destination


def destination_in(states: str, client: Address) -> Address | None:
    """In what `pfctl -s state` prints: `ALL tcp US <- WHERE <- CLIENT`, or `all tcp US (WHERE) <- CLIENT`."""
    for line in states.splitlines():
        words = line.split()
        if "tcp" not in words[:3] or "<-" not in words or any(over in words[-1] for over in _OVER):
            continue
        ends = [end for word in words if (end := _end(word)) is not None]
        if len(ends) == 3 and ends[2] == client:
            return ends[1]
    return None


def _end(word: str) -> Address | None:
    found = _END.fullmatch(word)
    return (found[1].lower(), int(found[2] or found[3])) if found else None


def rules(listen_port: int, ports: Sequence[int], diverts: bool) -> str:
    """For a gateway, whose clients come in by the interface that is named first. `diverts`: as OpenBSD writes them."""
    which = f"port {{ {', '.join(map(str, ports))} }}" if ports else "port 1:65535"
    lines = ['clients = "en0"']
    for family, here in (("inet", "127.0.0.1"), ("inet6", "::1")):
        if diverts:
            lines.append(f"pass in quick on $clients {family} proto tcp to !self {which} divert-to {here} port {listen_port}")
        else:
            lines.append(f"rdr pass on $clients {family} proto tcp from any to any {which} -> {here} port {listen_port}")
    return "\n".join(lines) + "\n"


def shown(listen_port: int, ports: Sequence[int], system: str) -> str:
    """What to do as root, for that `sys.platform`."""
    diverts = system.startswith("openbsd")
    forwarding = "\n".join(
        f"sysctl -w {name}=1" if system == "darwin" else f"sysctl {name}=1"
        for name in ("net.inet.ip.forwarding", "net.inet6.ip6.forwarding")
    )
    access = "" if diverts else f"# sudoers (visudo) has to have, unless the proxy runs as root:\n#   {SUDOERS}\n"
    return (
        "# As root; en0 is the interface that clients come in by, and these become all rules of pf:\n"
        f"{forwarding}\n{PFCTL} -ef - <<'RULES'\n{rules(listen_port, ports, diverts)}RULES\n"
        f"# Undo: {PFCTL} -f /etc/pf.conf\n{access}"
        f"\n# Then: interceptor --mode transparent@localhost:{listen_port}\n"
        "# and make this machine the default gateway of the clients.\n"
    )
