"""Certificates of the user's own (option `certs`): shown to clients in place of minted ones.

    "example.com=site.pem" ─▸ key, certificate, chain ─▸ found by the names that a client asks for

A file is found by the pattern before its `=` (`*`, `*.example.com`, a name or an address) and by the names within it. The nearest
wins: a name given exactly, then one that the certificate itself has, then patterns from the longest to `*`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from interceptor.certs.leaf import certificate_names, to_ascii
from interceptor.specs.errors import UserError

OwnKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


@dataclass(frozen=True, eq=False, slots=True)
class OwnCertificate:
    """A certificate with its key, and the certificates above it, nearest first."""

    path: Path
    key: OwnKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]


class OwnCertificates:
    """What the `certs` option says, read when it is set. Each of `certs` is `[pattern=]path`; without a pattern it is for all
    hosts. UserError if a file cannot be read or used."""

    def __init__(self, certs: Sequence[str] = (), passphrase: str | None = None) -> None:
        self._by_pattern: dict[str, OwnCertificate] = {}
        self._by_own_name: dict[str, OwnCertificate] = {}
        for text in certs:
            pattern, equals, path = text.partition("=")
            if not equals:
                pattern, path = "*", text
            own = load_own(Path(path).expanduser(), passphrase)
            self._by_pattern[_pattern(pattern.strip(), text)] = own
            for name in certificate_names(own.certificate):
                self._by_own_name.setdefault(_key(name), own)

    def __bool__(self) -> bool:
        return bool(self._by_pattern)

    def find(self, names: Sequence[str]) -> OwnCertificate | None:
        """The certificate for the first of `names` that has one."""
        if not self._by_pattern:
            return None
        for name in names:
            for table, key in self._places(_key(name)):
                if key in table:
                    return table[key]
        return self._by_pattern.get("*")

    def _places(self, name: str) -> Iterator[tuple[dict[str, OwnCertificate], str]]:
        yield self._by_pattern, name
        yield self._by_own_name, name
        _, _, parent = name.partition(".")
        yield self._by_own_name, f"*.{parent}"
        while parent:
            yield self._by_pattern, f"*.{parent}"
            _, _, parent = parent.partition(".")


def load_own(path: Path, passphrase: str | None) -> OwnCertificate:
    """A PEM file with a key and its certificate, then perhaps a chain. UserError, in a sentence, if it is not that."""
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read the certificate {path} ({error.strerror or error}); name a PEM file.") from error
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise UserError(f"{path} holds no certificate; it must be a PEM file with a certificate and its key.") from error
    key = _load_key(pem, path, passphrase)
    public = key.public_key()
    for certificate in certificates:
        if certificate.public_key() == public:
            chain = tuple(each for each in certificates if each is not certificate and each.issuer != each.subject)
            return OwnCertificate(path, key, certificate, chain)
    raise UserError(f"The key in {path} belongs to none of its certificates; put the matching pair into one file.")


def _load_key(pem: bytes, path: Path, passphrase: str | None) -> OwnKey:
    if b"PRIVATE KEY-----" not in pem:
        raise UserError(f"{path} holds no private key; append the certificate's key to it in PEM form.")
    password = passphrase.encode() if passphrase else None
    is_encrypted = b"ENCRYPTED" in pem
    try:
        key = serialization.load_pem_private_key(pem, password if is_encrypted else None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError) as error:
        if is_encrypted:
            raise UserError(f"The key in {path} is encrypted; set cert_passphrase to its passphrase.") from error
        raise UserError(f"The private key in {path} cannot be read; it must be an RSA, EC or Ed25519 key, PEM.") from error
    if not isinstance(key, OwnKey):
        raise UserError(f"The key in {path} is of a kind that TLS does not use; use RSA, EC or Ed25519.")
    return key


def _pattern(pattern: str, text: str) -> str:
    if pattern == "*":
        return pattern
    key = _key(pattern)
    if not key or "*" in key.removeprefix("*."):
        raise UserError(f"{pattern!r} in {text!r} is no host pattern; use a host name, *.example.com or *.")
    return key


def _key(name: str) -> str:
    return to_ascii(name) or name.strip("[]").lower()
