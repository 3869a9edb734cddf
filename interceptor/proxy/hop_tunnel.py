"""What the tunnels through a proxy on the way out have in common: we ask, the hop answers, then bytes pass as they are.

    Opened below ─▸ ask() ─▸ answered(what has come) … ─▸ open(rest) ─▸ Opened above
                                     └▸ refuse(reason) ─▸ Close below, Closed above

Until it is open, nothing from above is passed on: what is above has not been told that it is open.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from enum import Enum
from typing import Final

from interceptor.model.connection import Address, Hop, bracketed
from interceptor.model.http import Field, Headers
from interceptor.proxy.core.events import Closed, HalfClosed, Opened
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.core.tunnel import Tunnel

ANSWER_LIMIT: Final = 64 * 1024
"""Bytes of a hop's answer; pages that explain a refusal are longer than its head."""

HopState = Enum("HopState", ["CLOSED", "ASKING", "OPEN", "FAILED"])


class HopTunnel(Tunnel):
    """`to` is where the hop is to lead: the next one, or the origin. `stage` is set by each kind; `bound` is what a hop says that
    it has bound for us, if it says so."""

    def __init__(self, stack: Stack, hop: Hop, to: Address) -> None:
        super().__init__(stack)
        self._hop, self.to = hop, to
        self.bound: Address | None = None
        self._state = HopState.CLOSED
        self._held = b""

    def begin(self) -> None:
        """Say what is to be said first."""
        raise AssertionError("each kind says its own")

    def answered(self, held: bytes) -> bytes:
        """All that has come and is not read yet; what of it is still not."""
        raise AssertionError("each kind reads its own")

    def open(self) -> None:
        """What is left of the hop's answer belongs to what is above."""
        self._state, self.stage = HopState.OPEN, ""
        self.above.receive(Opened(self.connection))

    def refuse(self, reason: str) -> None:
        self._state, self._held = HopState.FAILED, b""
        self.fail(reason)

    @property
    def is_asking(self) -> bool:
        return self._state is HopState.ASKING

    def opened_below(self) -> None:
        self._state = HopState.ASKING
        self.begin()

    def from_below(self, data: bytes) -> None:
        if self._state is HopState.OPEN:
            return self.rise(data)
        if not self.is_asking:
            return
        held = self.answered(self._held + data)
        if self.is_asking:
            self._held = held
            if len(held) > ANSWER_LIMIT:
                self.refuse(f"its answer is longer than {ANSWER_LIMIT} bytes")
        elif not self.stage:
            self._held = b""
            self.rise(held)

    def from_above(self, data: bytes) -> None:
        if self._state is HopState.OPEN:
            self.sink(data)

    def ended_below(self, event: HalfClosed) -> None:
        if self._state is HopState.OPEN:
            return super().ended_below(event)
        if self._state is HopState.ASKING:
            self.refuse(self._broken_off())

    def closed_below(self, event: Closed) -> None:
        super().closed_below(event)
        if self._state is HopState.ASKING:
            self._state = HopState.FAILED
            event.reason = self._broken_off() + (f" ({event.reason})" if event.reason else "")

    def _broken_off(self) -> str:
        if self._held:
            return f"it closed the connection in the middle of its answer, after {repr(self._held[:60])[1:]}"
        return "it closed the connection without an answer"


def basic_credentials(hop: Hop) -> list[Field]:
    """The field that tells them to a hop that speaks HTTP (RFC 7617), if there are any."""
    if hop.user is None:
        return []
    told = b64encode(f"{hop.user}:{hop.password}".encode("utf-8", "surrogateescape"))
    return [(b"Proxy-Authorization", b"Basic " + told)]


def challenge_in(fields: list[Field], scheme: str) -> bytes:
    """What a 407 says for that scheme beside its name; b"" if nothing, or not in base64."""
    for value in Headers(fields).get_all("proxy-authenticate"):
        name, _, said = value.strip().partition(" ")
        if name.lower() == scheme.lower() and said:
            try:
                return b64decode(said.strip(), validate=True)
            except ValueError:
                return b""
    return b""


def refusal(hop: Hop, status: int, reason: bytes, fields: list[Field], login: str = "") -> str:
    """Why it does not lead on, by its answer to CONNECT; `login`: the scheme by which it was told all there is to tell."""
    said = f"{status} {reason.decode('utf-8', 'replace').strip()}".strip()
    if status != 407:
        return f"it answered {said}"
    schemes = [value.split(" ")[0] for value in Headers(fields).get_all("proxy-authenticate")]
    wanted = f" ({', '.join(schemes)})" if schemes else ""
    if login:
        return f"it does not take the credentials of {hop.user or 'this user'!r}{wanted}: {said}"
    offered = [scheme.lower() for scheme in schemes]
    if schemes and "basic" not in offered:
        for scheme in ("negotiate", "ntlm"):
            if scheme in offered:
                return f"it wants other credentials{wanted}: set upstream_auth_scheme to {scheme}, {said}"
        return f"it wants credentials of a kind that cannot be given{wanted}: {said}"
    if hop.user is None:
        return f"it wants credentials{wanted}: write {hop.scheme}://user:password@{bracketed(hop.host)}, {said}"
    return f"it does not take the credentials of {hop.user!r}: {said}"
