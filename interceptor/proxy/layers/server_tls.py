"""TLS towards a server, or towards a proxy on the way to one, which is verified: Handshaking ▸ Open | Failed."""

from __future__ import annotations

from OpenSSL import SSL

from interceptor.model.connection import Origin
from interceptor.proxy.core.events import Closed
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.settings import Settings
from interceptor.proxy.tls_failures import server_failure, verdict_on
from interceptor.proxy.tls_tunnel import State, TlsTunnel, chain_of, expect_host
from interceptor.specs.errors import UserError


class ServerTls(TlsTunnel):
    """Faces a server, or a proxy on the way to one (`is_to_hop`), and verifies it for `origin`'s name unless told not to."""

    def __init__(
        self, stack: Stack, settings: Settings, origin: Origin, alpn_offers: tuple[bytes, ...], is_to_hop: bool = False
    ) -> None:
        super().__init__(stack)
        self._is_to_hop = is_to_hop
        self._settings, self._alpn_offers = settings, alpn_offers
        self._host, self._port = origin.server_name or origin.host, origin.port
        self._session_key: tuple[object, str, int] | None = None
        self._is_greeting = False
        self._known_chain: tuple[bytes, ...] = ()
        self.state = State.HANDSHAKING

    def opened_below(self) -> None:
        self.facts.started_at, self.facts.server_name = self.stack.wall_time(), self._host
        self.facts.alpn_offers = self._alpn_offers
        if not self._is_to_hop:
            self.connection.tls = self.facts
        try:
            context = self._settings.upstream_tls.context(self._host, is_verified=not self._settings.ssl_insecure)
        except UserError as error:
            return self.stack.post(self, Closed(self.connection, error.message))
        assert isinstance(context, SSL.Context)
        self._ssl = ssl = SSL.Connection(context, None)
        expect_host(ssl, self._host)
        if self._alpn_offers:
            ssl.set_alpn_protos(list(self._alpn_offers))
        self._session_key = context, self._host, self._port
        session, self._known_chain = self._settings.upstream_tls.session(self._session_key) or (None, ())
        if isinstance(session, SSL.Session):
            ssl.set_session(session)
        ssl.set_connect_state()
        self._is_greeting = True
        self._shake_hands(b"")
        self._is_greeting = False

    def sink(self, data: bytes) -> None:
        if self._is_greeting:
            self._keep_hello(data)
        super().sink(data)

    def _learn(self, ssl: SSL.Connection) -> None:
        super()._learn(ssl)
        # A resumed session stands for the certificates of the handshake that it comes from: no need to encode them again.
        self.facts.chain = self._known_chain if self.facts.is_resumed else chain_of(ssl)

    def _rise_pending(self, ssl: SSL.Connection, is_one_record: bool = False) -> None:
        super()._rise_pending(ssl, is_one_record)
        if self._session_key is not None and self.state is State.OPEN and is_one_record:
            if session := ssl.get_session():  # only after the first record is a TLS 1.3 ticket there
                self._settings.upstream_tls.keep_session(self._session_key, session, self.facts.chain)
            self._session_key = None

    def _explain(self, error: SSL.Error | None) -> str:
        ssl = self._ssl
        if ssl is not None and not self.facts.chain:
            self.facts.chain = chain_of(ssl)
        return server_failure(error, self._host, *verdict_on(ssl if not self._settings.ssl_insecure else None))

    def failed(self, reason: str) -> None:
        self.connection.error = reason  # who reached for it makes a row of it

    def closed_below(self, event: Closed) -> None:
        own = event.reason
        super().closed_below(event)
        if self._ssl is None and own:
            event.reason = own
