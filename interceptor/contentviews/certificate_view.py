"""Certificates (X.509), in PEM or DER: whom they name, who signed them, how long they hold."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from interceptor.contentviews.rendered import Line, NotThisView, Rendered
from interceptor.contentviews.visible import styled

MOST_CERTIFICATES: Final = 100
_LARGEST: Final = 256 * 1024
_PEM: Final = re.compile(rb"-----BEGIN (?:X509 )?CERTIFICATE-----[^-]{1,400000}-----END (?:X509 )?CERTIFICATE-----")


def looks_like_certificate(body: bytes) -> bool:
    return body[:4096].lstrip().startswith(b"-----BEGIN CERTIFICATE-----")


def show_certificate(body: bytes) -> Rendered:
    lines: list[Line] = []
    count = 0
    for source in _sources(body):
        if count == MOST_CERTIFICATES:
            lines.append([("marker", f"… only the first {MOST_CERTIFICATES} are shown")])
            break
        lines += [*_certificate(source), []]
        count += 1
    if not count:
        raise NotThisView("no certificate, neither as PEM nor as DER")
    return Rendered("certificate", "Certificate" if count == 1 else f"{count} certificates", lines)


def _sources(body: bytes) -> Iterator[bytes]:
    if body[:1] == b"\x30":
        if len(body) > _LARGEST:
            raise NotThisView("too large for a certificate")
        yield body
        return
    for found in _PEM.finditer(body):
        yield found[0]


def _certificate(source: bytes) -> list[Line]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = x509.load_der_x509_certificate(source) if source[:1] == b"\x30" else x509.load_pem_x509_certificate(source)
            subject, issuer = found.subject.rfc4514_string(), found.issuer.rfc4514_string()
            key = found.public_key()
            first, last = found.not_valid_before_utc, found.not_valid_after_utc
            serial, fingerprint = found.serial_number, found.fingerprint(hashes.SHA256()).hex(":")
        except Exception as error:  # the library raises many kinds for what it cannot read
            raise NotThisView(f"not a certificate: {error}") from None
        names = _names(found)
    kind = type(key).__name__.removeprefix("_").removesuffix("PublicKey")
    size = f"{kind} {key.key_size}" if isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)) else kind
    rows = [("Subject", subject), ("Issuer", issuer), ("Valid", f"{_moment(first)} to {_moment(last)}"), ("Names", names)]
    rows += [("Key", size), ("Serial", f"{serial:x}"), ("SHA-256", fingerprint)]
    return [[("key", f"{name + ':':<9}"), *styled("string", value)] for name, value in rows if value]


def _names(certificate: object) -> str:
    from cryptography import x509

    assert isinstance(certificate, x509.Certificate)
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return ", ".join(str(name.value) for name in extension.value)
    except Exception:  # none, or one that cannot be read
        return ""


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
