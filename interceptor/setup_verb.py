"""`interceptor setup transparent`: the firewall's rules for this machine or for a gateway; shown, applied, undone.

interceptor setup transparent gateway                 the rules, to read and to paste
interceptor setup transparent gateway ports=all udp=all          every port of TCP and UDP
interceptor setup transparent user=proxy --apply      … carried out, as root
interceptor setup transparent --undo                  … taken away again, exactly
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, TextIO

from interceptor.options import Options
from interceptor.platform.nftables import FORWARDING, Redirection, removal, routing, routing_removal, ruleset
from interceptor.specs.errors import UserError

_DEFAULT_PORTS: Final = (80, 443)
_USAGE: Final = (
    "interceptor setup transparent gateway | user=NAME [ports=80,443|all] [udp=53|all] [--apply | --undo]"
)


def run_setup(options: Options, words: Sequence[str], out: TextIO, deed: str) -> int:
    """`deed`: "show", "apply" or "undo". The exit status. UserError says what would be right."""
    if list(words[:1]) != ["transparent"]:
        raise UserError(f"setup knows transparent only: {_USAGE}")
    if sys.platform == "darwin" or "bsd" in sys.platform:
        return _show_pf(options, words[1:], out, deed)
    if sys.platform == "win32":
        return _show_windivert(options, words[1:], out, deed)
    if sys.platform != "linux":
        raise UserError("there are no rules for transparent mode on this system; mode local takes what its programs send")
    if deed == "undo":
        if len(words) > 1:
            raise UserError("--undo takes everything away that setup transparent has set up, so it needs nothing else")
        _nft(removal())
        _remove_routing()
        out.write("The rules are gone. What was switched on for forwarding stays on, since others may rely on it.\n")
        return 0
    wanted = _redirection(options, words[1:])
    if deed == "apply":
        _apply(wanted)
        out.write(f"Connections are led to port {wanted.listen_port} from now on; undo: interceptor setup transparent --undo\n\n")
    else:
        out.write(_shown(wanted))
    out.write(_how_to_listen(wanted))
    return 0


def _show_pf(options: Options, words: Sequence[str], out: TextIO, deed: str) -> int:
    """pf's own file is the machine's, so its rules are shown and not carried out."""
    from interceptor.platform.pf import shown

    if deed != "show":
        raise UserError(f"--{deed} is for Linux: here the rules are shown, to be put among those of pf.conf")
    wanted = _redirection(options, words)
    if not wanted.is_gateway:
        raise UserError("pf leads here what comes in from others: say gateway; for programs of this machine there is mode local")
    if wanted.udp_ports is not None:
        raise UserError("UDP is led here on Linux only: leave udp= out")
    out.write(shown(wanted.listen_port, wanted.ports, sys.platform))
    return 0


def _show_windivert(options: Options, words: Sequence[str], out: TextIO, deed: str) -> int:
    """There are no rules that would stay: the listener leads connections here as long as it is there."""
    from interceptor.platform.windivert import PORTS, shown

    if deed != "show":
        raise UserError(f"--{deed} is for Linux: here the listener itself leads connections to it")
    wanted = _redirection(options, words)
    if not wanted.is_gateway:
        raise UserError("what this machine itself sends takes mode local; for what others send through it say gateway")
    if tuple(wanted.ports) != PORTS or wanted.udp_ports is not None:
        raise UserError(f"only TCP to the ports {' and '.join(map(str, PORTS))} is led here: leave ports= and udp= out")
    out.write(shown(wanted.listen_port))
    return 0


def _redirection(options: Options, words: Sequence[str]) -> Redirection:
    is_gateway, user, ports = False, "", tuple(_DEFAULT_PORTS)
    udp_ports: Sequence[int] | None = None
    for word in words:
        name, equals, value = word.partition("=")
        if word == "gateway":
            is_gateway = True
        elif name == "user" and equals:
            user = value
        elif name == "ports" and equals:
            ports = () if value == "all" else tuple(_port(each) for each in value.split(","))
        elif name == "udp" and equals:
            udp_ports = () if value == "all" else tuple(_port(each) for each in value.split(","))
        else:
            raise UserError(f"setup transparent does not take {word!r}: {_USAGE}")
    if is_gateway == bool(user):
        raise UserError(
            "say for whom: gateway (what other machines send through this one), or user=NAME (what this machine sends, but for"
            " that user, whom the proxy runs as; else it would be led back to itself)"
        )
    return Redirection(_listen_port(options), ports, _user_id(user) if user else None, udp_ports)


def _listen_port(options: Options) -> int:
    return options.listen_port or 8080


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise UserError(f"{text!r} is not a port: ports=80,443 or ports=all")
    return int(text)


def _user_id(name: str) -> int:
    import pwd

    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise UserError(f"there is no user {name!r}; make one: useradd --system --create-home {name}") from None


def _shown(wanted: Redirection) -> str:
    switches = "".join(f"sysctl -w {each}\n" for each in FORWARDING) if wanted.is_gateway else ""
    if wanted.udp_ports is not None:
        switches += "".join(f"ip {each}\n" for each in routing())
    said = "# As root; the same by: interceptor setup transparent … --apply\n"
    return f"{said}{switches}nft -f - <<'RULES'\n{ruleset(wanted)}RULES\n\n"


def _how_to_listen(wanted: Redirection) -> str:
    """Redirected connections of other machines arrive at the address of the interface, those of this one at 127.0.0.1 and ::1."""
    if wanted.is_gateway:
        listen = f"interceptor --mode transparent@:{wanted.listen_port}"
        return f"# Then: {listen}\n# and make this machine the default gateway of the clients.\n"
    listen = f"interceptor --mode transparent@localhost:{wanted.listen_port}"
    if wanted.udp_ports is None:
        return f"# Then, as user {wanted.user_id}: {listen}\n"
    rights = "--inh-caps +net_admin --ambient-caps +net_admin"
    return (
        f"# Then, as user {wanted.user_id}, who needs CAP_NET_ADMIN to answer in the name of others:\n"
        f"# setpriv --reuid {wanted.user_id} --clear-groups {rights} {listen}\n"
    )


def _apply(wanted: Redirection) -> None:
    if wanted.is_gateway:
        for each in FORWARDING:
            _run(["sysctl", "-q", "-w", each], "")
    _remove_routing()
    if wanted.udp_ports is not None:
        for each in routing():
            _run(["ip", *each.split()], "")
    _nft(ruleset(wanted))


def _remove_routing() -> None:
    """If there is any."""
    for each in routing_removal():
        with suppress(UserError):
            _run(["ip", *each.split()], "")


def _nft(rules: str) -> None:
    if shutil.which("nft") is None:
        raise UserError("there is no nft in PATH: install nftables (apt install nftables)")
    _run(["nft", "-f", "-"], rules)


def _run(command: list[str], text: str) -> None:
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    except OSError as error:
        raise UserError(f"{command[0]} cannot be run: {error.strerror}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        hint = " (it takes root: sudo)" if "not permitted" in said[0] or "denied" in said[0].lower() else ""
        raise UserError(f"{' '.join(command)} failed: {said[0]}{hint}")
