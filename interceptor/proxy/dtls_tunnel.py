"""DTLS as a tunnel of datagrams, on OpenSSL with memory BIOs: what both sides have in common (RFC 6347).

Each datagram that comes from above is one record, and each record that comes in is one datagram above. A flight is cut where its
records end, and as many as fit go into one datagram. What gets lost in the handshake is said again: OpenSSL knows when.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from OpenSSL import SSL

from interceptor.model.connection import TlsFacts
from interceptor.proxy.core.effects import Close, PipeEffect
from interceptor.proxy.core.events import Closed, Opened
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.core.tunnel import Tunnel
from interceptor.proxy.tls_failures import broken
from interceptor.proxy.tls_tunnel import State

DATAGRAM_BYTES: Final = 1200
"""What gets through everywhere; of the handshake: what is said inside may be larger, as it was when it came."""
_RECORD_HEADER: Final = 13
_LARGEST: Final = 65_535
_lib: Any = SSL._lib  # type: ignore[attr-defined]


class DtlsTunnel(Tunnel):
    name = "DTLS"

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.state = State.PARSING
        self.facts = TlsFacts()
        self._ssl: SSL.Connection | None = None

    @property
    def stage(self) -> str:  # type: ignore[override]
        return "" if self.state is State.OPEN else "DTLS handshake"

    def failed(self, reason: str) -> None:
        """The handshake has broken: `reason` is for a person."""
        raise AssertionError("each side says its own")

    def explained(self, error: SSL.Error | None) -> str:
        raise AssertionError("each side says its own")

    def make(self, context: SSL.Context) -> SSL.Connection:
        self._ssl = ssl = SSL.Connection(context, None)
        ssl.set_ciphertext_mtu(DATAGRAM_BYTES)
        return ssl

    # --- below ▸ above ----------------------------------------------------------------------------------------

    def from_below(self, data: bytes) -> None:
        if self.state is State.HANDSHAKING:
            self.shake_hands([data])
        elif self.state is State.OPEN and data:
            assert self._ssl is not None
            self._ssl.bio_write(data)
            self._rise_pending(self._ssl)

    def shake_hands(self, datagrams: list[bytes]) -> bool:
        """True if it goes on."""
        ssl = self._ssl
        assert ssl is not None
        for datagram in datagrams or [b""]:
            if datagram:
                ssl.bio_write(datagram)
            try:
                ssl.do_handshake()
            except SSL.WantReadError:
                self.flush()
                continue
            except SSL.Error as error:
                self.flush()
                self.fail_with(self.explained(error))
                return False
            if self.state is not State.OPEN:
                self._opened(ssl)
        self._set_timer()
        return True

    def learned(self, ssl: SSL.Connection) -> None:
        facts = self.facts
        facts.version, facts.cipher = ssl.get_protocol_version_name(), ssl.get_cipher_name() or ""
        facts.alpn = ssl.get_alpn_proto_negotiated()
        facts.established_at = self.stack.wall_time()

    def _opened(self, ssl: SSL.Connection) -> None:
        self.learned(ssl)
        self.flush()
        self.state = State.OPEN
        self.above.receive(Opened(self.connection))
        self._rise_pending(ssl)

    def _rise_pending(self, ssl: SSL.Connection) -> None:
        try:
            while True:
                self.rise(ssl.recv(_LARGEST))
        except SSL.WantReadError:
            self.flush()  # the last flight once more, if the peer has not got it
        except SSL.ZeroReturnError:
            self.flush()
            self.state = State.FAILED
            self.fail("")
        except SSL.Error as error:
            self.flush()
            self.fail_with(broken(error).replace("TLS", "DTLS", 1))

    def closed_below(self, event: Closed) -> None:
        super().closed_below(event)
        self._stop()
        if self.state not in (State.OPEN, State.FAILED):
            self.state = State.FAILED
            event.reason = event.reason or self.explained(None)
            self.failed(event.reason)

    # --- above ▸ below ----------------------------------------------------------------------------------------

    def from_above(self, data: bytes) -> None:
        if self.state is State.OPEN and data and self._ssl is not None:
            with suppress(SSL.Error):  # larger than a record can be: lost, as datagrams may be
                self._ssl.send(data)
            self.flush()  # else what is sent next would be in the same datagram

    def control_from_above(self, effect: PipeEffect) -> None:
        if isinstance(effect, Close):
            self._stop()
            if self.state is State.OPEN and self._ssl is not None:
                with suppress(SSL.Error):
                    self._ssl.shutdown()
                self.flush()
        super().control_from_above(effect)

    def flush(self) -> None:
        ssl = self._ssl
        assert ssl is not None
        flight = b""
        with suppress(SSL.WantReadError):
            while True:
                flight += ssl.bio_read(_LARGEST)
        start = at = 0
        while at + _RECORD_HEADER <= len(flight):
            size = _RECORD_HEADER + int.from_bytes(flight[at + 11 : at + _RECORD_HEADER], "big")
            if at + size - start > DATAGRAM_BYTES and at > start:
                self.sink(flight[start:at])
                start = at
            at += size
        self.sink(flight[start:])

    # --- time and failing -------------------------------------------------------------------------------------

    def _set_timer(self) -> None:
        ssl = self._ssl
        left = ssl.DTLSv1_get_timeout() if ssl is not None and self.state is State.HANDSHAKING else None
        if left is None:
            self.stack.alarms.pop(self._say_again, None)
        else:
            self.stack.alarms[self._say_again] = self.stack.now + left

    def _say_again(self) -> None:
        if self._ssl is None or self.state is State.FAILED:
            return
        with suppress(SSL.Error):  # it has been said often enough; the time for the handshake ends it
            self._ssl.DTLSv1_handle_timeout()
        self.flush()
        self._set_timer()

    def _stop(self) -> None:
        self.stack.alarms.pop(self._say_again, None)

    def fail_with(self, reason: str) -> None:
        self._stop()
        was_open, self.state = self.state is State.OPEN, State.FAILED
        if not was_open:
            self.failed(reason)
        self.fail(reason)
