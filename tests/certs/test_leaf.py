"""Leaves: what stands in them, whatever a client asks for and an upstream shows."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from interceptor.certs.authority import Authority
from interceptor.certs.leaf import MAX_NAMES, LeafKey, LeafKeys, certificate_names, mint, to_ascii
from tests.certs.wire import authority_in


@pytest.fixture(scope="module")
def keys() -> LeafKeys:
    return LeafKeys()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority_in(tmp_path_factory.mktemp("ca"))


def origin(
    common_name: str | None = None,
    organization: str | None = None,
    names: list[x509.GeneralName] | None = None,
    *extensions: x509.ExtensionType,
) -> x509.Certificate:
    """What an upstream might show; nothing in it is checked by whoever made it."""
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = []
    if common_name is not None:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name, _validate=False))
    if organization is not None:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization, _validate=False))
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
    )
    if names is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    der = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    return x509.load_der_x509_certificate(der)


def subject(leaf: x509.Certificate) -> dict[str, str]:
    return {attribute.rfc4514_attribute_name: str(attribute.value) for attribute in leaf.subject}


def alternative(leaf: x509.Certificate) -> list[str]:
    extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [str(name.value) for name in extension.value]


class TestProfile:
    def test_extensions(self, authority: Authority, keys: LeafKeys) -> None:
        leaf = mint(authority, keys.ec, ["example.com"], None)
        extensions = leaf.extensions
        basic = extensions.get_extension_for_class(x509.BasicConstraints)
        assert (basic.critical, basic.value.ca) == (True, False)
        usage = extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.critical
        assert usage.value.digital_signature
        assert not usage.value.key_encipherment
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]
        assert not extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
        own = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        above = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert above.key_identifier == own.digest

    def test_an_rsa_leaf_may_encipher_keys(self, authority: Authority, keys: LeafKeys) -> None:
        leaf = mint(authority, keys.rsa, ["example.com"], None)
        assert leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_encipherment

    def test_signed_by_the_authority_with_another_key(self, authority: Authority, keys: LeafKeys) -> None:
        leaf = mint(authority, keys.ec, ["example.com"], None)
        leaf.verify_directly_issued_by(authority.certificate)
        assert leaf.public_key() != authority.key.public_key()

    def test_serials_differ(self, authority: Authority, keys: LeafKeys) -> None:
        serials = {mint(authority, keys.ec, ["example.com"], None).serial_number for _ in range(20)}
        assert len(serials) == 20
        assert max(serials).bit_length() > 64

    def test_validity(self, authority: Authority, keys: LeafKeys) -> None:
        leaf = mint(authority, keys.ec, ["example.com"], None)
        now = datetime.now(UTC)
        assert leaf.not_valid_before_utc <= now - timedelta(days=1, hours=23)
        assert now + timedelta(days=190) < leaf.not_valid_after_utc
        assert leaf.not_valid_after_utc - leaf.not_valid_before_utc < timedelta(days=200)

    def test_not_beyond_a_ca_that_ends_soon(self, authority: Authority, keys: LeafKeys) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        short = Authority(Path(), authority.key, self.ca(authority, now - timedelta(hours=1), now + timedelta(days=3)))
        leaf = mint(short, keys.ec, ["example.com"], None)
        assert leaf.not_valid_before_utc == now - timedelta(hours=1)
        assert leaf.not_valid_after_utc == now + timedelta(days=3)

    def test_an_expired_ca_still_mints(self, authority: Authority, keys: LeafKeys) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        expired = Authority(Path(), authority.key, self.ca(authority, now - timedelta(days=9), now - timedelta(days=1)))
        assert mint(expired, keys.ec, ["example.com"], None).not_valid_after_utc > now

    def ca(self, authority: Authority, start: datetime, end: datetime) -> x509.Certificate:
        old = authority.certificate
        return (
            x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), 1)
            .not_valid_before(start)
            .not_valid_after(end)
            .sign(authority.key, hashes.SHA256())
        )


class TestNames:
    def test_what_was_asked_for_comes_first(self, authority: Authority, keys: LeafKeys) -> None:
        leaf = mint(authority, keys.ec, ["example.com", "192.0.2.1", "[2001:db8::1]"], None)
        assert alternative(leaf) == ["example.com", "192.0.2.1", "2001:db8::1"]
        assert subject(leaf) == {"CN": "example.com"}

    def test_addresses_are_addresses(self, authority: Authority, keys: LeafKeys) -> None:
        names = mint(authority, keys.ec, ["192.0.2.1"], None).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert list(names.value) == [x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]

    def test_upstreams_names_follow_once_each(self, authority: Authority, keys: LeafKeys) -> None:
        upstream = origin(
            "origin.example",
            "Origin Ltd",
            [
                x509.DNSName("origin.example"),
                x509.DNSName("*.Example.com"),
                x509.IPAddress(ipaddress.ip_address("192.0.2.9")),
                x509.RFC822Name("someone@example.com"),
            ],
        )
        leaf = mint(authority, keys.ec, ["example.com", "EXAMPLE.com."], upstream)
        assert alternative(leaf) == ["example.com", "origin.example", "*.example.com", "192.0.2.9"]
        assert subject(leaf) == {"CN": "example.com", "O": "Origin Ltd"}

    def test_a_common_name_that_is_a_product_is_not_copied(self, authority: Authority, keys: LeafKeys) -> None:
        upstream = origin("router", None, [x509.DNSName("router.example")])
        assert alternative(mint(authority, keys.ec, ["192.0.2.1"], upstream)) == ["192.0.2.1", "router.example"]

    def test_a_long_first_name_is_no_common_name(self, authority: Authority, keys: LeafKeys) -> None:
        name = f"{'a' * 60}.example.com"
        leaf = mint(authority, keys.ec, [name], None)
        assert alternative(leaf) == [name]
        assert subject(leaf) == {}
        assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical

    def test_nothing_that_is_a_name(self, authority: Authority, keys: LeafKeys) -> None:
        assert alternative(mint(authority, keys.ec, ["", "a b", "\0"], None)) == ["nobody.invalid"]

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("日本.example", "xn--wgv71a.example"),
            ("*.example.com", "*.example.com"),
            ("under_score.example", "under_score.example"),
            ("localhost", "localhost"),
            (f"{'a' * 63}.example", f"{'a' * 63}.example"),
            (f"{'a' * 64}.example", None),
            (".".join(["a" * 49] * 6), None),
            ("*", None),
            ("*.com", None),
            ("a.*.example", None),
            ("w*.example", None),
            ("*.*.example.com", None),
            ("-a.example", None),
            ("a-.example", None),
            ("a..example", None),
            (".example", None),
            ("", None),
            (".", None),
            ("a b.example", None),
            ("a\0.example", None),
            ("a\n", None),
            ("example.com:443", None),
            ("192.0.2.1", None),
            ("example.1", None),
            ("\ud800.example", None),
            ("ü" * 64, None),
        ],
    )
    def test_host_names(self, name: str, expected: str | None) -> None:
        assert to_ascii(name) == expected


class TestHostileUpstream:
    def test_hundreds_of_names_are_capped_and_ours_kept(self, authority: Authority, keys: LeafKeys) -> None:
        upstream = origin(None, None, [x509.DNSName(f"a{number}.example") for number in range(900)])
        names = alternative(mint(authority, keys.ec, ["asked.example"], upstream))
        assert len(names) == MAX_NAMES
        assert names[:2] == ["asked.example", "a0.example"]

    def test_names_that_are_none_are_dropped(self, authority: Authority, keys: LeafKeys) -> None:
        garbage = ["a\0b.example", "good.example", "x" * 300, "", "*", "a b", "-", "../etc/passwd", "*.good.example"]
        upstream = origin("evil\0.example", None, [x509.DNSName(name) for name in garbage])
        names = alternative(mint(authority, keys.ec, ["asked.example"], upstream))
        assert names == ["asked.example", "good.example", "*.good.example"]

    @pytest.mark.filterwarnings("ignore:Attribute's length")
    def test_an_overlong_subject(self, authority: Authority, keys: LeafKeys) -> None:
        upstream = origin("c" * 500 + ".example", "O\0\x1b[31m" + "o" * 500, None)
        leaf = mint(authority, keys.ec, ["asked.example"], upstream)
        assert subject(leaf) == {"CN": "asked.example", "O": "O[31m" + "o" * 59}

    @pytest.mark.parametrize("organization", ["\0\0", "   ", "\x1b"])
    def test_an_organization_of_nothing(self, authority: Authority, keys: LeafKeys, organization: str) -> None:
        leaf = mint(authority, keys.ec, ["asked.example"], origin("o.example", organization, None))
        assert subject(leaf) == {"CN": "asked.example"}

    def test_alternative_names_that_cannot_be_parsed(self, authority: Authority, keys: LeafKeys) -> None:
        broken = x509.UnrecognizedExtension(x509.oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x82\xff")
        upstream = origin("o.example", None, None, broken)
        assert alternative(mint(authority, keys.ec, ["asked.example"], upstream)) == ["asked.example", "o.example"]
        assert certificate_names(upstream) == ("o.example",)

    @pytest.mark.filterwarnings("ignore:Attribute's length")
    @given(st.lists(st.text(max_size=70), max_size=5), st.text(max_size=80), st.text(max_size=80))
    def test_nothing_fails(self, names: list[str], common_name: str, organization: str) -> None:
        clean = [text.encode("utf-8", "replace").decode() for text in (common_name, organization)]
        upstream = origin(clean[0] or None, clean[1] or None, [x509.DNSName("o.example")])
        leaf = mint(FUZZED, KEY, names, upstream)
        assert "o.example" in alternative(x509.load_der_x509_certificate(leaf.public_bytes(Encoding.DER)))


KEY: LeafKey = ec.generate_private_key(ec.SECP256R1())
FUZZED = Authority(Path(), ec.generate_private_key(ec.SECP256R1()), origin("ca", "ca", [x509.DNSName("ca")]))


LINTING = """
import contextlib, importlib, io, json, sys
for line in sys.stdin:
    tool, *arguments = json.loads(line)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        importlib.import_module("pkilint.bin." + tool).main(arguments)
    print(json.dumps(out.getvalue()), flush=True)
"""
Lint = Callable[..., str]


@pytest.fixture(scope="module")
def lint() -> Iterator[Lint]:
    """What the program of pkilint with that name prints. They run in one process, because most of it is their start."""
    command = [sys.executable, "-c", LINTING]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None and program.stdout is not None

        def run(tool: str, *arguments: str) -> str:
            program.stdin.write(json.dumps([tool, *arguments]) + "\n")
            program.stdin.flush()
            line = program.stdout.readline()
            assert line, f"{tool} has ended"
            return str(json.loads(line))

        yield run
        program.stdin.close()


class TestLint:
    """pkilint, as its programs do it: RFC 5280 finds nothing; of the rules for public CAs only those remain that no private CA
    keeps."""

    PUBLIC_ONLY = frozenset(
        {
            # revocation, policies and issuer pages, which a CA that lives on one computer does not have
            "cabf.serverauth.subscriber.revocation_information_absent",
            "msft.end_entity.revocation_information_absent",
            "cabf.serverauth.subscriber.authority_info_access_extension_absent",
            "cabf.serverauth.subscriber.certificate_policies_extension_absent",
            # discouraged there; old clients look at the common name, and chains are built by key identifiers
            "cabf.serverauth.dv.common_name_attribute_present",
            "cabf.serverauth.subscriber.subject_key_identifier_extension_present",
            # of a CA: a country, and what only a note or a warning is about
            "cabf.serverauth.ca.country_attribute_absent",
            "cabf.ca_certificate_no_digital_signature_bit",
            "cabf.serverauth.root.authority_key_identifier_extension_absent",
        }
    )

    def findings(self, lint: Lint, tool: str, *arguments: str) -> set[str]:
        results = json.loads(lint(tool, "lint", "-f", "JSON", *arguments))["results"]
        found = [finding for result in results for finding in result["finding_descriptions"]]
        return {finding["code"] for finding in found if finding["severity"] != "INFO"}

    def written(self, folder: Path, certificate: x509.Certificate) -> str:
        path = folder / "certificate.pem"
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        return str(path)

    @pytest.mark.parametrize("key_type", ["rsa", "ec"])
    def test_the_ca(self, lint: Lint, tmp_path: Path, key_type: str) -> None:
        path = str(authority_in(tmp_path, key_type).cert_path)
        assert self.findings(lint, "lint_pkix_cert", path) == set()
        assert self.findings(lint, "lint_cabf_serverauth_cert", "-t", "ROOT-CA", path) <= self.PUBLIC_ONLY

    @pytest.mark.parametrize("leaf_key", ["ec", "rsa"])
    def test_leaves(self, lint: Lint, tmp_path: Path, keys: LeafKeys, leaf_key: str) -> None:
        authority = authority_in(tmp_path, "rsa")
        names = ["www.example.com", "192.0.2.1", "xn--bcher-kva.example", f"{'a' * 63}.example"]
        path = self.written(tmp_path, mint(authority, getattr(keys, leaf_key), names, origin("o.example", "Ö & Co", None)))
        assert self.findings(lint, "lint_pkix_cert", path) == set()

    def test_a_leaf_without_subject(self, lint: Lint, authority: Authority, keys: LeafKeys, tmp_path: Path) -> None:
        path = self.written(tmp_path, mint(authority, keys.ec, [f"{'a' * 63}.example.com"], None))
        assert self.findings(lint, "lint_pkix_cert", path) == set()

    def test_the_rules_of_public_cas(self, lint: Lint, authority: Authority, keys: LeafKeys, tmp_path: Path) -> None:
        path = self.written(tmp_path, mint(authority, keys.ec, ["www.debian.org", "*.debian.org"], None))
        assert self.findings(lint, "lint_cabf_serverauth_cert", "-t", "DV-FINAL-CERTIFICATE", path) <= self.PUBLIC_ONLY

    def test_the_linter_is_awake(self, lint: Lint, tmp_path: Path) -> None:
        path = self.written(tmp_path, origin("o.example", None, [x509.DNSName("a b")]))
        assert self.findings(lint, "lint_pkix_cert", path)
