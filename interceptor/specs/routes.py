"""Ways out, as a person types them: `[pattern] hop[,hop…]`, the nearest hop first; `direct` is none.

    socks5h://127.0.0.1:9050                          everything, over this proxy
    \\.corp\\.example:443$ http://me:pw@proxy:3128      hosts whose host:port matches the pattern
    .* http://gate:3128,socks5://10.0.0.1             a chain: gate is reached first, and leads to the other
    localhost direct                                  no proxy
    pac:/etc/proxy.pac                                as that file says (also pac:https://host/proxy.pac)

The first rule whose pattern is found in `host:port` says the route; it needs no pattern to mean all. What no rule means takes the
way that its mode says: over the proxy of an `upstream:` mode, else direct.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from interceptor.model.connection import Hop, Origin, Route
from interceptor.specs.errors import UserError
from interceptor.specs.hosts import ascii_host, read_port

DEFAULT_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080, "socks4": 1080, "socks4a": 1080}
DIRECT: Final = "direct"
_LIMIT: Final = 255  # bytes of a user name or password in SOCKS5 (RFC 1929)


@dataclass(frozen=True, slots=True)
class Pac:
    """The way that a proxy auto-configuration file says, each time it is asked. `source` is a path or a URL."""

    source: str

    def __str__(self) -> str:
        return f"pac:{self.source}"


@dataclass(frozen=True, slots=True)
class RouteRule:
    """`pattern` None: all hosts."""

    pattern: re.Pattern[str] | None
    route: Route | Pac

    def means(self, authority: str) -> bool:
        return self.pattern is None or self.pattern.search(authority) is not None


@dataclass(frozen=True, slots=True)
class Routes:
    """Which way leads to an origin: `rules` in their order, else `otherwise`."""

    rules: tuple[RouteRule, ...] = ()
    otherwise: Route = ()

    def __bool__(self) -> bool:
        """False: all is direct."""
        return bool(self.rules or self.otherwise)

    def to(self, origin: Origin) -> Route | Pac:
        """A rule may name the host as it is connected to, or as TLS names it."""
        names = [origin.authority, *([f"{origin.server_name}:{origin.port}"] if origin.server_name else [])]
        for rule in self.rules:
            if any(rule.means(name) for name in names):
                return rule.route
        return self.otherwise


def parse_rules(texts: Sequence[str]) -> tuple[RouteRule, ...]:
    return tuple(map(parse_rule, texts))


def parse_rule(text: str) -> RouteRule:
    """UserError with one sentence that says what would be right."""
    before, blank, hops = text.strip().rpartition(" ")
    pattern = before.strip()
    if not blank:
        return RouteRule(None, _parse_way(hops))
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise UserError(f"{pattern!r} is not a regular expression: {error.msg}", error.pos) from None
    return RouteRule(compiled, _parse_way(hops, text.rindex(" ") + 1))


def _parse_way(text: str, position: int = 0) -> Route | Pac:
    scheme, colon, source = text.partition(":")
    if scheme.lower() != "pac" or not colon:
        return parse_route(text, position)
    if not source:
        raise UserError("pac: needs to know which file: write pac:/path/to/file.pac or pac:https://host/file.pac.", position)
    return Pac(source.removeprefix("//") if source.startswith("///") else source)


def parse_route(text: str, position: int = 0) -> Route:
    """`hop[,hop…]`, or `direct`."""
    if text.lower() == DIRECT:
        return ()
    if not text:
        raise UserError("A route is direct, or scheme://host[:port] of a proxy, or several with commas between them.", position)
    hops: list[Hop] = []
    for each in text.split(","):
        hops.append(parse_hop(each, position))
        position += len(each) + 1
    return tuple(hops)


def parse_hop(text: str, position: int = 0) -> Hop:
    """`scheme://[user[:password]@]host[:port]`; what is percent-encoded in user and password is decoded."""
    scheme, slashes, rest = text.partition("://")
    scheme = scheme.lower()
    if not slashes or scheme not in DEFAULT_PORTS:
        known = ", ".join(DEFAULT_PORTS)
        named = f"{scheme!r} is not a kind of proxy" if slashes else f"{without_password(text)!r} is not a proxy's URL"
        raise UserError(f"{named}: write scheme://[user:password@]host[:port], the scheme one of {known}.", position)
    position += len(scheme) + len(slashes)
    credentials, at, authority = rest.removesuffix("/").rpartition("@")
    position += len(credentials) + len(at)
    user, _, password = credentials.partition(":")
    user, password = unquote(user, errors="surrogateescape"), unquote(password, errors="surrogateescape")
    if at and not user:
        raise UserError("The user's name is missing before the @.", position)
    for what, said in (("user name", user), ("password", password)):
        if scheme.startswith("socks") and len(said.encode("utf-8", "surrogateescape")) > _LIMIT:
            raise UserError(f"SOCKS takes a {what} of at most {_LIMIT} bytes.", position)
    if "\0" in user + password or (scheme in ("http", "https") and ":" in user):
        raise UserError("That user name cannot be told to this kind of proxy.", position)
    found = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]/?#]*)(?::(.*))?", authority)
    if found is None or not found[1] or found[1] == "[]":
        hint = " (an IPv6 address goes in brackets)" if authority.count(":") > 1 else ""
        raise UserError(f"{authority!r} is not a host with or without a port{hint}.", position)
    try:
        host = ascii_host(found[1])
    except ValueError as error:
        raise UserError(f"{found[1]!r} is not a host name or address: {error}.", position) from None
    port = DEFAULT_PORTS[scheme]
    if found[2] is not None:
        port = read_port(found[2], "the proxy's port", position + len(found[1]) + 1, lowest=1)
    return Hop(scheme, host, port, user if at else None, password)


def without_password(text: str) -> str:
    """The same text for people to see."""
    return re.sub(r"(://[^:@/,\s]*):[^\s,]*@", r"\1:***@", text)


_PAC_KINDS: Final = {
    **{"PROXY": "http", "HTTP": "http", "HTTPS": "https"},
    **{"SOCKS": "socks4a", "SOCKS4": "socks4a", "SOCKS5": "socks5h"},
}


def parse_pac_answer(text: str) -> tuple[Route, ...]:
    """What `FindProxyForURL` returned (`PROXY host:port; SOCKS5 host:port; DIRECT`): ways to be tried in that order. Kinds that
    nobody knows are passed over, as browsers do it; UserError if nothing is left."""
    ways: list[Route] = []
    for entry in text.split(";"):
        kind, _, address = entry.strip().partition(" ")
        if kind.upper() == "DIRECT":
            ways.append(())
        elif scheme := _PAC_KINDS.get(kind.upper()):
            ways.append((parse_hop(f"{scheme}://{address.strip()}"),))
    if not ways and text.strip():
        raise UserError(f"its answer names no way that is known here: {text[:100]!r}")
    return tuple(dict.fromkeys(ways)) or ((),)
