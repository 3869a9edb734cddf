"""The CA's files: made once, privately, and understood again; a readable sentence for anything else."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from cryptography.x509.oid import ExtensionOID, NameOID

from interceptor.certs.authority import Authority, take_over_mitmproxy
from interceptor.certs.contexts import ClientContexts, KeyLog, OwnCertificates, TlsSettings
from interceptor.specs.errors import UserError
from tests.certs.wire import authority_in, visit

FILES = {
    "interceptor-ca.pem": 0o600,
    "interceptor-ca.p12": 0o600,
    "interceptor-ca-cert.pem": 0o644,
    "interceptor-ca-cert.cer": 0o644,
    "interceptor-ca-cert.p12": 0o644,
}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def issue(
    name: str,
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
    issuer: tuple[str, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey] | None = None,
    *,
    is_ca: bool = True,
    ends: datetime | None = None,
) -> x509.Certificate:
    """A certificate of somebody else's CA; self-signed without issuer."""
    issuer_name, issuer_key = issuer or (name, key)
    ends = ends or datetime.now(UTC) + timedelta(days=30)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer_name)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=60))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .sign(issuer_key, None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )


def pem(*parts: x509.Certificate | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    pieces = []
    for part in parts:
        if isinstance(part, x509.Certificate):
            pieces.append(part.public_bytes(Encoding.PEM))
        else:
            pieces.append(part.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return b"".join(pieces)


class TestFirstStart:
    def test_all_files_are_made_and_private(self, tmp_path: Path) -> None:
        confdir = tmp_path / "deep" / "conf"
        before = os.umask(0o000)
        try:
            authority_in(confdir)
        finally:
            os.umask(before)
        assert {path.name: mode(path) for path in confdir.iterdir()} == FILES
        assert mode(confdir) == 0o700

    def test_the_key_is_never_readable_by_others(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        created: list[int] = []
        really_open = os.open

        def spy(path: str, flags: int, permissions: int = 0o777) -> int:
            created.append(permissions)
            return really_open(path, flags, permissions)

        monkeypatch.setattr(os, "open", spy)
        authority_in(tmp_path)
        assert created
        assert set(created) == {0o600}

    def test_the_default_is_rsa_2048(self, tmp_path: Path) -> None:
        key = Authority.load_or_create(tmp_path).key
        assert isinstance(key, rsa.RSAPrivateKey)
        assert key.key_size == 2048

    @pytest.mark.parametrize(("size", "curve"), [(2048, "secp256r1"), (256, "secp256r1"), (384, "secp384r1")])
    def test_ec_by_option(self, tmp_path: Path, size: int, curve: str) -> None:
        key = authority_in(tmp_path, "ec", size).key
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert key.curve.name == curve

    @pytest.mark.parametrize(("key_type", "size", "says"), [("dsa", 2048, "rsa or ec"), ("rsa", 1024, "2048 or more")])
    def test_what_cannot_be_is_said_and_nothing_made(self, tmp_path: Path, key_type: str, size: int, says: str) -> None:
        with pytest.raises(UserError, match=says):
            authority_in(tmp_path, key_type, size)
        assert list(tmp_path.iterdir()) == []

    def test_the_profile(self, tmp_path: Path) -> None:
        certificate = authority_in(tmp_path).certificate
        assert certificate.subject == certificate.issuer
        assert {str(each.value) for each in certificate.subject} == {"interceptor"}
        assert certificate.not_valid_before_utc < datetime.now(UTC) - timedelta(days=1)
        lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert timedelta(days=3650) < lifetime < timedelta(days=3654)
        critical = {each.oid: each.critical for each in certificate.extensions}
        assert critical == {
            ExtensionOID.BASIC_CONSTRAINTS: True,
            ExtensionOID.KEY_USAGE: True,
            ExtensionOID.SUBJECT_KEY_IDENTIFIER: False,
        }

    def test_of_two_that_start_at_once_both_use_the_same(self, tmp_path: Path) -> None:
        start = threading.Barrier(4)
        fingerprints: list[str] = []

        def begin() -> None:
            start.wait()
            fingerprints.append(authority_in(tmp_path).fingerprint_sha256)

        threads = [threading.Thread(target=begin) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(fingerprints) == 4
        assert set(fingerprints) == {Authority.load(tmp_path / "interceptor-ca.pem").fingerprint_sha256}
        assert {path.name for path in tmp_path.iterdir()} == set(FILES)

    def test_a_file_system_without_hard_links(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        authority_in(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == set(FILES)


class TestCopies:
    def test_all_hold_the_certificate(self, tmp_path: Path) -> None:
        authority = authority_in(tmp_path)
        certificate = authority.certificate
        assert x509.load_pem_x509_certificate(authority.cert_path.read_bytes()) == certificate
        assert x509.load_der_x509_certificate((tmp_path / "interceptor-ca-cert.cer").read_bytes()) == certificate
        assert b"PRIVATE" not in authority.cert_path.read_bytes()
        key, _, others = pkcs12.load_key_and_certificates((tmp_path / "interceptor-ca-cert.p12").read_bytes(), None)
        assert key is None
        assert others == [certificate]
        key, first, _ = pkcs12.load_key_and_certificates((tmp_path / "interceptor-ca.p12").read_bytes(), None)
        assert first == certificate
        assert key is not None

    @pytest.mark.parametrize("name", [name for name in FILES if name != "interceptor-ca.pem"])
    def test_one_that_was_deleted_comes_back(self, tmp_path: Path, name: str) -> None:
        authority_in(tmp_path)
        (tmp_path / name).unlink()
        authority_in(tmp_path)
        assert mode(tmp_path / name) == FILES[name]

    def test_those_of_another_ca_are_replaced(self, tmp_path: Path) -> None:
        authority_in(tmp_path / "a")
        other = authority_in(tmp_path / "b")
        shutil.copy(other.pem_path, tmp_path / "a" / "interceptor-ca.pem")
        authority_in(tmp_path / "a")
        assert (tmp_path / "a" / "interceptor-ca-cert.cer").read_bytes() == other.certificate_der

    def test_they_are_not_written_at_every_start(self, tmp_path: Path) -> None:
        authority_in(tmp_path)
        before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        authority_in(tmp_path)
        assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before

    def test_a_folder_that_cannot_be_written_does_no_harm(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        made = authority_in(tmp_path)
        made.cert_path.unlink()

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)
        assert authority_in(tmp_path).fingerprint_sha256 == made.fingerprint_sha256


class TestLoading:
    def test_the_same_ca_again(self, tmp_path: Path) -> None:
        first, second = authority_in(tmp_path), authority_in(tmp_path)
        assert first.certificate == second.certificate
        assert first.fingerprint_sha256 == second.fingerprint_sha256

    def test_what_it_says_of_itself(self, tmp_path: Path) -> None:
        authority = authority_in(tmp_path)
        digest = authority.certificate.fingerprint(hashes.SHA256())
        assert authority.fingerprint_sha256 == ":".join(f"{byte:02X}" for byte in digest)
        assert authority.pem_path == tmp_path / "interceptor-ca.pem"
        assert authority.cert_path == tmp_path / "interceptor-ca-cert.pem"
        assert authority.not_after == authority.certificate.not_valid_after_utc
        assert authority.common_name == "interceptor"
        assert not authority.is_expired

    def test_a_key_that_others_could_read_is_closed(self, tmp_path: Path) -> None:
        path = authority_in(tmp_path).pem_path
        path.chmod(0o644)
        authority_in(tmp_path)
        assert mode(path) == 0o600

    def test_an_expired_one_is_loaded_and_says_so(self, tmp_path: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        old = issue("old", key, ends=datetime.now(UTC) - timedelta(seconds=5))
        (tmp_path / "interceptor-ca.pem").write_bytes(pem(key, old))
        assert authority_in(tmp_path).is_expired

    @pytest.mark.parametrize(
        "content", [b"", b"hello", b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"]
    )
    def test_a_corrupt_file(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "interceptor-ca.pem").write_bytes(content)
        with pytest.raises(UserError, match=r"interceptor-ca\.pem holds no readable private key; restore it"):
            authority_in(tmp_path)
        assert (tmp_path / "interceptor-ca.pem").read_bytes() == content

    def test_a_key_alone(self, tmp_path: Path) -> None:
        (tmp_path / "interceptor-ca.pem").write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
        with pytest.raises(UserError, match="no readable certificate"):
            authority_in(tmp_path)

    def test_an_encrypted_key(self, tmp_path: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x"))
        (tmp_path / "interceptor-ca.pem").write_bytes(secret + pem(issue("custom", key)))
        with pytest.raises(UserError, match="no readable private key"):
            authority_in(tmp_path)

    def test_a_key_of_another_certificate(self, tmp_path: Path) -> None:
        key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        (tmp_path / "interceptor-ca.pem").write_bytes(pem(key, issue("custom", other)))
        with pytest.raises(UserError, match="does not belong"):
            authority_in(tmp_path)

    def test_an_rsa_key_with_damaged_numbers(self, tmp_path: Path) -> None:
        good = Authority.load_or_create(tmp_path)
        assert isinstance(good.key, rsa.RSAPrivateKey)
        numbers = good.key.private_numbers()
        damaged = rsa.RSAPrivateNumbers(
            numbers.p, numbers.q, numbers.d ^ 4, numbers.dmp1 ^ 4, numbers.dmq1, numbers.iqmp, numbers.public_numbers
        ).private_key(unsafe_skip_rsa_key_validation=True)
        text = damaged.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + good.certificate_pem
        good.pem_path.write_bytes(text)
        with pytest.raises(UserError, match="does not belong"):
            Authority.load_or_create(tmp_path)

    def test_a_certificate_that_is_no_ca(self, tmp_path: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        (tmp_path / "interceptor-ca.pem").write_bytes(pem(key, issue("leaf", key, is_ca=False)))
        with pytest.raises(UserError, match="not that of a CA"):
            authority_in(tmp_path)

    def test_a_folder_in_place_of_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "interceptor-ca.pem").mkdir()
        with pytest.raises(UserError, match=r"Cannot use the CA in .*Is a directory"):
            authority_in(tmp_path)

    def test_a_file_in_place_of_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "conf").write_bytes(b"")
        with pytest.raises(UserError, match="confdir"):
            authority_in(tmp_path / "conf")


class TestCustom:
    def test_intermediates_are_shown_and_the_root_is_not(self, tmp_path: Path) -> None:
        root_key, middle_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        root = issue("root", root_key)
        middle = issue("middle", middle_key, ("root", root_key))
        custom = issue("custom", key, ("middle", middle_key))
        (tmp_path / "interceptor-ca.pem").write_bytes(pem(key, custom, middle, root))
        authority = authority_in(tmp_path)
        assert authority.certificate == custom
        assert authority.chain == (custom, middle)
        contexts = ClientContexts(authority, OwnCertificates(), TlsSettings(), KeyLog())
        trusts_the_root = Authority(tmp_path / "root.pem", root_key, root)
        client = visit(trusts_the_root, contexts.get(("example.com",), (), False), "example.com", verify_flags=0)
        assert client.version() == "TLSv1.3"

    def test_an_ed25519_ca(self, tmp_path: Path) -> None:
        key = ed25519.Ed25519PrivateKey.generate()
        (tmp_path / "interceptor-ca.pem").write_bytes(pem(key, issue("modern", key)))
        authority = authority_in(tmp_path)
        contexts = ClientContexts(authority, OwnCertificates(), TlsSettings(), KeyLog())
        client = visit(authority, contexts.get(("example.com",), (), False), "example.com", verify_flags=0)
        assert client.version() == "TLSv1.3"

    def test_what_signs_quickly(self, tmp_path: Path) -> None:
        certificate = authority_in(tmp_path).certificate
        sizes = {2048: True, 3072: False}
        for size, is_quick in sizes.items():
            key = rsa.generate_private_key(65537, size)
            assert Authority(tmp_path, key, certificate).signs_quickly is is_quick
        assert Authority(tmp_path, ec.generate_private_key(ec.SECP384R1()), certificate).signs_quickly


class TestTakeover:
    @pytest.fixture
    def theirs(self, tmp_path: Path) -> Path:
        folder = tmp_path / ".mitmproxy"
        folder.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        (folder / "mitmproxy-ca.pem").write_bytes(pem(key, issue("mitmproxy", key)))
        return folder

    def test_their_ca_becomes_ours(self, tmp_path: Path, theirs: Path) -> None:
        taken = take_over_mitmproxy(theirs, tmp_path / "ours")
        again = authority_in(tmp_path / "ours")
        assert again.fingerprint_sha256 == taken.fingerprint_sha256
        assert again.common_name == "mitmproxy"
        assert {path.name: mode(path) for path in (tmp_path / "ours").iterdir()} == FILES

    def test_an_own_ca_is_not_overwritten(self, tmp_path: Path, theirs: Path) -> None:
        own = authority_in(tmp_path / "ours")
        with pytest.raises(UserError, match="force"):
            take_over_mitmproxy(theirs, tmp_path / "ours")
        assert authority_in(tmp_path / "ours").fingerprint_sha256 == own.fingerprint_sha256

    def test_with_force_the_own_one_is_kept_aside(self, tmp_path: Path, theirs: Path) -> None:
        own = authority_in(tmp_path / "ours")
        taken = take_over_mitmproxy(theirs, tmp_path / "ours", force=True)
        assert authority_in(tmp_path / "ours").fingerprint_sha256 == taken.fingerprint_sha256
        kept = tmp_path / "ours" / f"interceptor-ca-{own.fingerprint_sha256.replace(':', '')[:8].lower()}.pem"
        assert Authority.load(kept).fingerprint_sha256 == own.fingerprint_sha256
        assert mode(kept) == 0o600

    def test_twice_is_no_conflict(self, tmp_path: Path, theirs: Path) -> None:
        take_over_mitmproxy(theirs, tmp_path / "ours")
        take_over_mitmproxy(theirs, tmp_path / "ours")
        assert {path.name for path in (tmp_path / "ours").iterdir()} == set(FILES)

    def test_none_there(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="Cannot take over"):
            take_over_mitmproxy(tmp_path / "nowhere", tmp_path / "ours")
        assert not (tmp_path / "ours").exists()
