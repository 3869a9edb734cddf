"""Guides: complete, right in their details, and the same for terminal and page."""

from __future__ import annotations

import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from interceptor.certs.authority import Authority
from interceptor.certs.trust import PAGE, android_system_name, ca_report, guides, instructions
from interceptor.specs.errors import UserError
from tests.certs.wire import authority_in


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority_in(tmp_path_factory.mktemp("with space"))


def ending(authority: Authority, end: datetime) -> Authority:
    """The same CA with another end."""
    old = authority.certificate
    certificate = (
        x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), 1)
        .not_valid_before(end - timedelta(days=100))
        .not_valid_after(end)
        .sign(authority.key, hashes.SHA256())
    )
    return Authority(authority.pem_path, authority.key, certificate)


class TestInstructions:
    @pytest.mark.parametrize(
        ("platform", "says"),
        [
            ("debian", "update-ca-certificates"),
            ("fedora", "update-ca-trust"),
            ("arch", "trust anchor --store"),
            ("chrome", ".pki/nssdb"),
            ("macos", "security add-trusted-cert"),
            ("windows", "certutil -addstore -user Root"),
            ("ios", "Certificate Trust Settings"),
            ("android", "ERR_CERTIFICATE_TRANSPARENCY_REQUIRED"),
            ("firefox", "Authorities"),
            ("java", "keytool -importcert"),
            ("node", "NODE_EXTRA_CA_CERTS"),
            ("python", "REQUESTS_CA_BUNDLE"),
            ("python", "SSL_CERT_FILE"),
            ("curl", "--cacert"),
        ],
    )
    def test_each_platform(self, authority: Authority, platform: str, says: str) -> None:
        text = instructions(authority, platform)
        assert says in text
        assert says in instructions(authority)
        assert len(text) < len(instructions(authority))

    def test_a_group_gives_all_of_it(self, authority: Authority) -> None:
        text = instructions(authority, "Linux")
        assert "Debian" in text
        assert "Fedora" in text
        assert "Android" not in text

    def test_an_unknown_platform(self, authority: Authority) -> None:
        with pytest.raises(UserError, match=r"amiga.*linux"):
            instructions(authority, "amiga")

    def test_here_commands_name_the_files_where_they_lie(self, authority: Authority) -> None:
        command = next(step.command for guide in guides(authority) if guide.name == "node" for step in guide.steps)
        assert shlex.split(command)[1] == f"NODE_EXTRA_CA_CERTS={authority.cert_path}"

    def test_for_a_download_they_name_no_folder_of_this_computer(self, authority: Authority) -> None:
        commands = [step.command for guide in guides(authority, is_download=True) for step in guide.steps]
        assert not any(str(authority.pem_path.parent) in command for command in commands)
        assert any("NODE_EXTRA_CA_CERTS=interceptor-ca-cert.pem" in command for command in commands)

    def test_commands_never_name_the_private_key(self, authority: Authority) -> None:
        assert "interceptor-ca.p" not in instructions(authority)

    def test_androids_name_is_the_one_that_openssl_computes(self, authority: Authority) -> None:
        command = ["openssl", "x509", "-subject_hash_old", "-noout", "-in", str(authority.cert_path)]
        computed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        assert android_system_name(authority) == f"{computed}.0"


class TestReport:
    def test_it_says_where_what_and_how(self, authority: Authority) -> None:
        report = ca_report(authority)
        for part in (str(authority.cert_path), authority.fingerprint_sha256, PAGE, "EC secp256r1", "interceptor ca install"):
            assert part in report
        assert "expired" not in report
        assert "days left" not in report

    def test_the_kind_of_key(self, tmp_path: Path) -> None:
        assert "RSA 2048" in ca_report(authority_in(tmp_path, "rsa"))

    def test_an_expired_one(self, authority: Authority) -> None:
        assert "expired" in ca_report(ending(authority, datetime.now(UTC) - timedelta(days=1)))

    def test_one_that_ends_soon(self, authority: Authority) -> None:
        assert "9 days left" in ca_report(ending(authority, datetime.now(UTC) + timedelta(days=9, hours=1)))
