"""Ways in, as a person types them: `name[:data][@[host:]port]`.

    regular            reverse:https://example.com          reverse:http://[::1]:8000@127.0.0.1:9000
    regular@8081       reverse:tcp://db.example.com:5432     reverse:example.com  (https is meant)
    transparent        transparent@0.0.0.0:8080             upstream:http://proxy.example:3128
    socks5@1081        reverse:udp://192.0.2.7:5060@5060    upstream:https://user:password@proxy.example
    dns@127.0.0.1:53   reverse:dns://192.0.2.53
    wireguard@51821    wireguard:~/keys.conf                local:curl,firefox     tun:tun7

A mode says how clients reach us and where the origin is. What is not said about the address stays None here; who makes the
listener fills in the options' host and port. Port 0 means: any free one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from interceptor.model.connection import DEFAULT_PORTS, Hop, Origin, bracketed
from interceptor.specs.errors import UserError
from interceptor.specs.hosts import ascii_host, read_port
from interceptor.specs.routes import parse_hop, without_password

HERE: Final = (
    "regular, upstream, socks5, transparent, dns, wireguard, local, tun and reverse"
    " (to http, https, tcp, tls, udp, dtls or dns)"
)
CAPTURES: Final = ("wireguard", "local", "tun")
"""Modes of networks of their own, see `proxy.captures`."""
EXPLICIT: Final = ("regular", "upstream")
"""Modes of clients that know that they speak to a proxy over HTTP."""
REVERSE_SCHEMES: Final = ("http", "https", "tcp", "tls", "udp", "dtls", "dns")
_ELSEWHERE_SCHEMES: Final = ("http3", "quic")

_DNS: Final = 53, ("udp", "tcp")
"""Port and transports of DNS."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A parsed way in. `origin` is where a reverse mode leads, else None; `hop` is the proxy that an upstream mode goes over.
    `default_port` is where it listens if neither the mode nor an option says so, `transports` by which clients come ("tcp",
    "udp"). `data` is the file of keys of wireguard, the programs of local, the interface of tun."""

    text: str
    name: str
    origin: Origin | None = None
    listen_host: str | None = None
    listen_port: int | None = None
    default_port: int = 8080
    transports: tuple[str, ...] = ("tcp",)
    hop: Hop | None = None
    data: str = ""

    @property
    def shown(self) -> str:
        """As typed, for others to see: without the credentials for a hop."""
        if self.hop is None or self.listen_port is None:
            return self.text if self.hop is None else self.label
        host = f"{bracketed(self.listen_host)}:" if self.listen_host is not None else ""
        return f"{self.label}@{host}{self.listen_port}"

    @property
    def label(self) -> str:
        """What of it says how clients reach us and where that leads: without the address, and without a password."""
        if self.hop is None:
            return self.text.rpartition("@")[0] or self.text
        return f"{self.name}:{self.hop}"

    @property
    def is_dns(self) -> bool:
        """Clients ask DNS queries there, and nothing else."""
        return self.name == "dns" or (self.origin is not None and self.origin.scheme == "dns")

    def __str__(self) -> str:
        return self.text


def parse_mode(text: str) -> Mode:
    """UserError with one sentence that says what would be right."""
    before, at, address = _split(text)
    spec = before if at else text
    host, port = _listen_address(address, len(before) + 1) if at else (None, None)
    name, _, data = spec.partition(":")
    name = name.strip().lower()
    data = data.strip()
    if name in ("regular", "transparent", "dns"):
        if ":" in spec:
            raise UserError(f"Mode {name} takes nothing after its name but @[host:]port, and {data!r} is there.", len(name))
        if name == "transparent":
            return Mode(text, name, None, host, port, transports=("tcp", "udp"))
        return Mode(text, name, None, host, port, *(_DNS if name == "dns" else ()))
    if name == "socks5":
        if ":" in spec:
            raise UserError(f"Mode socks5 takes nothing after its name but @[host:]port, and {data!r} is there.", len(name))
        return Mode(text, name, None, host, port, default_port=1080)
    if name == "upstream":
        return Mode(text, name, None, host, port, hop=_upstream_hop(data, len("upstream:")))
    if name == "reverse":
        origin = _reverse_origin(data, len("reverse:"))
        if origin.scheme == "dns":
            return Mode(text, name, origin, host, port, *_DNS)
        return Mode(text, name, origin, host, port, transports=(origin.transport,))
    if name == "wireguard":
        return Mode(text, name, None, host, port, default_port=51820, transports=("udp",), data=data)
    if name in ("local", "tun"):
        if at:
            raise UserError(f"Mode {name} listens on no address: write {spec} without the @.", len(before))
        return Mode(text, name, transports=(), data=data)
    if name == "osproxy":
        raise UserError("Mode osproxy is called local: write local, or local:NAME for certain programs.", 0)
    import difflib  # only for mistakes

    close = difflib.get_close_matches(name, ("regular", "transparent", "reverse", "upstream", "socks5", "dns", *CAPTURES), 1)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise UserError(f"There is no mode {name!r}: the modes are {HERE}.{meant}", 0)


def _split(text: str) -> tuple[str, str, str]:
    """The mode, and behind the last @ where to listen. In `upstream:http://user:password@host` the only @ belongs to the proxy;
    unless what is before it would do as the proxy's host and port, then where to listen follows, as for all modes."""
    before, at, address = text.rpartition("@")
    scheme, slashes, rest = before.partition("://")
    is_upstream = scheme.partition(":")[0].strip().lower() == "upstream"
    if is_upstream and slashes and "@" not in rest and not re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(:[0-9]{1,5})?/?", rest):
        return text, "", ""
    return before, at, address


def _upstream_hop(data: str, position: int) -> Hop:
    if not data:
        raise UserError("Mode upstream needs to know over which proxy: upstream:http://host[:port].", position)
    scheme, slashes, _ = data.partition("://")
    if not slashes:
        raise UserError(f"Mode upstream needs a URL: write upstream:http://{without_password(data)}.", position)
    if scheme.lower() not in ("http", "https"):
        raise UserError(
            f"Mode upstream takes an http or https proxy, not {scheme!r}: for others, and for chains, there is the option route.",
            position,
        )
    return parse_hop(data, position)


def check_modes(modes: Sequence[Mode], default_host: str, default_port: int | None) -> None:
    """UserError, naming both, if two modes would listen on one address. `default_port` None: each mode's own."""
    taken: list[tuple[Mode, str, int]] = []
    for mode in modes:
        host = mode.listen_host if mode.listen_host is not None else default_host
        port = mode.listen_port
        if port is None:
            port = default_port if default_port is not None else mode.default_port
        for other, other_host, other_port in taken:
            is_shared = not set(mode.transports).isdisjoint(other.transports)
            if port == other_port != 0 and is_shared and _overlap(host, other_host):
                shown = f"{bracketed(host) or '*'}:{port}"
                raise UserError(f"Modes {other.shown!r} and {mode.shown!r} would both listen on {shown}: give one of them @port.")
        taken.append((mode, host, port))


def _listen_address(text: str, position: int) -> tuple[str | None, int]:
    host, colon, port_text = text.rpartition(":")
    port = read_port(port_text, "where to listen, after the @", position + len(host) + len(colon), lowest=0)
    if not colon:
        return None, port
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise UserError(f"An IPv6 address to listen on goes in brackets: @[{host}]:{port}.", position)
    name, percent, zone = host.strip("[]").partition("%")
    if not name:
        return "", port  # all interfaces, said on purpose
    try:
        return ascii_host(f"[{name}]" if ":" in name else name) + percent + zone, port
    except ValueError as error:
        raise UserError(f"{host!r} is not an address to listen on ({error}): write @port or @host:port.", position) from None


def _reverse_origin(data: str, position: int) -> Origin:
    if not data:
        raise UserError("Mode reverse needs to know where to: reverse:https://host[:port].", position)
    scheme, slashes, rest = data.partition("://")
    if not slashes:
        scheme, rest = "https", data
    else:
        position += len(scheme) + len(slashes)
        scheme = scheme.lower()
    if scheme in _ELSEWHERE_SCHEMES:
        raise UserError(f"Mode reverse to {scheme} is not in this version, which has {', '.join(REVERSE_SCHEMES)}.", 0)
    if scheme not in REVERSE_SCHEMES:
        raise UserError(f"Mode reverse knows no scheme {scheme!r}: it can be {', '.join(REVERSE_SCHEMES)}.", 0)
    if "@" in rest:
        raise UserError(f"Mode reverse takes no user name in its URL: write reverse:{scheme}://host[:port].", position)
    if re.search("[/?#]", rest.removesuffix("/")):
        at = min(rest.find(mark) for mark in "/?#" if mark in rest)
        raise UserError(
            f"Mode reverse takes no path: write reverse:{scheme}://{rest[:at]}, and requests keep the path that they come with.",
            position + at,
        )
    return _host_andread_port(scheme, rest.removesuffix("/"), position)


def _host_andread_port(scheme: str, text: str, position: int) -> Origin:
    found = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::(.*))?", text)
    if found is None or (text.count(":") > 1 and not text.startswith("[")):
        hint = f": an IPv6 address goes in brackets, [{text}]" if text.count(":") > 1 else ""
        raise UserError(f"{text!r} is not a host with or without a port{hint}.", position)
    host, port_text = found[1], found[2]
    if not host or host == "[]":
        raise UserError(f"The host is missing: write reverse:{scheme}://host[:port].", position)
    try:
        name = ascii_host(host)
    except ValueError as error:
        raise UserError(f"{host!r} is not a host name or address: {error}.", position) from None
    if port_text is not None:
        return Origin(scheme, name, read_port(port_text, "the port", position + len(host) + 1, lowest=1))
    if scheme not in DEFAULT_PORTS:
        raise UserError(f"Mode reverse to {scheme} needs a port: write reverse:{scheme}://{host}:port.", position + len(host))
    return Origin(scheme, name, DEFAULT_PORTS[scheme])


def _overlap(one: str, other: str) -> bool:
    return any(a == b or _covers(a, b) or _covers(b, a) for a in _reach(one) for b in _reach(other))


def _covers(wildcard: str, host: str) -> bool:
    return wildcard in ("*4", "*6") and not host.startswith("*") and (":" in host) == (wildcard == "*6")


def _reach(host: str) -> frozenset[str]:
    """Every address that a bind to this host takes: literals, `*4` and `*6` for all of a family."""
    if host in ("", "*"):
        return frozenset(("*4", "*6"))
    if host == "localhost":
        return frozenset(("127.0.0.1", "::1"))
    if host == "0.0.0.0":
        return frozenset(("*4",))
    if ":" not in host:
        return frozenset((host.lower(),))
    try:
        literal = str(IPv6Address(host.strip("[]")))
    except AddressValueError:  # from an option; binding to it will say what is wrong with it
        literal = host
    return frozenset(("*6",)) if literal == "::" else frozenset((literal,))
