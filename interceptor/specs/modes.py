"""Ways in, as a person types them: `name[:data][@[host:]port]`.

    regular            reverse:https://example.com          reverse:http://[::1]:8000@127.0.0.1:9000
    regular@8081       reverse:tcp://db.example.com:5432     reverse:example.com  (https is meant)
    transparent        transparent@0.0.0.0:8080
    reverse:udp://192.0.2.7:5060@5060

A mode says how clients reach us and where the origin is. What is not said about the address stays None here; who makes the
listener fills in the options' host and port. Port 0 means: any free one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from interceptor.model.connection import DEFAULT_PORTS, Origin, bracketed
from interceptor.specs.errors import UserError

HERE: Final = "regular, transparent and reverse (to http, https, tcp, tls or udp)"
ELSEWHERE: Final = ("upstream", "socks5", "wireguard", "local", "osproxy", "tun", "dns")
"""Modes that exist in this family of programs and that people will try; refused by name, not as a spelling mistake."""
REVERSE_SCHEMES: Final = ("http", "https", "tcp", "tls", "udp")
_ELSEWHERE_SCHEMES: Final = ("http3", "dtls", "quic", "dns")

_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE | re.ASCII)
_DEVIATIONS: Final = frozenset("ßς\u200c\u200d")
"""Letters that IDNA 2003 replaced and IDNA 2008 keeps (RFC 5891 §1): the old mapping would lead to another host."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A parsed way in. `origin` is where a reverse mode leads, else None. `default_port` is where it listens if neither the mode
    nor an option says so, `transports` by which clients come ("tcp", "udp")."""

    text: str
    name: str
    origin: Origin | None = None
    listen_host: str | None = None
    listen_port: int | None = None
    default_port: int = 8080
    transports: tuple[str, ...] = ("tcp",)

    def __str__(self) -> str:
        return self.text


def parse_mode(text: str) -> Mode:
    """UserError with one sentence that says what would be right."""
    before, at, address = text.rpartition("@")
    spec = before if at else text
    host, port = _listen_address(address, len(before) + 1) if at else (None, None)
    name, _, data = spec.partition(":")
    name = name.strip().lower()
    data = data.strip()
    if name in ("regular", "transparent"):
        if ":" in spec:
            raise UserError(f"Mode {name} takes nothing after its name but @[host:]port, and {data!r} is there.", len(name))
        return Mode(text, name, None, host, port)
    if name == "reverse":
        origin = _reverse_origin(data, len("reverse:"))
        return Mode(text, name, origin, host, port, transports=(origin.transport,))
    if name in ELSEWHERE:
        raise UserError(f"Mode {name} is not in this version, which has {HERE}.", 0)
    import difflib  # only for mistakes

    close = difflib.get_close_matches(name, ("regular", "transparent", "reverse"), 1)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise UserError(f"There is no mode {name!r}: the modes are {HERE}.{meant}", 0)


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
                raise UserError(f"Modes {other.text!r} and {mode.text!r} would both listen on {shown}: give one of them @port.")
        taken.append((mode, host, port))


def ascii_host(host: str) -> str:
    """A host name as the wire wants it: lower case, A-labels for what is not ASCII (RFC 5891); an IP literal, without brackets,
    in its short form. ValueError if it is neither a name nor an address."""
    literal = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if ":" in literal:
        return str(IPv6Address(literal))
    if host.startswith("["):
        raise ValueError(f"{literal!r} is not an IPv6 address")
    if literal.replace(".", "").isdecimal() and literal.isascii():
        return str(IPv4Address(literal))
    is_rooted = literal.endswith(".")
    labels = [_a_label(label) for label in re.split("[.\u3002\uff0e\uff61]", literal.removesuffix("."))]
    name = ".".join(labels)
    if len(name) > 253:
        raise ValueError("a host name has at most 253 characters")
    return name + "." * is_rooted


def _a_label(label: str) -> str:
    if not label.isascii():
        if _DEVIATIONS.isdisjoint(label):
            label = label.encode("idna").decode("ascii")
        else:
            label = "xn--" + label.lower().encode("punycode").decode("ascii")
    if not _LABEL.fullmatch(label):
        raise ValueError(f"{label!r} is not a part of a host name")
    return label.lower()


def _listen_address(text: str, position: int) -> tuple[str | None, int]:
    host, colon, port_text = text.rpartition(":")
    port = _port(port_text, "where to listen, after the @", position + len(host) + len(colon), lowest=0)
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
    return _host_and_port(scheme, rest.removesuffix("/"), position)


def _host_and_port(scheme: str, text: str, position: int) -> Origin:
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
        return Origin(scheme, name, _port(port_text, "the port", position + len(host) + 1, lowest=1))
    if scheme not in DEFAULT_PORTS:
        raise UserError(f"Mode reverse to {scheme} needs a port: write reverse:{scheme}://{host}:port.", position + len(host))
    return Origin(scheme, name, DEFAULT_PORTS[scheme])


def _port(text: str, what: str, position: int, lowest: int) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not lowest <= int(text) <= 65535:
        raise UserError(f"{text!r} is not a port ({what}): it is a number from {lowest} to 65535.", position)
    return int(text)


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
