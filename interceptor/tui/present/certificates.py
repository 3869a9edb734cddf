"""A chain of certificates in words. They come from the peer and may be anything at all: what cannot be parsed is said to be so.

Parsing happens when somebody looks, once for each certificate; `cryptography` is imported then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from interceptor.tui.present.paragraphs import Paragraph, fields, note, section
from interceptor.tui.present.text import Line, format_duration, moment, readable

if TYPE_CHECKING:
    from cryptography import x509

_MOST_NAMES: Final = 50
_MOST_CERTIFICATES: Final = 12
_DAY: Final = 86400.0


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: float
    not_after: float
    serial: str
    key: str
    signature: str
    fingerprint: str
    is_authority: bool


def chain(certificates: Sequence[bytes], title: str, now: float) -> list[Paragraph]:
    """DER, leaf first."""
    paragraphs: list[Paragraph] = []
    count = len(certificates)
    for number, der in enumerate(certificates[:_MOST_CERTIFICATES], 1):
        facts = parse(der)
        position = f"{number} of {count}" if count > 1 else ""
        paragraphs += section(title, position)
        if isinstance(facts, str):
            paragraphs.append(note(f"This certificate of {len(der)} bytes cannot be parsed: {facts}", "error"))
            paragraphs += fields([("SHA-256", _grouped(hashlib.sha256(der).hexdigest()))])
        else:
            paragraphs += fields(_pairs(facts, now))
    if count > _MOST_CERTIFICATES:
        paragraphs.append(note(f"… and {count - _MOST_CERTIFICATES} more certificates"))
    return paragraphs


def _pairs(facts: CertificateFacts, now: float) -> list[tuple[str, Line | str]]:
    pairs: list[tuple[str, Line | str]] = [("Subject", facts.subject), ("Issuer", facts.issuer)]
    if facts.subject == facts.issuer:
        pairs[1] = ("Issuer", [("note", "itself")])
    if facts.names:
        more = len(facts.names) - _MOST_NAMES
        shown = ", ".join(map(readable, facts.names[:_MOST_NAMES]))
        pairs.append(("Names", [("field value", shown), *([("note", f" … and {more} more")] if more > 0 else [])]))
    pairs.append(("Valid from", _when(facts.not_before, now, "", "not yet: {} from now")))
    pairs.append(("Valid until", _when(facts.not_after, now, "expired {} ago", "{} left")))
    pairs += [("Key", facts.key), ("Signed with", facts.signature), ("Serial", facts.serial)]
    if facts.is_authority:
        pairs.append(("Authority", "yes"))
    return [*pairs, ("SHA-256", facts.fingerprint)]


def _when(timestamp: float, now: float, past: str, future: str) -> Line:
    """A moment, and how far it is away in the words for its side of now; a bad sign is in a style of its own."""
    distance = abs(now - timestamp)
    far = f"{distance / _DAY:.0f} days" if distance >= 2 * _DAY else format_duration(distance)
    words = (past if timestamp < now else future).format(far)
    is_bad = words.startswith(("expired", "not yet"))
    return [("field value", moment(timestamp)), *([("error" if is_bad else "note", f"  {words}")] if words else [])]


@lru_cache(maxsize=128)
def parse(der: bytes) -> CertificateFacts | str:
    """The facts, or why there are none."""
    from cryptography import x509

    try:
        return _facts(x509.load_der_x509_certificate(der), der)
    except Exception as error:  # hostile input in a library's hands: ValueError, x509's own, overflows
        return readable(str(error)) or type(error).__name__


def _facts(certificate: x509.Certificate, der: bytes) -> CertificateFacts:
    from cryptography import x509

    names: tuple[str, ...] = ()
    is_authority = False
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names = tuple(str(name.value) for name in extension.value)
        elif isinstance(extension.value, x509.BasicConstraints):
            is_authority = extension.value.ca
    signed = certificate.signature_hash_algorithm
    return CertificateFacts(
        subject=certificate.subject.rfc4514_string() or "(empty)",
        issuer=certificate.issuer.rfc4514_string() or "(empty)",
        names=names,
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
        serial=f"{certificate.serial_number:x}",
        key=_key(certificate),
        signature=signed.name.upper() if signed is not None else certificate.signature_algorithm_oid.dotted_string,
        fingerprint=_grouped(hashlib.sha256(der).hexdigest()),
        is_authority=is_authority,
    )


def _key(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA, {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC, {key.curve.name}"
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA, {key.key_size} bits"
    return type(key).__name__.removesuffix("PublicKey")


def _grouped(digits: str) -> str:
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2)).upper()
