"""TLS as a tunnel, on OpenSSL with memory BIOs: towards a client (`ClientTls`) and towards a server (`ServerTls`).

ClientTls: Parsing ▸ Asking (Reach for the upstream's certificate, then MintLeaf; bytes wait under a mark) ▸ Handshaking ▸ Open
| Failed. ServerTls: Handshaking ▸ Open | Failed.

Bytes go through OpenSSL in steps of one record's size: its memory BIOs keep their high-water mark for life. What OpenSSL has
to say on failure (the alert) is sent before the connection is closed.
"""

from __future__ import annotations

from contextlib import suppress
from enum import Enum
from ipaddress import ip_address
from typing import Any, Final

from OpenSSL import SSL

from interceptor.model.connection import Connection, Origin, TlsFacts
from interceptor.proxy.asks import ConnectFailed, Leaf, MintFailed, MintLeaf, Reach, Reached
from interceptor.proxy.client_hello import VERSIONS, ClientHello, HelloError, read_client_hello
from interceptor.proxy.core.effects import Close, HalfClose, PauseReading, PipeEffect, ResumeReading, Send
from interceptor.proxy.core.events import Closed, DataReceived, HalfClosed, Opened
from interceptor.proxy.core.layer import Mark
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.core.tunnel import Tunnel
from interceptor.proxy.ingress import Ingress, record_failure
from interceptor.proxy.layers.tls_failures import broken, client_failure, client_left, says_nothing, server_failure
from interceptor.proxy.settings import Settings
from interceptor.specs.errors import UserError

_HELLO_KEPT: Final = 8 * 1024
_STEP: Final = 16 * 1024 + 256
_RISE: Final = 64 * 1024
_HTTP: Final = frozenset((b"h2", b"http/1.1"))
_MOMENT_SECONDS: Final = 1.0
_ALERT_PROTOCOL_VERSION: Final = b"\x15\x03\x01\x00\x02\x02\x46"
_ALERT_INTERNAL_ERROR: Final = b"\x15\x03\x03\x00\x02\x02\x50"
_lib: Any = SSL._lib  # type: ignore[attr-defined]
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]


class State(Enum):
    """How far this tunnel is."""

    PARSING = "ClientHello"
    ASKING = "certificate"
    HANDSHAKING = "TLS handshake"
    OPEN = "open"
    FAILED = "failed"


class TlsTunnel(Tunnel):
    """What both sides have in common: the pump between the wire, OpenSSL, and what is above."""

    name = "TLS"

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.state = State.PARSING
        self.facts = TlsFacts()
        self._ssl: SSL.Connection | None = None
        self._got_close_notify = False
        self._plain: list[bytes] = []  # to be encrypted when the turn ends

    @property
    def stage(self) -> str:  # type: ignore[override]
        return "" if self.state is State.OPEN else "TLS handshake"

    def failed(self, reason: str) -> None:
        """The handshake, or what comes after it, has broken: `reason` is for a person."""
        raise AssertionError("each side says its own")

    # --- below ▸ above ----------------------------------------------------------------------------------------

    def from_below(self, data: bytes) -> None:
        if self.state is State.OPEN:
            self._decrypt(data)
        elif self.state is State.HANDSHAKING:
            self._shake_hands(data)

    def _shake_hands(self, data: bytes) -> None:
        ssl = self._ssl
        assert ssl is not None
        for start in range(0, len(data), _STEP):
            ssl.bio_write(data[start : start + _STEP])
        try:
            ssl.do_handshake()
        except SSL.WantReadError:
            return self._flush()
        except SSL.Error as error:
            self._flush()
            return self._fail_with(self._explain(error))
        self._learn(ssl)
        self._flush_handshake()
        self.state = State.OPEN
        self.above.receive(Opened(self.connection))
        self._rise_pending(ssl)

    def _keep_hello(self, records: bytes) -> None:
        """For fingerprints, which are made when somebody looks."""
        if len(records) <= _HELLO_KEPT:
            self.facts.hello = records

    def _flush_handshake(self) -> None:
        self._flush()

    def _learn(self, ssl: SSL.Connection) -> None:
        facts = self.facts
        facts.version, facts.cipher = ssl.get_protocol_version_name(), ssl.get_cipher_name() or ""
        facts.alpn = ssl.get_alpn_proto_negotiated()
        facts.is_resumed = bool(_lib.SSL_session_reused(ssl._ssl))
        facts.established_at = self.stack.wall_time()

    def _decrypt(self, data: bytes) -> None:
        ssl = self._ssl
        assert ssl is not None
        if len(data) <= _STEP:
            ssl.bio_write(data)
            is_one_record = len(data) > 5 and len(data) == 5 + int.from_bytes(data[3:5], "big")
            return self._rise_pending(ssl, is_one_record)
        for start in range(0, len(data), _RISE):
            pieces: list[bytes] = []
            for step in range(start, min(start + _RISE, len(data)), _STEP):
                ssl.bio_write(data[step : min(step + _STEP, start + _RISE)])
                if not self._collect(ssl, pieces):
                    break
            if self.state is not State.OPEN:
                return
            if pieces:
                self.above.receive(DataReceived(self.connection, b"".join(pieces)))

    def _rise_pending(self, ssl: SSL.Connection, is_one_record: bool = False) -> None:
        pieces: list[bytes] = []
        self._collect(ssl, pieces, is_one_record)
        if pieces:
            self.above.receive(DataReceived(self.connection, pieces[0] if len(pieces) == 1 else b"".join(pieces)))

    def _collect(self, ssl: SSL.Connection, pieces: list[bytes], is_one_record: bool = False) -> bool:
        """False if nothing more will come. `is_one_record`: after one piece there is nothing left to ask for."""
        try:
            while True:
                pieces.append(ssl.recv(_STEP))
                if is_one_record and not ssl.pending():
                    return True
        except SSL.WantReadError:
            if not pieces:
                self._flush()  # a ticket, a key update
            return True
        except SSL.ZeroReturnError:
            return self._ended(pieces, HalfClosed(self.connection))
        except SSL.SysCallError:
            return self._ended(pieces, HalfClosed(self.connection, is_cut=True))
        except SSL.Error as error:
            self._flush()
            self._rise_first(pieces)
            self._fail_with(broken(error))
            return False

    def _ended(self, pieces: list[bytes], event: HalfClosed) -> bool:
        if not self._got_close_notify:
            self._got_close_notify = True
            self._rise_first(pieces)
            self.above.receive(event)
        return False

    def _rise_first(self, pieces: list[bytes]) -> None:
        if pieces:
            data = b"".join(pieces)
            pieces.clear()
            self.above.receive(DataReceived(self.connection, data))

    def ended_below(self, event: HalfClosed) -> None:
        if self.state is State.OPEN:
            if not self._got_close_notify:  # a peer that just ends TCP: common, and told from an attack by nobody
                self._got_close_notify = event.is_cut = True
                self.above.receive(event)
        else:
            self._fail_with(self._explain(None))

    def closed_below(self, event: Closed) -> None:
        super().closed_below(event)
        if self.state not in (State.OPEN, State.FAILED):
            self.state = State.FAILED
            event.reason = self._explain(None)
            self.failed(event.reason)

    # --- above ▸ below ----------------------------------------------------------------------------------------

    def from_above(self, data: bytes) -> None:
        if self.state is State.OPEN:
            if not self._plain:
                self.stack.at_turn_end.append(self._encrypt)
            self._plain.append(data)

    def _encrypt(self) -> None:
        """What one turn sends becomes as few records as it can: a response's head and its body are one, if both are there."""
        ssl, plain = self._ssl, self._plain
        if not plain:
            return  # done already, because the connection was closed in this turn
        self._plain = []
        if self.state is not State.OPEN or ssl is None:
            return
        data = plain[0] if len(plain) == 1 else b"".join(plain)
        try:
            for start in range(0, len(data), 16384):
                ssl.send(data[start : start + 16384])
                self.below.emit(Send(self.connection, ssl.bio_read(_STEP * 2)))
        except SSL.Error:
            self.below.emit(Close(self.connection, "TLS is broken"))
            self.stack.post(self.above, Closed(self.connection, "TLS is broken"))

    def control_from_above(self, effect: PipeEffect) -> None:
        if isinstance(effect, (Close, HalfClose)) and self.state is State.OPEN and self._ssl is not None:
            self._encrypt()
            if isinstance(effect, Close) and effect.is_abrupt:
                effect.is_abrupt = False  # that there is no close_notify tells it, and loses nothing that was sent
            else:
                with suppress(SSL.Error):
                    self._ssl.shutdown()
            self._flush()
        super().control_from_above(effect)

    def _flush(self) -> None:
        ssl = self._ssl
        assert ssl is not None
        try:
            while data := ssl.bio_read(_RISE):
                self.sink(data)
                if len(data) < _RISE:
                    return
        except SSL.WantReadError:
            pass

    # --- failing ----------------------------------------------------------------------------------------------

    def _fail_with(self, reason: str) -> None:
        was_open, self.state = self.state is State.OPEN, State.FAILED
        if not was_open:
            self.failed(reason)
        self.fail(reason)

    def _explain(self, error: SSL.Error | None) -> str:
        raise AssertionError("each side says its own")


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
        if self._hello.server_name and origin is not None and _is_address(origin.host):
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
        _expect_host(ssl, self._host)
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
        self.facts.chain = self._known_chain if self.facts.is_resumed else _chain(ssl)

    def _rise_pending(self, ssl: SSL.Connection, is_one_record: bool = False) -> None:
        super()._rise_pending(ssl, is_one_record)
        if self._session_key is not None and self.state is State.OPEN and is_one_record:
            if session := ssl.get_session():  # only after the first record is a TLS 1.3 ticket there
                self._settings.upstream_tls.keep_session(self._session_key, session, self.facts.chain)
            self._session_key = None

    def _explain(self, error: SSL.Error | None) -> str:
        ssl = self._ssl
        verified = _lib.SSL_get_verify_result(ssl._ssl) if ssl is not None else 0
        text = _ffi.string(_lib.X509_verify_cert_error_string(verified)).decode() if verified else ""
        if ssl is not None and not self.facts.chain:
            self.facts.chain = _chain(ssl)
        return server_failure(error, self._host, verified if not self._settings.ssl_insecure else 0, text)

    def failed(self, reason: str) -> None:
        self.connection.error = reason  # who reached for it makes a row of it

    def closed_below(self, event: Closed) -> None:
        own = event.reason
        super().closed_below(event)
        if self._ssl is None and own:
            event.reason = own


def _expect_host(ssl: SSL.Connection, host: str) -> None:
    """SNI, and what the certificate must be for: pyOpenSSL itself checks no names."""
    parameters = _lib.SSL_get0_param(ssl._ssl)
    if _is_address(host):
        packed = ip_address(host.partition("%")[0]).packed
        _lib.X509_VERIFY_PARAM_set1_ip(parameters, packed, len(packed))
        return
    name = host.encode("ascii", "replace")
    ssl.set_tlsext_host_name(name)
    _lib.X509_VERIFY_PARAM_set1_host(parameters, name, len(name))


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _chain(ssl: SSL.Connection) -> tuple[bytes, ...]:
    """The peer's certificates, DER, leaf first; at most ten of them."""
    from cryptography.hazmat.primitives.serialization import Encoding

    certificates = ssl.get_peer_cert_chain(as_cryptography=True) or ()
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates[:10])
