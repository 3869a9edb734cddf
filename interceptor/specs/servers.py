"""Name servers as a person types them: an IP address, with or without a port; over TLS, or over HTTPS.

    9.9.9.9     9.9.9.9:5353     [::1]:53     tls://1.1.1.1     tls://dns.quad9.net:853     https://1.1.1.1/dns-query
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from interceptor.model.connection import bracketed
from interceptor.specs.errors import UserError
from interceptor.specs.hosts import ascii_host, read_port

_PORTS: Final = {"tls": 853, "https": 443}
_PATH: Final = "/dns-query"


@dataclass(frozen=True, slots=True)
class NameServer:
    """`scheme` is "dns" (as the client asks: datagrams or a stream), "tls" (RFC 7858) or "https" (RFC 8484, at `path`)."""

    host: str
    port: int = 53
    scheme: str = "dns"
    path: str = ""

    def __str__(self) -> str:
        authority = f"{bracketed(self.host)}:{self.port}"
        return authority if self.scheme == "dns" else f"{self.scheme}://{authority}{self.path}"


def parse_server(text: str) -> NameServer:
    """UserError with what would be right."""
    scheme, slashes, rest = text.strip().partition("://")
    if slashes:
        return _over(scheme.lower(), rest, text)
    found = re.fullmatch(r"\[([^\]]*)\](?::(\d{1,5}))?|([^:]*)(?::(\d{1,5}))?", text.strip())
    host, port = ((found[1] or found[3] or ""), found[2] or found[4]) if found is not None else (text.strip(), None)
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        examples = "9.9.9.9, 9.9.9.9:5353, [::1]:53, tls://1.1.1.1 or https://1.1.1.1/dns-query"
        raise UserError(f"{text!r} is not a name server: write its IP address, as in {examples}.") from None
    number = int(port) if port else 53
    if not 1 <= number <= 65535:
        raise UserError(f"{text!r} is not a name server: a port is a number from 1 to 65535.")
    return NameServer(host, number)


def _over(scheme: str, rest: str, text: str) -> NameServer:
    if scheme not in _PORTS:
        raise UserError(f"{text!r} is not a name server: over TLS it is tls://host, over HTTPS https://host/dns-query.")
    authority, slash, path = rest.partition("/")
    if scheme == "tls" and path:
        raise UserError(f"{text!r} is not a name server: tls:// takes a host and a port, and no path.")
    found = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]@?#]+)(?::(.*))?", authority)
    if found is None:
        raise UserError(f"{text!r} is not a name server: {authority!r} is not a host with or without a port.")
    try:
        host = ascii_host(found[1])
    except ValueError as error:
        raise UserError(f"{text!r} is not a name server: {error}.") from None
    port = _PORTS[scheme] if found[2] is None else read_port(found[2], "the name server's port", text.find(found[2]), lowest=1)
    return NameServer(host, port, scheme, "" if scheme == "tls" else slash + path if path else _PATH)
