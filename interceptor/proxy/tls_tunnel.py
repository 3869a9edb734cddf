"""TLS as a tunnel, on OpenSSL with memory BIOs: what both sides have in common, the pump between the wire, OpenSSL and what is
above. `layers/client_tls.py` faces clients with it, `layers/server_tls.py` servers.

Bytes go through OpenSSL in steps of one record's size: its memory BIOs keep their high-water mark for life. What OpenSSL has
to say on failure (the alert) is sent before the connection is closed.
"""

from __future__ import annotations

from contextlib import suppress
from enum import Enum
from ipaddress import ip_address
from typing import Any, Final

from OpenSSL import SSL

from interceptor.model.connection import TlsFacts
from interceptor.proxy.core.effects import Close, HalfClose, PipeEffect, Send
from interceptor.proxy.core.events import Closed, DataReceived, HalfClosed, Opened
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.core.tunnel import Tunnel
from interceptor.proxy.tls_failures import broken

_HELLO_KEPT: Final = 8 * 1024
_STEP: Final = 16 * 1024 + 256
_RISE: Final = 64 * 1024
_lib: Any = SSL._lib  # type: ignore[attr-defined]


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


def is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def expect_host(ssl: SSL.Connection, host: str) -> None:
    """SNI, and what the certificate must be for: pyOpenSSL itself checks no names."""
    parameters = _lib.SSL_get0_param(ssl._ssl)
    if is_address(host):
        packed = ip_address(host.partition("%")[0]).packed
        _lib.X509_VERIFY_PARAM_set1_ip(parameters, packed, len(packed))
        return
    name = host.encode("ascii", "replace")
    ssl.set_tlsext_host_name(name)
    _lib.X509_VERIFY_PARAM_set1_host(parameters, name, len(name))


def chain_of(ssl: SSL.Connection) -> tuple[bytes, ...]:
    """The peer's certificates, DER, leaf first; at most ten of them."""
    from cryptography.hazmat.primitives.serialization import Encoding

    certificates = ssl.get_peer_cert_chain(as_cryptography=True) or ()
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates[:10])
