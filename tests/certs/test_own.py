"""Own certificates: which file is shown for which host, and what is said of files that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from interceptor.certs.authority import Authority
from interceptor.certs.contexts import ClientContexts, KeyLog, OwnCertificates, TlsSettings
from interceptor.certs.leaf import mint
from interceptor.specs.errors import UserError
from tests.certs.wire import authority_in, visit


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority_in(tmp_path_factory.mktemp("ca"))


class Files:
    """PEM files in one folder, by name."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder = folder
        self.authority = authority

    def make(self, name: str, *hosts: str, encryption: KeySerializationEncryption | None = None) -> str:
        key = ec.generate_private_key(ec.SECP256R1())
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
        leaf = mint(self.authority, key, hosts, None)
        path = self.folder / f"{name}.pem"
        path.write_bytes(secret + leaf.public_bytes(Encoding.PEM) + self.authority.certificate_pem)
        return str(path)


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> Files:
    return Files(tmp_path, authority)


def found(own: OwnCertificates, *names: str) -> str | None:
    certificate = own.find(names)
    return certificate.path.stem if certificate else None


class TestFinding:
    def test_the_nearest_wins(self, files: Files) -> None:
        own = OwnCertificates(
            [
                files.make("any", "any.example"),
                f"*.example.com={files.make('wide', 'w.example')}",
                f"*.deep.example.com={files.make('deep', 'd.example')}",
                f"www.example.com={files.make('exact', 'e.example')}",
            ]
        )
        assert found(own, "www.example.com") == "exact"
        assert found(own, "WWW.Example.com.") == "exact"
        assert found(own, "api.example.com") == "wide"
        assert found(own, "a.b.example.com") == "wide"
        assert found(own, "a.deep.example.com") == "deep"
        assert found(own, "elsewhere.example") == "any"
        assert found(own, "192.0.2.1") == "any"

    def test_the_pattern_of_a_domain_is_not_for_the_domain_itself(self, files: Files) -> None:
        own = OwnCertificates([f"*.example.com={files.make('wide', 'w.example')}"])
        assert found(own, "example.com") is None
        assert found(own, "notexample.com") is None

    def test_names_within_the_file(self, files: Files) -> None:
        own = OwnCertificates([f"pattern.example={files.make('one', 'inside.example', '*.wild.example', '192.0.2.5')}"])
        assert found(own, "inside.example") == "one"
        assert found(own, "a.wild.example") == "one"
        assert found(own, "192.0.2.5") == "one"
        assert found(own, "a.b.wild.example") is None

    def test_the_first_name_that_has_one(self, files: Files) -> None:
        own = OwnCertificates([f"b.example={files.make('b', 'x.example')}", f"c.example={files.make('c', 'y.example')}"])
        assert found(own, "a.example", "b.example", "c.example") == "b"

    def test_addresses_and_international_names(self, files: Files) -> None:
        own = OwnCertificates(
            [
                f"192.0.2.1={files.make('v4', 'x.example')}",
                f"[2001:db8::1]={files.make('v6', 'y.example')}",
                f"bücher.example={files.make('idna', 'z.example')}",
            ]
        )
        assert found(own, "192.0.2.1") == "v4"
        assert found(own, "2001:db8::1") == "v6"
        assert found(own, "xn--bcher-kva.example") == "idna"

    def test_none(self) -> None:
        assert not OwnCertificates()
        assert found(OwnCertificates(), "example.com") is None


class TestBadInput:
    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"Cannot read the certificate .*No such file"):
            OwnCertificates([f"example.com={tmp_path / 'missing.pem'}"])

    def test_no_certificate(self, tmp_path: Path) -> None:
        (tmp_path / "x.pem").write_text("hello")
        with pytest.raises(UserError, match="holds no certificate"):
            OwnCertificates([str(tmp_path / "x.pem")])

    def test_no_key(self, tmp_path: Path, authority: Authority) -> None:
        (tmp_path / "x.pem").write_bytes(authority.certificate_pem)
        with pytest.raises(UserError, match="no private key"):
            OwnCertificates([str(tmp_path / "x.pem")])

    def test_a_key_of_something_else(self, tmp_path: Path, authority: Authority) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / "x.pem").write_bytes(secret + authority.certificate_pem)
        with pytest.raises(UserError, match="belongs to none"):
            OwnCertificates([str(tmp_path / "x.pem")])

    def test_a_damaged_key(self, tmp_path: Path, authority: Authority) -> None:
        damaged = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
        (tmp_path / "x.pem").write_bytes(damaged + authority.certificate_pem)
        with pytest.raises(UserError, match="cannot be read"):
            OwnCertificates([str(tmp_path / "x.pem")])

    @pytest.mark.parametrize("passphrase", [None, "wrong"])
    def test_an_encrypted_key(self, files: Files, passphrase: str | None) -> None:
        path = files.make("x", "x.example", encryption=BestAvailableEncryption(b"right"))
        with pytest.raises(UserError, match="cert_passphrase"):
            OwnCertificates([path], passphrase)
        assert found(OwnCertificates([path], "right"), "x.example") == "x"

    def test_a_passphrase_does_not_hurt_a_key_without(self, files: Files) -> None:
        assert found(OwnCertificates([files.make("x", "x.example")], "unneeded"), "x.example") == "x"

    @pytest.mark.parametrize("pattern", ["", "a.*.example", "*example", "**"])
    def test_a_pattern_that_is_none(self, files: Files, pattern: str) -> None:
        with pytest.raises(UserError, match="no host pattern"):
            OwnCertificates([f"{pattern}={files.make('x', 'x.example')}"])


class TestShown:
    def test_to_who_asks_for_its_host_and_to_nobody_else(self, files: Files, authority: Authority) -> None:
        path = files.make("site", "site.example", "also.example")
        contexts = ClientContexts(authority, OwnCertificates([f"site.example={path}"]), TlsSettings(), KeyLog())
        own = x509.load_pem_x509_certificates(Path(path).read_bytes())[0]
        shown = visit(authority, contexts.get(("site.example",), (), False), "site.example")
        assert shown.getpeercert(binary_form=True) == own.public_bytes(Encoding.DER)
        minted = visit(authority, contexts.get(("other.example",), (), False), "other.example")
        assert minted.getpeercert(binary_form=True) != own.public_bytes(Encoding.DER)

    def test_one_context_for_all_its_hosts(self, files: Files, authority: Authority) -> None:
        own = OwnCertificates([f"*={files.make('site', 'site.example')}"])
        contexts = ClientContexts(authority, own, TlsSettings(), KeyLog())
        assert contexts.get(("a.example",), (), False) is contexts.get(("b.example",), (), True)

    def test_the_upstreams_names_count_only_if_no_host_was_named(self, files: Files, authority: Authority) -> None:
        own = OwnCertificates([f"site.example={files.make('site', 'site.example')}"])
        contexts = ClientContexts(authority, own, TlsSettings(), KeyLog())
        key = ec.generate_private_key(ec.SECP256R1())
        upstream = mint(authority, key, ["site.example", "other.example"], None).public_bytes(Encoding.DER)
        site = contexts.get(("site.example",), (), False)
        assert contexts.get(("192.0.2.1",), (upstream,), False) is site
        assert contexts.get(("other.example",), (upstream,), False) is not site
