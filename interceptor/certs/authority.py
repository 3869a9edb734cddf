"""The certificate authority: one key and certificate that a person's devices trust, and the files that hold them.

    confdir/interceptor-ca.pem ─▸ Authority (key, certificate, chain) ─▸ leaf.py signs with it, trust.py explains it
                               └▸ interceptor-ca-cert.pem .cer .p12, interceptor-ca.p12   (copies, made again when they differ)

`interceptor-ca.pem` is the only original: key, certificate, and after it any intermediates up to a root of the user's own. It is
written once, whole, under a name nobody else knows, then linked into place: no moment in which others can read it, no half file,
and of two programs that start at the same time one wins and the other one uses what the winner wrote.

The profile is that of RFC 5280: no extended key usage (a CA that has one cannot sign for other purposes), ten
years, RSA-2048 by default because old devices know nothing else. Signing a leaf is the business of `leaf.py`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from interceptor.specs.errors import UserError

CaKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey

NAME: Final = "interceptor"
CA_FILE: Final = "interceptor-ca.pem"
CA_P12_FILE: Final = "interceptor-ca.p12"
CERT_PEM_FILE: Final = "interceptor-ca-cert.pem"
CERT_CER_FILE: Final = "interceptor-ca-cert.cer"
CERT_P12_FILE: Final = "interceptor-ca-cert.p12"
MITMPROXY_CA_FILE: Final = "mitmproxy-ca.pem"

CLOCK_SKEW: Final = timedelta(days=2)
"""How far back certificates are valid, for devices whose clock is slow."""

_CA_LIFETIME: Final = timedelta(days=3652)
_MIN_RSA_BITS: Final = 2048


class Authority:
    """A loaded CA. `chain` is what clients need to get from a leaf to the root that they trust, nearest first: this CA and those
    above it, without roots; so it is empty for a CA that is a root itself."""

    def __init__(self, pem_path: Path, key: CaKey, certificate: x509.Certificate, chain: Sequence[x509.Certificate] = ()) -> None:
        self.pem_path = pem_path
        self.key = key
        self.certificate = certificate
        self.chain = tuple(each for each in (certificate, *chain) if each.issuer != each.subject)

    @classmethod
    def load_or_create(cls, confdir: Path, key_type: str = "rsa", key_size: int = 2048) -> Authority:
        """The CA of that folder, made there if there is none. `key_type` is "rsa" or "ec" (P-256, or P-384 with that
        `key_size`) and counts only when one is made. UserError, in a sentence, if files cannot be read, written or understood."""
        path = confdir / CA_FILE
        try:
            if not path.exists():
                _make_folder(confdir)
                _link_new(path, _new_pem(key_type, key_size))
            authority = cls.load(path)
        except OSError as error:
            raise UserError(f"Cannot use the CA in {confdir} ({error.strerror or error}); set confdir to another.") from error
        authority.write_copies()
        return authority

    @classmethod
    def load(cls, path: Path) -> Authority:
        """The CA in one PEM file: a key and its certificate, in any order, then intermediates. OSError if it cannot be read,
        UserError if it is no CA."""
        pem = path.read_bytes()
        _keep_private(path)
        try:
            # The primality checks that are skipped here cost 30 ms at every start; a wrong key does not pass `_signs_for` below.
            key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
        except (ValueError, TypeError) as error:
            raise UserError(f"{path} holds no readable private key; restore it, or delete it to have a new CA made.") from error
        try:
            certificates = x509.load_pem_x509_certificates(pem)
        except ValueError as error:
            raise UserError(f"{path} holds no readable certificate; restore it, or delete it to have a new CA made.") from error
        if not isinstance(key, CaKey):
            raise UserError(f"{path} has a key of a kind that cannot sign certificates; use RSA, EC or Ed25519.")
        first, *rest = certificates
        if not _signs_for(key, first):
            raise UserError(f"The key in {path} does not belong to its first certificate; put the CA's own certificate first.")
        if not _is_ca(first):
            raise UserError(f"The certificate in {path} is not that of a CA, so browsers would refuse what it signs.")
        return cls(path, key, first, rest)

    @property
    def cert_path(self) -> Path:
        """The certificate alone, PEM: what programs are pointed to."""
        return self.pem_path.with_name(CERT_PEM_FILE)

    @cached_property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @cached_property
    def certificate_der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @cached_property
    def certificate_p12(self) -> bytes:
        return pkcs12.serialize_key_and_certificates(NAME.encode(), None, self.certificate, None, NoEncryption())

    @cached_property
    def fingerprint_sha256(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def common_name(self) -> str:
        """What a list of trusted CAs shows."""
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
            for attribute in self.certificate.subject.get_attributes_for_oid(oid):
                return str(attribute.value)
        return NAME

    @cached_property
    def not_after(self) -> datetime:
        return self.certificate.not_valid_after_utc

    @property
    def is_expired(self) -> bool:
        return datetime.now(UTC) >= self.not_after

    @property
    def signs_quickly(self) -> bool:
        """Whether one signature takes well below a millisecond (RSA-2048: 0.2 ms; RSA-3072: 0.7 ms; RSA-4096: 1.5 ms)."""
        return not isinstance(self.key, rsa.RSAPrivateKey) or self.key.key_size <= _MIN_RSA_BITS

    @cached_property
    def authority_key_identifier(self) -> x509.AuthorityKeyIdentifier:
        """What leaves say about who signed them: the CA's own key identifier where it has one."""
        with suppress(x509.ExtensionNotFound, ValueError):
            own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())

    @property
    def signature_hash(self) -> hashes.SHA256 | hashes.SHA384 | None:
        """What to sign with; None for the kinds of keys that bring their own."""
        if isinstance(self.key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
            return None
        if isinstance(self.key, ec.EllipticCurvePrivateKey) and self.key.curve.key_size > 256:
            return hashes.SHA384()
        return hashes.SHA256()

    def write_copies(self) -> None:
        """The files for devices beside the original, unless they are there and are of this certificate. A folder that may not
        be written to is left as it is: everything works without them."""
        copies = {CERT_PEM_FILE: self.certificate_pem, CERT_CER_FILE: self.certificate_der}
        folder = self.pem_path.parent
        names = (*copies, CERT_P12_FILE, CA_P12_FILE)
        with suppress(OSError):
            if self.cert_path.read_bytes() == self.certificate_pem and all((folder / name).exists() for name in names):
                return
        with suppress(OSError):
            for name, content in copies.items():
                _replace(folder / name, content, 0o644)
            _replace(folder / CERT_P12_FILE, self.certificate_p12, 0o644)
            above = [each for each in self.chain if each != self.certificate]
            both = pkcs12.serialize_key_and_certificates(NAME.encode(), self.key, self.certificate, above, NoEncryption())
            _replace(folder / CA_P12_FILE, both, 0o600)


def take_over_mitmproxy(mitm_confdir: Path, confdir: Path, *, force: bool = False) -> Authority:
    """Makes mitmproxy's CA ours, by copying it, so that devices that trust it need not be set up again. UserError if there is
    none, or if we have one of our own and not `force`; with it, the old one is kept as `interceptor-ca-<start of its
    fingerprint>.pem`."""
    source, target = mitm_confdir / MITMPROXY_CA_FILE, confdir / CA_FILE
    try:
        Authority.load(source)  # so that nothing of ours is touched for a file that is no CA
        content = source.read_bytes()
        if target.exists() and target.read_bytes() != content:
            if not force:
                raise UserError(f"{target} exists and devices may trust it; say force to replace it (a copy is kept).")
            os.replace(target, target.with_name(f"interceptor-ca-{_short_name(target)}.pem"))
        _make_folder(confdir)
        if not target.exists():
            _link_new(target, content)
        ours = Authority.load(target)
    except OSError as error:
        raise UserError(f"Cannot take over the CA in {mitm_confdir}: {error.strerror or error}.") from error
    ours.write_copies()
    return ours


def _short_name(path: Path) -> str:
    """Tells an old CA from others; also for a file that is none."""
    try:
        return Authority.load(path).fingerprint_sha256.replace(":", "")[:8].lower()
    except UserError:
        return secrets.token_hex(4)


def _new_pem(key_type: str, key_size: int) -> bytes:
    key = _new_key(key_type, key_size)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return private + _self_signed(key).public_bytes(Encoding.PEM)


def _new_key(key_type: str, key_size: int) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    match key_type:
        case "ec":
            return ec.generate_private_key(ec.SECP384R1() if key_size == 384 else ec.SECP256R1())
        case "rsa" if key_size >= _MIN_RSA_BITS:
            return rsa.generate_private_key(public_exponent=65537, key_size=key_size)
        case "rsa":
            raise UserError(f"An RSA key of {key_size} bits is refused by today's clients; use {_MIN_RSA_BITS} or more.")
        case _:
            raise UserError(f"There is no kind of CA key named {key_type!r}; use rsa or ec.")


def _self_signed(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, NAME), x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    start = datetime.now(UTC).replace(microsecond=0) - CLOCK_SKEW
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _signs_for(key: CaKey, certificate: x509.Certificate) -> bool:
    """Whether what this key signs is accepted by whoever trusts the certificate: tried, not derived from its numbers."""
    probe = b"interceptor"
    public = certificate.public_key()
    try:
        match key, public:
            case rsa.RSAPrivateKey(), rsa.RSAPublicKey():
                public.verify(key.sign(probe, padding.PKCS1v15(), hashes.SHA256()), probe, padding.PKCS1v15(), hashes.SHA256())
            case ec.EllipticCurvePrivateKey(), ec.EllipticCurvePublicKey():
                public.verify(key.sign(probe, ec.ECDSA(hashes.SHA256())), probe, ec.ECDSA(hashes.SHA256()))
            case ed25519.Ed25519PrivateKey(), ed25519.Ed25519PublicKey():
                public.verify(key.sign(probe), probe)
            case ed448.Ed448PrivateKey(), ed448.Ed448PublicKey():
                public.verify(key.sign(probe), probe)
            case _:
                return False
    except (InvalidSignature, ValueError):
        return False
    return True


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, mode=0o700)


def _keep_private(path: Path) -> None:
    """A CA's key that others can read lets them impersonate every site: what is ours is closed."""
    with suppress(OSError):
        if os.name == "posix" and path.stat().st_mode & 0o077 and path.stat().st_uid == os.getuid():
            path.chmod(0o600)


def _link_new(path: Path, content: bytes) -> None:
    """Puts a private file in place, unless one has appeared meanwhile."""
    temporary = _temporary(path, content, 0o600)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        if not path.exists():
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _replace(path: Path, content: bytes, mode: int) -> None:
    os.replace(_temporary(path, content, mode), path)


def _temporary(path: Path, content: bytes, mode: int) -> Path:
    """A complete file beside `path`, on disk, readable by its owner alone until it is whole."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode != 0o600:
            temporary.chmod(mode)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
