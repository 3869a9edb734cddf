"""Clients and servers that speak TLS on paper: pyOpenSSL on memory BIOs, to be put at the ends of a `PaperDriver`.

    peer = TlsPeer.client(trusting=authority_pem, server_name="a.test")
    driver.peers[driver.client] = peer
    peer.say(b"…"); driver.converse(); peer.heard

`inner` is somebody who speaks through this peer's TLS: TLS in TLS.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from OpenSSL import SSL, crypto

from interceptor.certs.authority import Authority
from interceptor.certs.contexts import ClientContexts, UpstreamContexts
from interceptor.certs.own import OwnCertificates
from interceptor.certs.settings import KeyLog, TlsSettings
from interceptor.proxy.tls_service import TlsService
from tests.support.paper_driver import Peer


class NotOffered(Exception):
    """What the server insists on."""


class TlsPeer:
    """`heard` is what came through its TLS; `error` what OpenSSL said when it broke."""

    def __init__(self, connection: SSL.Connection) -> None:
        self.ssl = connection
        self.heard = b""
        self.error = ""
        self.is_connected = self.has_ended = False
        self.inner: Peer | None = None
        self._waiting = b""

    @classmethod
    def client(
        cls,
        trusting: bytes | None,
        server_name: str | None = "a.test",
        alpn: Sequence[bytes] = (),
        versions: tuple[int, int] = (SSL.TLS1_2_VERSION, 0),
    ) -> TlsPeer:
        """Trusts that CA alone (PEM); any if None."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(versions[0])
        context.set_max_proto_version(versions[1])
        if trusting is not None:
            store = context.get_cert_store()
            assert store is not None
            store.add_cert(crypto.load_certificate(crypto.FILETYPE_PEM, trusting))
            context.set_verify(SSL.VERIFY_PEER)
        connection = SSL.Connection(context, None)
        if server_name is not None:
            connection.set_tlsext_host_name(server_name.encode())
        if alpn:
            connection.set_alpn_protos(list(alpn))
        connection.set_connect_state()
        return cls(connection)

    @classmethod
    def server(cls, certificate: Path, alpn: bytes = b"", max_version: int = 0, refuses: bool = False) -> TlsPeer:
        """Shows what is in that PEM file. `refuses`: whoever does not offer `alpn`."""
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_max_proto_version(max_version)
        context.use_certificate_chain_file(str(certificate))
        context.use_privatekey_file(str(certificate))
        if alpn:

            def choose(_: SSL.Connection, offered: list[bytes]) -> object:
                if refuses and alpn not in offered:
                    raise NotOffered(f"an alert instead of {alpn!r}")
                return alpn if alpn in offered else SSL.NO_OVERLAPPING_PROTOCOLS

            context.set_alpn_select_callback(choose)
        connection = SSL.Connection(context, None)
        connection.set_accept_state()
        return cls(connection)

    @classmethod
    def datagram_client(cls, trusting: bytes, server_name: str | None = "a.test", alpn: Sequence[bytes] = ()) -> TlsPeer:
        """DTLS 1.2. Flights that `take` gives are joined, as records in one datagram may be."""
        context = SSL.Context(SSL.DTLS_CLIENT_METHOD)
        store = context.get_cert_store()
        assert store is not None
        store.add_cert(crypto.load_certificate(crypto.FILETYPE_PEM, trusting))
        context.set_verify(SSL.VERIFY_PEER)
        return cls._of_datagrams(context, server_name, alpn)

    @classmethod
    def datagram_server(cls, certificate: Path, alpn: bytes = b"") -> TlsPeer:
        context = SSL.Context(SSL.DTLS_SERVER_METHOD)
        context.use_certificate_chain_file(str(certificate))
        context.use_privatekey_file(str(certificate))
        if alpn:
            context.set_alpn_select_callback(lambda _, offered: alpn if alpn in offered else SSL.NO_OVERLAPPING_PROTOCOLS)
        return cls._of_datagrams(context, None, (), is_server=True)

    @classmethod
    def _of_datagrams(
        cls, context: SSL.Context, server_name: str | None, alpn: Sequence[bytes], is_server: bool = False
    ) -> TlsPeer:
        context.set_options(SSL.OP_NO_QUERY_MTU)
        connection = SSL.Connection(context, None)
        connection.set_ciphertext_mtu(1200)
        if server_name is not None:
            connection.set_tlsext_host_name(server_name.encode())
        if alpn:
            connection.set_alpn_protos(list(alpn))
        connection.set_accept_state() if is_server else connection.set_connect_state()
        return cls(connection)

    # --- Peer -----------------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        self.ssl.bio_write(data)
        self._step()

    def take(self) -> bytes:
        if self.inner is not None and (said := self.inner.take()):
            self.say(said)
        self._step()
        taken = b""
        while True:
            try:
                taken += self.ssl.bio_read(16384)
            except SSL.WantReadError:
                return taken

    # --- what it does ---------------------------------------------------------------------------------------------

    def say(self, data: bytes) -> None:
        """Now, or as soon as it is connected."""
        self._waiting += data

    def end(self) -> None:
        """close_notify: says no more, and goes on listening."""
        self.ssl.shutdown()

    def certificate_names(self) -> set[str]:
        """The names of the certificate that it was shown."""
        shown = self.ssl.get_peer_certificate(as_cryptography=True)
        assert shown is not None
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return {str(name.value) for name in names}

    def _step(self) -> None:
        if self.error:
            return
        try:
            if not self.is_connected:
                self.ssl.do_handshake()
                self.is_connected = True
            if self._waiting:
                waiting, self._waiting = self._waiting, b""
                self.ssl.sendall(waiting)
            while True:
                self._hear(self.ssl.recv(16384))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.has_ended = True
        except NotOffered as refusal:
            self.error = str(refusal)
        except SSL.Error as error:
            self.error = str(error.args[0]) if error.args else "closed"

    def _hear(self, data: bytes) -> None:
        if self.inner is not None:
            self.inner.feed(data)
        else:
            self.heard += data


class Plain:
    """Somebody who speaks no TLS; says what it is told to, and `answer` to whatever it hears."""

    def __init__(self, answer: bytes = b"") -> None:
        self.heard = b""
        self._waiting, self._answer = b"", answer

    def feed(self, data: bytes) -> None:
        self.heard += data
        self._waiting += self._answer

    def take(self) -> bytes:
        waiting, self._waiting = self._waiting, b""
        return waiting

    def say(self, data: bytes) -> None:
        self._waiting += data


def tls_service(authority: Authority, trusted_ca: Path | None, **settings: object) -> TlsService:
    """Leaves from `authority` for clients; for servers, `trusted_ca` is trusted alone."""
    trust = {"ssl_verify_upstream_trusted_ca": str(trusted_ca)} if trusted_ca is not None else {}
    made = TlsSettings(**{**trust, **settings})  # type: ignore[arg-type]
    return TlsService(ClientContexts(authority, OwnCertificates(), made, KeyLog()), UpstreamContexts(made, KeyLog()))
