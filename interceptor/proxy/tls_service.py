"""Where stacks get what OpenSSL needs: leaves for clients, contexts for servers, sessions to resume. Shared by all stacks;
rebuilt when an option about TLS changes (contexts cannot be changed once used)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from interceptor.certs.contexts import ClientContexts, UpstreamContexts
from interceptor.proxy.asks import Leaf, MintFailed, MintLeaf
from interceptor.proxy.trusting_clients import TrustingClients

SESSIONS_KEPT: Final = 2048


class TlsService:
    """Implements `settings.UpstreamTls`, and answers MintLeaf."""

    def __init__(self, clients: ClientContexts, upstreams: UpstreamContexts) -> None:
        self.clients, self.upstreams = clients, upstreams
        self.trusting_clients = TrustingClients()
        self._sessions: OrderedDict[tuple[object, str, int], tuple[object, tuple[bytes, ...]]] = OrderedDict()

    def context(self, host: str, *, is_verified: bool) -> object:
        return self.upstreams.get(is_verified, host)

    def datagram_context(self, host: str, *, is_verified: bool) -> object:
        return self.upstreams.get(is_verified, host, is_datagrams=True)

    def unproven_context(self) -> object:
        return self.clients.for_unproven()

    def session(self, key: tuple[object, str, int]) -> tuple[object, tuple[bytes, ...]] | None:
        return self._sessions.get(key)

    def keep_session(self, key: tuple[object, str, int], session: object, chain: tuple[bytes, ...]) -> None:
        self._sessions[key] = session, chain
        self._sessions.move_to_end(key)
        while len(self._sessions) > SESSIONS_KEPT:
            self._sessions.popitem(last=False)

    def mint_now(self, ask: MintLeaf) -> Leaf | MintFailed | None:
        """The answer if it is quick, else None: `mint_later` then."""
        try:
            context = self.clients.find(ask.names, ask.upstream_chain, ask.wants_rsa)
            if context is None and self.clients.is_quick(ask.wants_rsa):
                context = self.clients.get(ask.names, ask.upstream_chain, ask.wants_rsa)
        except Exception as error:  # whatever a hostile upstream certificate provokes ends this handshake only
            return MintFailed(f"{type(error).__name__}: {error}")
        return None if context is None else Leaf(context)

    async def mint_later(self, ask: MintLeaf) -> Leaf | MintFailed:
        try:
            return Leaf(await self.clients.get_later(ask.names, ask.upstream_chain, ask.wants_rsa))
        except Exception as error:
            return MintFailed(f"{type(error).__name__}: {error}")
