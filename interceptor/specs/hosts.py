"""Host names and ports, as a person types them."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from interceptor.specs.errors import UserError

_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE | re.ASCII)
_DEVIATIONS: Final = frozenset("ßς\u200c\u200d")
"""Letters that IDNA 2003 replaced and IDNA 2008 keeps (RFC 5891 §1): the old mapping would lead to another host."""


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


def read_port(text: str, what: str, position: int, lowest: int) -> int:
    """UserError if it is none; `what` is its name in the sentence."""
    if not re.fullmatch("[0-9]{1,5}", text) or not lowest <= int(text) <= 65535:
        raise UserError(f"{text!r} is not a port ({what}): it is a number from {lowest} to 65535.", position)
    return int(text)
