"""Contexts that face servers: whom they trust, what they show, what they share."""

from __future__ import annotations

import builtins
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from OpenSSL import SSL

from interceptor.certs import contexts as contexts_module
from interceptor.certs.authority import Authority
from interceptor.certs.contexts import ClientContexts, KeyLog, OwnCertificates, TlsSettings, UpstreamContexts, system_trust
from interceptor.certs.leaf import mint
from interceptor.specs.errors import UserError
from tests.certs.wire import authority_in, leaf_seen, pair, pump


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority_in(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def server(authority: Authority) -> SSL.Context:
    """A server whose certificate that authority signed, and which asks for client certificates."""
    settings = TlsSettings(request_client_cert=True, tls_version_client_min="UNBOUNDED")
    return ClientContexts(authority, OwnCertificates(), settings, KeyLog()).get(("server.example",), (), False)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def trusting(authority: Authority, client_certs: str | None = None) -> TlsSettings:
    return TlsSettings(ssl_verify_upstream_trusted_ca=str(authority.cert_path), client_certs=client_certs)


def write_pair(path: Path, authority: Authority, name: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(secret + mint(authority, key, [name], None).public_bytes(Encoding.PEM))
    return path


def shake(context: SSL.Context, server: SSL.Context) -> tuple[SSL.Connection, SSL.Connection]:
    ends = pair(context, server)
    pump(*ends)
    return ends


class TestTrust:
    def test_a_file_of_cas(self, authority: Authority, server: SSL.Context) -> None:
        client, _ = shake(UpstreamContexts(trusting(authority), KeyLog()).get(True), server)
        assert client.get_protocol_version_name() == "TLSv1.3"

    def test_a_folder_of_cas(self, authority: Authority, server: SSL.Context, tmp_path: Path) -> None:
        ran = subprocess.run(
            ["openssl", "x509", "-hash", "-noout", "-in", authority.cert_path], capture_output=True, text=True, check=True
        )
        (tmp_path / f"{ran.stdout.strip()}.0").write_bytes(authority.certificate_pem)
        upstream = UpstreamContexts(TlsSettings(ssl_verify_upstream_trusted_confdir=str(tmp_path)), KeyLog())
        shake(upstream.get(True), server)
        assert upstream.trust_source == str(tmp_path)

    def test_an_unknown_ca_is_refused(self, server: SSL.Context, tmp_path: Path) -> None:
        stranger = authority_in(tmp_path)
        with pytest.raises(SSL.Error, match="certificate verify failed"):
            shake(UpstreamContexts(trusting(stranger), KeyLog()).get(True), server)

    def test_unless_nothing_is_verified(self, server: SSL.Context, tmp_path: Path) -> None:
        stranger = authority_in(tmp_path)
        client, _ = shake(UpstreamContexts(trusting(stranger), KeyLog()).get(False), server)
        assert "server.example" in str(leaf_seen(client).subject)

    def test_a_servers_own_certificate_can_be_trusted(self, authority: Authority, server: SSL.Context, tmp_path: Path) -> None:
        client, _ = shake(UpstreamContexts(TlsSettings(), KeyLog()).get(False), server)
        path = tmp_path / "leaf.pem"
        path.write_bytes(leaf_seen(client).public_bytes(Encoding.PEM))
        settings = TlsSettings(ssl_verify_upstream_trusted_ca=str(path))
        shake(UpstreamContexts(settings, KeyLog()).get(True), server)

    def test_the_systems_store_is_the_default(self, server: SSL.Context) -> None:
        bundle = Path("/etc/ssl/certs/ca-certificates.crt")
        upstream = UpstreamContexts(TlsSettings(), KeyLog())
        context = upstream.get(True)
        with pytest.raises(SSL.Error):
            shake(context, server)
        if bundle.exists():
            assert upstream.trust_source == str(bundle)
        lib = SSL._lib  # type: ignore[attr-defined]
        store = lib.SSL_CTX_get_cert_store(context._context)
        assert store != SSL._ffi.NULL  # type: ignore[attr-defined]

    def test_the_systems_store_really_has_its_cas(self, authority: Authority, server: SSL.Context, tmp_path: Path) -> None:
        bundle = tmp_path / "system.crt"
        bundle.write_bytes(authority.certificate_pem)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(contexts_module, "_SYSTEM_BUNDLES", ("/nowhere", str(bundle)))
            shake(UpstreamContexts(TlsSettings(), KeyLog()).get(True), server)

    @pytest.mark.parametrize("option", ["ssl_verify_upstream_trusted_ca", "ssl_verify_upstream_trusted_confdir"])
    def test_what_is_not_there_is_said_when_it_is_set(self, tmp_path: Path, option: str) -> None:
        with pytest.raises(UserError, match=option):
            UpstreamContexts(TlsSettings(**{option: str(tmp_path / "missing")}), KeyLog())  # type: ignore[arg-type]

    def test_a_file_that_holds_none(self, tmp_path: Path) -> None:
        (tmp_path / "x.pem").write_text("hello")
        upstream = UpstreamContexts(TlsSettings(ssl_verify_upstream_trusted_ca=str(tmp_path / "x.pem")), KeyLog())
        with pytest.raises(UserError, match=r"No CA certificates can be read from .*x\.pem"):
            upstream.get(True)


class TestSystemTrust:
    def test_the_environment_comes_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "mine.pem").write_text("x")
        (tmp_path / "0123abcd.0").write_text("x")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "mine.pem"))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
        assert system_trust() == (str(tmp_path / "mine.pem"), str(tmp_path))

    def test_an_environment_that_leads_nowhere_is_ignored(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "bundle").write_text("x")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
        monkeypatch.setattr(contexts_module, "_SYSTEM_BUNDLES", (str(tmp_path / "bundle"),))
        assert system_trust() == (str(tmp_path / "bundle"), None)

    def test_certifi_where_the_system_has_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.take_all_away(monkeypatch)
        cafile, capath = system_trust()
        assert cafile is not None
        assert cafile.endswith("cacert.pem")
        assert capath is None

    def test_nothing_at_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.take_all_away(monkeypatch)
        really_import = builtins.__import__

        def refuse(name: str, *arguments: object) -> object:
            if name == "certifi":
                raise ImportError(name)
            return really_import(name, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(builtins, "__import__", refuse)
        with pytest.raises(UserError, match="install ca-certificates"):
            system_trust()

    def take_all_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        nothing = ssl.DefaultVerifyPaths(None, None, "", "", "", "")  # type: ignore[arg-type]
        monkeypatch.setattr(contexts_module, "_SYSTEM_BUNDLES", ())
        monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nothing)


class TestCache:
    def test_the_same_question_gets_the_same_context(self, authority: Authority) -> None:
        upstream = UpstreamContexts(trusting(authority), KeyLog())
        assert upstream.get(True) is upstream.get(True, "any.example")
        assert upstream.get(True) is not upstream.get(False)

    def test_a_session_is_resumed_through_it(self, authority: Authority, server: SSL.Context) -> None:
        context = UpstreamContexts(trusting(authority), KeyLog()).get(True)
        client, far = shake(context, server)
        far.send(b"x")
        client.bio_write(far.bio_read(65536))
        client.recv(1)
        session = client.get_session()
        assert session is not None
        again, far = pair(context, server)
        again.set_session(session)
        pump(again, far)
        assert SSL._lib.SSL_session_reused(again._ssl) == 1  # type: ignore[attr-defined]


class TestClientCertificates:
    def seen_by_server(self, context: SSL.Context, server: SSL.Context) -> str:
        _, far = shake(context, server)
        certificate = far.get_peer_certificate(as_cryptography=True)
        return str(certificate.subject) if certificate else ""

    def test_one_file_for_all(self, authority: Authority, server: SSL.Context, tmp_path: Path) -> None:
        path = write_pair(tmp_path / "me.pem", authority, "me.example")
        upstream = UpstreamContexts(trusting(authority, client_certs=str(path)), KeyLog())
        assert "me.example" in self.seen_by_server(upstream.get(True, "any.example"), server)
        assert "me.example" in self.seen_by_server(upstream.get(False), server)

    def test_a_folder_by_host(self, authority: Authority, server: SSL.Context, tmp_path: Path) -> None:
        write_pair(tmp_path / "one.example.pem", authority, "first.example")
        write_pair(tmp_path / "two.example.pem", authority, "second.example")
        upstream = UpstreamContexts(trusting(authority, client_certs=str(tmp_path)), KeyLog())
        assert "first.example" in self.seen_by_server(upstream.get(True, "one.example"), server)
        assert "second.example" in self.seen_by_server(upstream.get(True, "two.example"), server)
        assert self.seen_by_server(upstream.get(True, "three.example"), server) == ""
        assert upstream.get(True, "three.example") is upstream.get(True)

    @pytest.mark.parametrize("first", [None, "one.example"])
    def test_they_all_verify(self, authority: Authority, server: SSL.Context, tmp_path: Path, first: str | None) -> None:
        stranger = authority_in(tmp_path / "stranger")
        (tmp_path / "certs").mkdir()
        write_pair(tmp_path / "certs" / "one.example.pem", authority, "first.example")
        good = UpstreamContexts(trusting(authority, client_certs=str(tmp_path / "certs")), KeyLog())
        bad = UpstreamContexts(trusting(stranger, client_certs=str(tmp_path / "certs")), KeyLog())
        for host in (first, None, "one.example"):
            shake(good.get(True, host), server)
            with pytest.raises(SSL.Error, match="certificate verify failed"):
                shake(bad.get(True, host), server)

    @pytest.mark.parametrize("host", ["../certs/one.example", "..\\certs\\one.example", "one.example\0", "", "."])
    def test_a_host_is_no_path(self, authority: Authority, tmp_path: Path, host: str) -> None:
        (tmp_path / "certs").mkdir()
        write_pair(tmp_path / "certs" / "one.example.pem", authority, "first.example")
        upstream = UpstreamContexts(trusting(authority, client_certs=str(tmp_path / "certs")), KeyLog())
        assert upstream.get(True, host) is upstream.get(True)

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"missing\.pem"):
            UpstreamContexts(TlsSettings(client_certs=str(tmp_path / "missing.pem")), KeyLog())


class TestVersions:
    def test_old_servers_on_request(self, server: SSL.Context) -> None:
        settings = TlsSettings(tls_version_server_min="TLS1", tls_version_server_max="TLS1")
        client, _ = shake(UpstreamContexts(settings, KeyLog()).get(False), server)
        assert client.get_protocol_version_name() == "TLSv1"

    def test_x25519_is_offered_first(self, server: SSL.Context) -> None:
        client, _ = shake(UpstreamContexts(TlsSettings(), KeyLog()).get(False), server)
        assert client.get_group_name() == "x25519"

    @pytest.mark.parametrize(
        ("settings", "says"),
        [(TlsSettings(ciphers_server="NONSENSE"), "NONSENSE"), (TlsSettings(tls_ecdh_curve_server="circle"), "circle")],
    )
    def test_nonsense_is_said_at_once(self, settings: TlsSettings, says: str) -> None:
        with pytest.raises(UserError, match=says):
            UpstreamContexts(settings, KeyLog())
