"""Contexts: real handshakes in memory against clients that trust the CA alone."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from interceptor.certs.authority import Authority
from interceptor.certs.contexts import ClientContexts, KeyLog, OwnCertificates, TlsSettings
from interceptor.certs.leaf import LeafKeys, mint
from interceptor.specs.errors import UserError
from tests.certs.wire import authority_in, leaf_seen, pair, pump, visit


@pytest.fixture(scope="module")
def keys() -> LeafKeys:
    return LeafKeys()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority_in(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def contexts(authority: Authority, keys: LeafKeys) -> ClientContexts:
    return ClientContexts(authority, OwnCertificates(), TlsSettings(), KeyLog(), keys)


def certificate_of(client: ssl.SSLObject) -> x509.Certificate:
    der = client.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


def test_a_modern_client_gets_tls_13_and_an_ec_leaf(authority: Authority, contexts: ClientContexts) -> None:
    client = visit(authority, contexts.get(("example.com",), (), False), "example.com")
    assert client.version() == "TLSv1.3"
    assert isinstance(certificate_of(client).public_key(), ec.EllipticCurvePublicKey)


def test_a_client_that_knows_only_rsa_gets_an_rsa_leaf(authority: Authority, contexts: ClientContexts) -> None:
    context = contexts.get(("example.com",), (), True)
    only_rsa = {"ciphers": "ECDHE-RSA-AES128-GCM-SHA256", "maximum_version": ssl.TLSVersion.TLSv1_2}
    client = visit(authority, context, "example.com", **only_rsa)
    assert client.cipher() == ("ECDHE-RSA-AES128-GCM-SHA256", "TLSv1.2", 128)
    assert isinstance(certificate_of(client).public_key(), rsa.RSAPublicKey)


def test_the_same_context_still_serves_ec_to_who_knows_it(authority: Authority, contexts: ClientContexts) -> None:
    context = contexts.get(("example.com",), (), True)
    only_ec = {"ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256", "maximum_version": ssl.TLSVersion.TLSv1_2}
    client = visit(authority, context, "example.com", **only_ec)
    assert isinstance(certificate_of(client).public_key(), ec.EllipticCurvePublicKey)


@pytest.mark.parametrize("name", ["192.0.2.7", "2001:db8::7", "bücher.example", "under_score.example.com", "localhost"])
def test_addresses_and_unusual_names_verify(authority: Authority, contexts: ClientContexts, name: str) -> None:
    assert visit(authority, contexts.get((name,), (), False), name).version() == "TLSv1.3"


def test_an_rsa_authority_works_the_same(tmp_path: Path, keys: LeafKeys) -> None:
    authority = authority_in(tmp_path, "rsa")
    contexts = ClientContexts(authority, OwnCertificates(), TlsSettings(), KeyLog(), keys)
    assert visit(authority, contexts.get(("example.com",), (), False), "example.com").version() == "TLSv1.3"


def test_a_client_that_does_not_trust_us_refuses(tmp_path: Path, contexts: ClientContexts) -> None:
    other = authority_in(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        visit(other, contexts.get(("example.com",), (), False), "example.com")


def test_the_upstreams_names_are_in_the_leaf(authority: Authority, contexts: ClientContexts) -> None:
    upstream = mint(authority, ec.generate_private_key(ec.SECP256R1()), ["origin.example", "*.origin.example"], None)
    context = contexts.get(("192.0.2.1",), (upstream.public_bytes(Encoding.DER),), False)
    assert visit(authority, context, "www.origin.example").version() == "TLSv1.3"
    assert visit(authority, context, "192.0.2.1").version() == "TLSv1.3"


@pytest.mark.parametrize("garbage", [b"", b"\x30\x03garbage", b"\x30" * 40_000])
def test_an_upstream_certificate_that_is_none_is_ignored(
    authority: Authority, contexts: ClientContexts, garbage: bytes
) -> None:
    assert visit(authority, contexts.get(("example.com",), (garbage,), False), "example.com").version() == "TLSv1.3"


class TestAlpn:
    def choose(self, contexts: ClientContexts, offer: list[bytes], acceptable: tuple[bytes, ...] | None) -> bytes:
        client_context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        if offer:
            client_context.set_alpn_protos(offer)
        client, server = pair(client_context, contexts.get(("example.com",), (), False))
        if acceptable is not None:
            server.set_app_data(acceptable)
        pump(client, server)
        return client.get_alpn_proto_negotiated()

    def test_our_order_decides(self, contexts: ClientContexts) -> None:
        assert self.choose(contexts, [b"http/1.1", b"h2"], (b"h2", b"http/1.1")) == b"h2"

    def test_only_what_is_acceptable_on_this_connection(self, contexts: ClientContexts) -> None:
        assert self.choose(contexts, [b"h2", b"http/1.1"], (b"http/1.1",)) == b"http/1.1"

    @pytest.mark.parametrize("acceptable", [(b"h3",), (), None])
    def test_nothing_in_common_goes_on_without(
        self, contexts: ClientContexts, acceptable: tuple[bytes, ...] | None
    ) -> None:
        assert self.choose(contexts, [b"h2"], acceptable) == b""

    def test_no_offer(self, contexts: ClientContexts) -> None:
        assert self.choose(contexts, [], (b"h2",)) == b""


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@pytest.mark.parametrize("settings", [TlsSettings(), TlsSettings(request_client_cert=True)])
def test_a_session_is_resumed(authority: Authority, keys: LeafKeys, version: int, settings: TlsSettings) -> None:
    context = ClientContexts(authority, OwnCertificates(), settings, KeyLog(), keys).get(("example.com",), (), False)
    client_context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client_context.set_max_proto_version(version)
    client, server = pair(client_context, context)
    pump(client, server)
    server.send(b"x")
    client.bio_write(server.bio_read(65536))
    client.recv(1)
    session = client.get_session()
    assert session is not None
    again, server = pair(client_context, context)
    again.set_session(session)
    pump(again, server)
    assert SSL._lib.SSL_session_reused(again._ssl) == 1  # type: ignore[attr-defined]


def test_the_client_facing_key_exchange_is_x25519(contexts: ClientContexts) -> None:
    client, server = pair(SSL.Context(SSL.TLS_CLIENT_METHOD), contexts.get(("example.com",), (), False))
    pump(client, server)
    assert client.get_group_name() == "x25519"


class TestVersionsAndCiphers:
    def test_old_versions_are_refused_by_default(self, authority: Authority, contexts: ClientContexts) -> None:
        with pytest.raises(SSL.Error):
            self.shake(contexts, SSL.TLS1_1_VERSION)

    @pytest.mark.parametrize("oldest", ["TLS1", "UNBOUNDED"])
    def test_old_versions_on_request(self, authority: Authority, keys: LeafKeys, oldest: str) -> None:
        settings = TlsSettings(tls_version_client_min=oldest)
        contexts = ClientContexts(authority, OwnCertificates(), settings, KeyLog(), keys)
        assert self.shake(contexts, SSL.TLS1_VERSION).get_protocol_version_name() == "TLSv1"

    def test_a_newest_version(self, authority: Authority, keys: LeafKeys) -> None:
        settings = TlsSettings(tls_version_client_max="TLS1_2")
        contexts = ClientContexts(authority, OwnCertificates(), settings, KeyLog(), keys)
        assert self.shake(contexts, 0).get_protocol_version_name() == "TLSv1.2"

    def test_ciphers_and_curve(self, authority: Authority, keys: LeafKeys) -> None:
        settings = TlsSettings(ciphers_client="ECDHE-ECDSA-AES256-GCM-SHA384", tls_ecdh_curve_client="prime256v1")
        contexts = ClientContexts(authority, OwnCertificates(), settings, KeyLog(), keys)
        client = self.shake(contexts, SSL.TLS1_2_VERSION)
        assert client.get_cipher_name() == "ECDHE-ECDSA-AES256-GCM-SHA384"
        assert client.get_group_name() in ("prime256v1", "secp256r1", "P-256")

    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            (TlsSettings(ciphers_client="NONSENSE"), "NONSENSE"),
            (TlsSettings(tls_ecdh_curve_client="circle"), "circle"),
            (TlsSettings(tls_version_client_min="SSL9"), "TLS1_2"),
        ],
    )
    def test_nonsense_is_said_at_once(
        self, authority: Authority, keys: LeafKeys, settings: TlsSettings, says: str
    ) -> None:
        with pytest.raises(UserError, match=says):
            ClientContexts(authority, OwnCertificates(), settings, KeyLog(), keys)

    def shake(self, contexts: ClientContexts, version: int) -> SSL.Connection:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(0)
        context.set_max_proto_version(version)
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
        client, server = pair(context, contexts.get(("example.com",), (), False))
        pump(client, server)
        return client


class TestCache:
    def test_the_same_question_gets_the_same_context(self, contexts: ClientContexts) -> None:
        first = contexts.get(("example.com",), (), False)
        assert contexts.get(("example.com",), (), False) is first
        assert contexts.find(("example.com",), (), False) is first
        assert contexts.get(("example.org",), (), False) is not first
        assert contexts.get(("example.com",), (b"another upstream",), False) is not first

    def test_what_is_above_the_upstreams_leaf_does_not_matter(self, contexts: ClientContexts) -> None:
        first = contexts.get(("example.com",), (b"leaf", b"one issuer"), False)
        assert contexts.get(("example.com",), (b"leaf", b"another"), False) is first

    def test_the_least_recently_used_goes(self, authority: Authority, keys: LeafKeys) -> None:
        contexts = ClientContexts(authority, OwnCertificates(), TlsSettings(), KeyLog(), keys, size=2)
        for host in ("a.example", "b.example", "a.example", "c.example"):
            contexts.get((host,), (), False)
        assert len(contexts) == 2
        assert contexts.find(("a.example",), (), False) is not None
        assert contexts.find(("b.example",), (), False) is None

    def test_a_leaf_that_is_about_to_end_is_minted_anew(
        self, contexts: ClientContexts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = contexts.get(("example.com",), (), False)
        later = (datetime.now(UTC) + timedelta(days=197)).timestamp()
        monkeypatch.setattr(time, "time", lambda: later)
        assert contexts.find(("example.com",), (), False) is None
        assert contexts.get(("example.com",), (), False) is not first


class TestLater:
    def test_quick_unless_two_leaves_are_wanted(self, contexts: ClientContexts) -> None:
        assert contexts.is_quick(wants_rsa=False)
        assert not contexts.is_quick(wants_rsa=True)

    def test_what_is_slow_is_done_by_a_thread(self, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
        makers: list[threading.Thread] = []
        really_generate = rsa.generate_private_key

        def spy(public_exponent: int, key_size: int) -> rsa.RSAPrivateKey:
            makers.append(threading.current_thread())
            return really_generate(public_exponent, key_size)

        monkeypatch.setattr(rsa, "generate_private_key", spy)
        contexts = ClientContexts(authority, OwnCertificates(), TlsSettings(), KeyLog(), LeafKeys())
        asyncio.run(contexts.get_later(("example.com",), (), True))
        asyncio.run(contexts.get_later(("example.org",), (), True))
        assert len(makers) == 1
        assert makers[0] is not threading.current_thread()

    def test_a_large_rsa_authority_is_never_quick(self, tmp_path: Path, keys: LeafKeys) -> None:
        authority = authority_in(tmp_path, "rsa", 3072)
        contexts = ClientContexts(authority, OwnCertificates(), TlsSettings(), KeyLog(), keys)
        assert not contexts.is_quick(wants_rsa=False)

    def test_those_who_ask_meanwhile_share_one(self, authority: Authority, contexts: ClientContexts) -> None:
        async def ask() -> list[SSL.Context]:
            return list(await asyncio.gather(*(contexts.get_later(("later.example",), (), True) for _ in range(5))))

        made = asyncio.run(ask())
        assert all(context is made[0] for context in made)
        assert contexts.get(("later.example",), (), True) is made[0]
        assert visit(authority, made[0], "later.example").version() == "TLSv1.3"

    def test_one_who_gives_up_takes_nothing_from_the_others(self, contexts: ClientContexts) -> None:
        async def ask() -> None:
            leaving = asyncio.ensure_future(contexts.get_later(("later.example",), (), False))
            staying = asyncio.ensure_future(contexts.get_later(("later.example",), (), False))
            await asyncio.sleep(0)
            leaving.cancel()
            assert await staying is contexts.find(("later.example",), (), False)

        asyncio.run(ask())


def test_client_certificates_are_asked_for_and_never_judged(authority: Authority, keys: LeafKeys, tmp_path: Path) -> None:
    contexts = ClientContexts(authority, OwnCertificates(), TlsSettings(request_client_cert=True), KeyLog(), keys)
    stranger = authority_in(tmp_path)
    key = ec.generate_private_key(ec.SECP256R1())
    client_context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client_context.use_certificate(mint(stranger, key, ["someone.example"], None))
    client_context.use_privatekey(key)
    client, server = pair(client_context, contexts.get(("example.com",), (), False))
    pump(client, server)
    assert "someone.example" in str(leaf_seen(server).subject)


def test_secrets_go_to_the_key_log_once_it_is_open(authority: Authority, keys: LeafKeys, tmp_path: Path) -> None:
    keylog = KeyLog()
    context = ClientContexts(authority, OwnCertificates(), TlsSettings(), keylog, keys).get(("example.com",), (), False)
    visit(authority, context, "example.com")
    keylog.open(tmp_path / "keys")
    visit(authority, context, "example.com")
    labels = {line.split()[0] for line in (tmp_path / "keys").read_text().splitlines()}
    assert {"SERVER_TRAFFIC_SECRET_0", "CLIENT_TRAFFIC_SECRET_0"} <= labels


def test_the_servers_certificates_are_shown_behind_ours_if_wanted(authority: Authority, keys: LeafKeys) -> None:
    upstream = mint(authority, ec.generate_private_key(ec.SECP256R1()), ["origin.example"], None).public_bytes(Encoding.DER)
    lengths = []
    for is_wanted in (False, True):
        settings = TlsSettings(add_upstream_certs_to_client_chain=is_wanted)
        context = ClientContexts(authority, OwnCertificates(), settings, KeyLog(), keys).get(
            ("origin.example",), (upstream, b"no certificate"), False
        )
        client, server = pair(SSL.Context(SSL.TLS_CLIENT_METHOD), context)
        pump(client, server)
        chain = [each.public_bytes(Encoding.DER) for each in client.get_peer_cert_chain(as_cryptography=True) or []]
        lengths.append(len(chain))
        assert (upstream in chain) is is_wanted
    assert lengths[1] == lengths[0] + 1
