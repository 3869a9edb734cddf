"""TLS towards a client, ended here: the certificate that it is shown is made for where it wants to go.

    Parsing ▸ Asking (Reach for the upstream's certificate, then MintLeaf; bytes wait under a mark) ▸ Handshaking ▸ Open | Failed

`StartedTls` begins in the middle of a conversation, which goes on in TLS with both sides.
"""

from __future__ import annotations

from typing import Final

from OpenSSL import SSL

from interceptor.model.connection import Connection, Origin
from interceptor.proxy.asks import ConnectFailed, Leaf, MintFailed, MintLeaf, Reach, Reached
from interceptor.proxy.client_hello import VERSIONS, ClientHello, HelloError, read_client_hello
from interceptor.proxy.core.effects import PauseReading, ResumeReading
from interceptor.proxy.core.events import Receiver
from interceptor.proxy.core.layer import Mark
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.ingress import Ingress, record_failure
from interceptor.proxy.settings import Settings
from interceptor.proxy.tls_failures import client_failure, client_left, says_nothing
from interceptor.proxy.tls_tunnel import State, TlsTunnel, is_address

_HTTP: Final = frozenset((b"h2", b"http/1.1"))
_MOMENT_SECONDS: Final = 1.0
_ALERT_PROTOCOL_VERSION: Final = b"\x15\x03\x01\x00\x02\x02\x46"
_ALERT_INTERNAL_ERROR: Final = b"\x15\x03\x03\x00\x02\x02\x50"


class ClientTls(TlsTunnel):
    """Faces a client. Knows from its `ingress` where the client wants to go; the certificate it shows is made for that."""

    def __init__(self, stack: Stack, settings: Settings, ingress: Ingress) -> None:
        super().__init__(stack)
        self._settings, self._ingress = settings, ingress
        self._held: list[bytes] = []
        self._mark = Mark(self._pause, self._resume)
        self._hello: ClientHello | None = None
        self._upstream: Connection | None = None
        self._is_left_unsaid = False  # that the handshake has failed
        self._attempted: Connection | None = None  # could not be reached; names the server on the row of a failure

    def opened_below(self) -> None:
        self.facts.started_at = self.stack.wall_time()
        self.stack.alarms[self._too_late] = self.stack.now + self._settings.tls_handshake_timeout

    def from_below(self, data: bytes) -> None:
        if self.state in (State.OPEN, State.HANDSHAKING):
            return super().from_below(data)
        if self.state is State.FAILED:
            return
        self._held.append(data)
        if self.state is State.PARSING:
            return self._parse()  # which says when it is too much
        self._mark.put(len(data))

    def _parse(self) -> None:
        try:
            hello = read_client_hello(b"".join(self._held))
        except HelloError as error:
            self.sink(_ALERT_PROTOCOL_VERSION)
            return self._fail_with(f"TLS handshake with the client failed: {error}.")
        if hello is None:
            return
        self._hello, self.state = hello, State.ASKING
        self._mark.put(sum(map(len, self._held)))
        self.facts.server_name, self.facts.alpn_offers = hello.server_name, hello.alpn_offers
        self._keep_hello(b"".join(self._held))
        self.connection.tls = self.facts
        self._ask_for_certificate(hello)

    def _ask_for_certificate(self, hello: ClientHello) -> None:
        origin = self._tls_origin(hello)
        if origin is not None and self._wants_upstream(hello):
            self.ask(Reach(self, origin, alpn_offers=self._offers(hello)), then=self._reached)
        else:
            self._mint()

    def _tls_origin(self, hello: ClientHello) -> Origin | None:
        origin = self._ingress.origin
        if origin is None:
            return None
        if self._ingress.is_reverse:
            return origin if origin.is_tls else None
        return Origin("https", origin.host, origin.port, hello.server_name or origin.server_name)

    def _wants_upstream(self, hello: ClientHello) -> bool:
        """Connect first: eagerly, or because only the upstream's certificate knows its names."""
        if self._settings.is_eager:
            return True
        return self._settings.upstream_cert and not hello.server_name

    def _offers(self, hello: ClientHello) -> tuple[bytes, ...]:
        settings, offers = self._settings, hello.alpn_offers
        if settings.http2 and settings.http2_upstream == "always" and not _HTTP.isdisjoint(offers):
            return (b"h2", b"http/1.1")
        if not settings.http2 or settings.http2_upstream == "never":
            offers = tuple(dict.fromkeys(b"http/1.1" if name == b"h2" else name for name in offers))
        return tuple(name for name in offers if name != b"h3")

    def _choices(self) -> tuple[bytes, ...]:
        """What the client may be given: what the server chose, else what we like ourselves."""
        settings, server = self._settings, self._upstream.tls if self._upstream is not None else None
        if server is not None and (settings.http2_upstream == "client" or (server.alpn and server.alpn not in _HTTP)):
            return (server.alpn,) if server.alpn else ()
        return (b"h2", b"http/1.1") if settings.http2 else (b"http/1.1",)

    def _reached(self, answer: Reached | ConnectFailed) -> None:
        # A failure is told in the language of the protocol inside, where it can be: HTTP will reach again and answer 502.
        if isinstance(answer, Reached):
            self._upstream = answer.connection
        else:
            self._attempted = answer.connection
        self._mint()

    def _mint(self) -> None:
        assert self._hello is not None
        origin, local = self._ingress.origin, self.connection.local
        names = [self._hello.server_name, origin.host if origin is not None else "", local[0] if local and origin is None else ""]
        if self._hello.server_name and origin is not None and is_address(origin.host):
            names[1] = ""
        facts = self._upstream.tls if self._upstream is not None else None
        chain = facts.chain[:1] if facts is not None and self._settings.upstream_cert else ()
        self.ask(MintLeaf(self, tuple(name for name in names if name), chain, not self._hello.takes_ecdsa), then=self._minted)

    def _minted(self, answer: Leaf | MintFailed) -> None:
        if isinstance(answer, MintFailed):
            self.sink(_ALERT_INTERNAL_ERROR)
            return self._fail_with(f"No certificate could be made: {answer.reason}")
        context = answer.context
        assert isinstance(context, SSL.Context) and self._hello is not None
        self._ssl = ssl = SSL.Connection(context, None)
        ssl.set_app_data(self._choices())
        ssl.set_accept_state()
        self.state = State.HANDSHAKING
        held, self._held = b"".join(self._held), []
        self._mark.take_all()  # resume first: what is above may pause again
        self.from_below(held)

    def _learn(self, ssl: SSL.Connection) -> None:
        super()._learn(ssl)
        self.stack.alarms.pop(self._too_late, None)
        self._settings.trusting_clients.add(self.connection, self._wanted)

    def _flush_handshake(self) -> None:
        if self.facts.version != "TLSv1.3":  # else these are tickets, which go out with the first bytes of data
            self._flush()

    def _too_late(self) -> None:
        if self.state not in (State.OPEN, State.FAILED):
            seconds = self._settings.tls_handshake_timeout
            self._fail_with(f"The client did not finish its TLS handshake within {seconds:g} s (tls_handshake_timeout).")

    @property
    def _wanted(self) -> str:
        """Whom the client wants, as it calls it; "" is the proxy itself."""
        named = self._hello.server_name if self._hello is not None else ""
        return named or (self._ingress.origin.host if self._ingress.origin is not None else "")

    def _explain(self, error: SSL.Error | None) -> str:
        hello = self._hello
        offered = VERSIONS.get(hello.version, hex(hello.version)) if hello is not None else ""
        if error is None or says_nothing(error):
            self._is_left_unsaid = self._is_not_needed()
            return client_left(self._wanted, was_answered=self._ssl is not None)
        return client_failure(error, self._wanted or "this proxy", offered)

    def _is_not_needed(self) -> bool:
        """The client has gone without a word, as browsers leave connections that they opened for speed: it was shown nothing and
        did not wait longer than a moment for that, or it was shown what it has believed before."""
        if self._ssl is None:
            return self.stack.wall_time() - (self.facts.started_at or 0.0) < _MOMENT_SECONDS
        return self._settings.trusting_clients.has(self.connection, self._wanted)

    def failed(self, reason: str) -> None:
        self.stack.alarms.pop(self._too_late, None)
        if (self._hello is None and not self._held) or self._is_left_unsaid:
            return  # e.g. a client that connected and said nothing
        record_failure(self.stack, self._ingress, self.connection, self._upstream or self._attempted, reason)

    def _pause(self) -> None:
        self.below.emit(PauseReading(self.connection))

    def _resume(self) -> None:
        self.below.emit(ResumeReading(self.connection))


class StartedTls(ClientTls):
    """TLS that a client begins where a conversation is already. It is begun with `server` as well, on the same connection; `head`
    is who has the conversation. A failure is that conversation's end, and makes no row of its own."""

    def __init__(self, stack: Stack, settings: Settings, ingress: Ingress, server: Connection, head: Receiver) -> None:
        super().__init__(stack, settings, ingress)
        self._server, self._head = server, head

    def _ask_for_certificate(self, hello: ClientHello) -> None:
        origin = self._ingress.origin
        host, port = (origin.host, origin.port) if origin is not None else self._server.peer or ("", 0)
        name = hello.server_name if not self._ingress.is_reverse else ""
        wanted = Origin("tls", host, port, name or (origin.server_name if origin is not None else ""))
        self.ask(Reach(self, wanted, self._head, hello.alpn_offers, on=self._server), then=self._reached)

    def _choices(self) -> tuple[bytes, ...]:
        server = self._server.tls
        return (server.alpn,) if server is not None and server.alpn else ()

    def _reached(self, answer: Reached | ConnectFailed) -> None:
        if isinstance(answer, ConnectFailed):
            self.sink(_ALERT_INTERNAL_ERROR)
            return self._fail_with(str(answer))
        super()._reached(answer)

    def failed(self, reason: str) -> None:
        self.stack.alarms.pop(self._too_late, None)
