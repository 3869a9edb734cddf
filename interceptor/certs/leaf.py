"""Leaves: the certificate that a client is shown in place of the server's, modelled on what it asked for and on the server's own.

    names that the client used ─┐
    the upstream's certificate ─┴▸ subject and alternative names ─▸ signed by the authority, for a key of this process

A leaf is good for hours, not years: it lives in memory and is minted anew with the process, so its key is never the CA's, and
its lifetime stays below every limit in force (two days back, because clocks differ; 199 days in all). Names that are no names are
left out: what comes from an upstream is hostile, and a certificate that a linter or a client refuses would break the site for its
user. What is asked for comes first and is never crowded out by what the upstream adds.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from threading import Lock
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from interceptor.certs.authority import CLOCK_SKEW, Authority

LeafKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

LIFETIME: Final = timedelta(days=197)
"""From now on; with `CLOCK_SKEW` below the 200 days that public CAs may give since March 2026, and the 397 of private ones."""

MAX_NAMES: Final = 64
"""Alternative names in one leaf: more than a client asks for, and still a packet of handshake and a fraction of a millisecond."""

_MAX_SUBJECT_BYTES: Final = 64  # RFC 5280 appendix A.1, ub-common-name and ub-organization-name
_NOBODY: Final = "nobody.invalid"  # what a leaf is for when nothing that was asked for is a name (RFC 2606)
_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)(?:\*\.(?=[^.]+\.))?"  # a wildcard stands before two labels at least
    r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*"
    r"(?![0-9]+\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
)


def public_key_pin(key: PublicKeyTypes) -> str:
    """Base64 of the SHA-256 of its SubjectPublicKeyInfo, as RFC 7469 §2.4 and Chromium name keys."""
    return b64encode(sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()).decode()


class LeafKeys:
    """The keys of all leaves of this process. The RSA key takes some 40 ms to make and is made when first asked for: ask from
    a thread."""

    def __init__(self) -> None:
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self._rsa: rsa.RSAPrivateKey | None = None
        self._rsa_lock = Lock()

    @property
    def rsa(self) -> rsa.RSAPrivateKey:
        with self._rsa_lock:
            if self._rsa is None:
                self._rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            return self._rsa


def mint(authority: Authority, key: LeafKey, names: Sequence[str], upstream: x509.Certificate | None) -> x509.Certificate:
    """A certificate for `key` that stands for `names` (host names, also international ones, and IP addresses, the one that the
    client used first) and for what `upstream` stands for. Never raises for what names or upstream contain."""
    return sign(authority, key, liken(names, upstream))


@dataclass(frozen=True, slots=True)
class Likeness:
    """Whom a leaf stands for: the same for an EC and an RSA leaf."""

    subject: x509.Name
    names: x509.SubjectAlternativeName


def liken(names: Sequence[str], upstream: x509.Certificate | None) -> Likeness:
    """The subject and the alternative names of a leaf; see `mint`."""
    texts = dict.fromkeys([*names, *(_upstream_names(upstream) if upstream else ())])
    wanted = list(islice(_distinct(general_names(texts)), MAX_NAMES)) or [x509.DNSName(_NOBODY)]
    return Likeness(_subject(wanted[0], upstream), x509.SubjectAlternativeName(wanted))


def sign(authority: Authority, key: LeafKey, likeness: Likeness) -> x509.Certificate:
    """A leaf for that key; 65 µs with an EC authority, 270 µs with RSA-2048."""
    subject = likeness.subject
    start, end = _validity(authority)
    builder = (
        x509.CertificateBuilder(issuer_name=authority.certificate.subject, subject_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    for extension, is_critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        # RSA key transport in TLS 1.2 needs key_encipherment; on an EC key BoringSSL refuses it.
        (_KEY_USAGE_RSA if isinstance(key, rsa.RSAPrivateKey) else _KEY_USAGE_EC, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (likeness.names, not list(subject)),
        (authority.authority_key_identifier, False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=is_critical)
    return builder.sign(authority.key, authority.signature_hash)


def general_names(names: Iterable[str]) -> Iterator[x509.DNSName | x509.IPAddress]:
    """The names among `names` that can stand in a certificate, in order."""
    for name in names:
        if ":" in name or name[-1:].isdigit():  # a host name's last label is never a number, so this spares most a slow parse
            with suppress(ValueError):
                yield x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
                continue
        ascii_name = to_ascii(name)
        if ascii_name is not None:
            yield x509.DNSName(ascii_name)


def to_ascii(name: str) -> str | None:
    """A host name in lower-case A-labels without a final dot, perhaps with `*` as its first label; None if it cannot be one. An
    underscore is let through, since such hosts exist and browsers open them."""
    bare = name.lower().removesuffix(".")
    if not bare.isascii():
        try:
            bare = bare.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    return bare if _HOST.fullmatch(bare) else None


@lru_cache(maxsize=256)
def certificate_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """What a certificate says it stands for, unchecked: its common names, then its DNS and IP alternative names. Remembered,
    because many hosts show the same certificate."""
    names: list[str] = []
    with suppress(ValueError):
        names += [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    with suppress(ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        for each in alternative:
            if isinstance(each, x509.DNSName):
                names.append(each.value)
            elif isinstance(each, x509.IPAddress):
                names.append(str(each.value))
    return tuple(names)


def _distinct(names: Iterable[x509.DNSName | x509.IPAddress]) -> Iterator[x509.DNSName | x509.IPAddress]:
    seen = set()
    for name in names:
        if name not in seen:
            seen.add(name)
            yield name


def _upstream_names(upstream: x509.Certificate) -> list[str]:
    # A common name is often a product's ("OpenWrt"): without a dot it is copied only if the alternative names have it as well.
    common, *others = certificate_names(upstream) or ("",)
    return [common, *others] if "." in common or ":" in common else others


def _subject(first: x509.DNSName | x509.IPAddress, upstream: x509.Certificate | None) -> x509.Name:
    attributes = []
    common_name = str(first.value)
    if len(common_name) <= _MAX_SUBJECT_BYTES:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    organization = _organization(upstream) if upstream else ""
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _organization(upstream: x509.Certificate) -> str:
    """The upstream's organisation as far as a subject can carry it; "" if it names none."""
    with suppress(ValueError):
        for each in upstream.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME):
            if isinstance(each.value, str):
                return "".join(char for char in each.value if char.isprintable())[:_MAX_SUBJECT_BYTES].strip()
    return ""


def _validity(authority: Authority) -> tuple[datetime, datetime]:
    now = datetime.now(UTC).replace(microsecond=0)
    if authority.is_expired:  # nothing that it signs will be trusted; let the client say so rather than fail here
        return now - CLOCK_SKEW, now + LIFETIME
    end = now + LIFETIME - timedelta(seconds=1)  # both ends count (RFC 5280 §4.1.2.5)
    return max(now - CLOCK_SKEW, authority.certificate.not_valid_before_utc), min(end, authority.not_after)


def _usage(*, key_encipherment: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


_KEY_USAGE_EC: Final = _usage(key_encipherment=False)
_KEY_USAGE_RSA: Final = _usage(key_encipherment=True)
