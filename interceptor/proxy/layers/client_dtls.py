"""DTLS towards a client, ended here: the certificate that it is shown is made for where it wants to go.

    Parsing (hello, cookie, hello again) ▸ Asking (Reach, then MintLeaf) ▸ Handshaking ▸ Open | Failed

Until the client has sent back a cookie nobody else is asked for anything, so that a false source address costs nothing. What
comes while others are asked is the hello again, and is dropped.
"""

from __future__ import annotations

from typing import Final

from OpenSSL import SSL

from interceptor.model.connection import Connection, Origin
from interceptor.proxy.asks import ConnectFailed, Leaf, MintFailed, MintLeaf, Reach, Reached
from interceptor.proxy.client_hello import ClientHello, HelloError
from interceptor.proxy.core.effects import Close, PipeEffect
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.datagram_hello import HelloFragments
from interceptor.proxy.dtls_tunnel import DtlsTunnel
from interceptor.proxy.ingress import Ingress, record_failure
from interceptor.proxy.settings import Settings
from interceptor.proxy.tls_failures import client_failure, client_left, says_nothing
from interceptor.proxy.tls_tunnel import State

_RECORD_HEADER: Final = 13
_HELLO_VERIFY_REQUEST: Final = b"\3"
_COOKIE: Final = _RECORD_HEADER + 12 + 2  # behind the fragment's header and a version: its length, and the cookie
_ALERT_INTERNAL_ERROR: Final = b"\x15\xfe\xfd\0\0\0\0\0\0\0\x63\0\x02\x02\x50"


class ClientDtls(DtlsTunnel):
    """`ingress` is that of what is inside: its origin speaks DTLS."""

    def __init__(self, stack: Stack, settings: Settings, ingress: Ingress) -> None:
        super().__init__(stack)
        self._settings, self._ingress = settings, ingress
        self._fragments = HelloFragments()
        self._hello: ClientHello | None = None
        self._cookie = b""  # that the client was asked for
        self._upstream: Connection | None = None

    def opened_below(self) -> None:
        self.facts.started_at = self.stack.wall_time()
        self.stack.alarms[self._too_late] = self.stack.now + self._settings.tls_handshake_timeout
        self._begin()

    def _begin(self) -> None:
        context = self._settings.upstream_tls.unproven_context()
        assert isinstance(context, SSL.Context)
        ssl = self.make(context)
        ssl.set_app_data(self._cookie)
        ssl.set_accept_state()

    def from_below(self, data: bytes) -> None:
        if self.state is State.PARSING:
            return self._parse(data)
        super().from_below(data)

    def _parse(self, datagram: bytes) -> None:
        try:
            found = self._fragments.feed(datagram)
        except HelloError as error:
            return self.fail_with(f"DTLS handshake with the client failed: {error}.")
        if found is None:
            return
        hello, cookie = found
        if not cookie:
            if self._cookie:
                self._begin()  # what asked for it got lost: OpenSSL would not ask again, and is to ask for the same
            self.shake_hands(self._fragments.datagrams)
            return
        if cookie != self._cookie:
            return
        self._hello, self.state = hello, State.ASKING
        self.facts.server_name, self.facts.alpn_offers = hello.server_name, hello.alpn_offers
        self.connection.tls = self.facts
        origin = self._origin()
        if self._settings.is_eager or not hello.server_name:
            self.ask(Reach(self, origin, alpn_offers=hello.alpn_offers), then=self._reached)
        else:
            self._mint()

    def sink(self, data: bytes) -> None:
        if self.state is State.PARSING and data[_RECORD_HEADER : _RECORD_HEADER + 1] == _HELLO_VERIFY_REQUEST:
            self._cookie = data[_COOKIE + 1 : _COOKIE + 1 + data[_COOKIE]]
        super().sink(data)

    def _origin(self) -> Origin:
        origin = self._ingress.origin
        assert origin is not None and self._hello is not None
        if self._ingress.is_reverse:
            return origin
        return Origin(origin.scheme, origin.host, origin.port, self._hello.server_name or origin.server_name)

    def _reached(self, answer: Reached | ConnectFailed) -> None:
        if isinstance(answer, ConnectFailed):
            self._upstream = answer.connection
            self.sink(_ALERT_INTERNAL_ERROR)
            return self.fail_with(str(answer))
        self._upstream = answer.connection
        self._mint()

    def _mint(self) -> None:
        hello = self._hello
        assert hello is not None
        facts = self._upstream.tls if self._upstream is not None else None
        chain = facts.chain[:1] if facts is not None and self._settings.upstream_cert else ()
        names = tuple(dict.fromkeys(name for name in (hello.server_name, self._origin().host) if name))
        self.ask(MintLeaf(self, names, chain, not hello.takes_ecdsa), then=self._minted)

    def _minted(self, answer: Leaf | MintFailed) -> None:
        if isinstance(answer, MintFailed):
            self.sink(_ALERT_INTERNAL_ERROR)
            return self.fail_with(f"No certificate could be made: {answer.reason}")
        ssl, server = self._ssl, self._upstream.tls if self._upstream is not None else None
        assert ssl is not None and isinstance(answer.context, SSL.Context)
        ssl.set_context(answer.context)
        ssl.set_app_data((server.alpn,) if server is not None and server.alpn else ())
        self.state = State.HANDSHAKING
        self.shake_hands(self._fragments.datagrams)

    def learned(self, ssl: SSL.Connection) -> None:
        super().learned(ssl)
        self.stack.alarms.pop(self._too_late, None)

    def _too_late(self) -> None:
        if self.state not in (State.OPEN, State.FAILED):
            seconds = self._settings.tls_handshake_timeout
            self.fail_with(f"The client did not finish its DTLS handshake within {seconds:g} s (tls_handshake_timeout).")

    @property
    def _wanted(self) -> str:
        named = self._hello.server_name if self._hello is not None else ""
        return named or (self._ingress.origin.host if self._ingress.origin is not None else "")

    def explained(self, error: SSL.Error | None) -> str:
        if error is None or says_nothing(error):
            return "D" + client_left(self._wanted, was_answered=self.state is State.HANDSHAKING)
        return "D" + client_failure(error, self._wanted, "")

    def failed(self, reason: str) -> None:
        self.stack.alarms.pop(self._too_late, None)
        record_failure(self.stack, self._ingress, self.connection, self._upstream, reason)

    def control_from_above(self, effect: PipeEffect) -> None:
        if isinstance(effect, Close):
            self.stack.alarms.pop(self._too_late, None)
        super().control_from_above(effect)
