"""DTLS towards a server, which is verified: Handshaking ▸ Open | Failed."""

from __future__ import annotations

from OpenSSL import SSL

from interceptor.model.connection import Origin
from interceptor.proxy.core.events import Closed
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.dtls_tunnel import DtlsTunnel
from interceptor.proxy.settings import Settings
from interceptor.proxy.tls_failures import server_failure, verdict_on
from interceptor.proxy.tls_tunnel import State, chain_of, expect_host
from interceptor.specs.errors import UserError


class ServerDtls(DtlsTunnel):
    """Verifies the server for `origin`'s name unless told not to."""

    def __init__(self, stack: Stack, settings: Settings, origin: Origin, alpn_offers: tuple[bytes, ...]) -> None:
        super().__init__(stack)
        self._settings, self._alpn_offers = settings, alpn_offers
        self._host = origin.server_name or origin.host
        self.state = State.HANDSHAKING

    def opened_below(self) -> None:
        self.facts.started_at, self.facts.server_name = self.stack.wall_time(), self._host
        self.facts.alpn_offers = self._alpn_offers
        self.connection.tls = self.facts
        try:
            context = self._settings.upstream_tls.datagram_context(self._host, is_verified=not self._settings.ssl_insecure)
        except UserError as error:
            return self.stack.post(self, Closed(self.connection, error.message))
        assert isinstance(context, SSL.Context)
        ssl = self.make(context)
        expect_host(ssl, self._host)
        if self._alpn_offers:
            ssl.set_alpn_protos(list(self._alpn_offers))
        ssl.set_connect_state()
        self.shake_hands([])

    def learned(self, ssl: SSL.Connection) -> None:
        super().learned(ssl)
        self.facts.chain = chain_of(ssl)

    def explained(self, error: SSL.Error | None) -> str:
        ssl = self._ssl
        if ssl is not None and not self.facts.chain:
            self.facts.chain = chain_of(ssl)
        return server_failure(error, self._host, *verdict_on(ssl if not self._settings.ssl_insecure else None))

    def failed(self, reason: str) -> None:
        self.connection.error = reason  # who reached for it makes a row of it
