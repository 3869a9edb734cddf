"""JA3 and JA4: short names for how a TLS client greets, by which servers tell programs apart.

Worked out when somebody looks, from the bytes of the ClientHello. JA3 is an MD5 over what is offered, in order; JA4 (FoxIO's
specification, the part for TLS) sorts before it hashes, so that clients which shuffle their extensions keep their name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from interceptor.proxy.client_hello import HelloError, offers_of

_JA4_VERSIONS = {0x0002: "s2", 0x0300: "s3", 0x0301: "10", 0x0302: "11", 0x0303: "12", 0x0304: "13"}
_SERVER_NAME, _ALPN = 0, 16
_NOTHING = "000000000000"


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """`ja3_text` is what JA3 is the MD5 of."""

    ja3: str
    ja3_text: str
    ja4: str


def fingerprints(hello: bytes) -> Fingerprints | None:
    """Of the records that a client sent first; None if there is no whole ClientHello in them."""
    try:
        offers = offers_of(hello)
    except HelloError:
        return None
    if offers is None:
        return None
    suites, extensions = _without_grease(offers.suites), _without_grease(offers.extensions)
    groups, formats = _without_grease(offers.groups), offers.point_formats
    lists = suites, extensions, groups, formats
    ja3_text = ",".join([str(offers.legacy_version), *("-".join(map(str, each)) for each in lists)])
    ja3 = hashlib.md5(ja3_text.encode(), usedforsecurity=False).hexdigest()
    version = max(_without_grease(offers.versions), default=offers.legacy_version)
    named = "d" if _SERVER_NAME in extensions else "i"
    counts = f"{min(len(suites), 99):02}{min(len(extensions), 99):02}"
    first = f"t{_JA4_VERSIONS.get(version, '00')}{named}{counts}{_alpn_mark(offers.alpn[0] if offers.alpn else b'')}"
    kept = sorted(f"{each:04x}" for each in extensions if each not in (_SERVER_NAME, _ALPN))
    schemes = [f"{each:04x}" for each in _without_grease(offers.schemes)]
    second = _short_hash(",".join(sorted(f"{each:04x}" for each in suites)))
    third = _short_hash("_".join(filter(None, [",".join(kept), ",".join(schemes)]))) if kept else _NOTHING
    return Fingerprints(ja3, ja3_text, f"{first}_{second}_{third}")


def _without_grease(numbers: tuple[int, ...]) -> list[int]:
    """GREASE (RFC 8701) is there to be ignored."""
    return [number for number in numbers if not (number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF)]


def _alpn_mark(name: bytes) -> str:
    """First and last letter of the first protocol offered; of its hexadecimal form where these are no letters or digits."""
    if not name:
        return "00"
    ends = name[:1] + name[-1:]
    return ends.decode() if ends.isalnum() else name.hex()[0] + name.hex()[-1]


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else _NOTHING
