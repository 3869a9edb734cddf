"""A SOCKS5 proxy on the way out that is to pass on datagrams (RFC 1928 §7): asked over a connection of its own, which then stays
open as long as there are any.

    Dial ─▸ UDP ASSOCIATE ◂─ where to send ─▸ done: the attempt (`opening.py`) goes on with datagrams to there
                            the one ends ─▸ the other is closed

It heads that connection's pipe. Datagrams reach such a proxy directly or not at all, so it is the only hop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from interceptor.model.connection import Address, Connection, Hop, Route, Side
from interceptor.proxy.asks import ConnectFailed, Dial
from interceptor.proxy.core.effects import Ask, Asker, Close, PipeEffect
from interceptor.proxy.core.events import Closed, HalfClosed, Opened, PipeEvent
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.core.tunnel import Tunnel
from interceptor.proxy.hop_tunnel import HopTunnel
from interceptor.proxy.settings import Settings

R = TypeVar("R")
_UNSAID: Final = ("", "0.0.0.0", "::")
"""A proxy that does not know its own address."""


class MakesAssociations(Protocol):
    def association(self, hop: Hop, to: Address) -> HopTunnel:
        """Asks for one; `bound` is then where the hop takes datagrams, and `to` what each of them says to it about its way."""
        ...

    def datagrams_by(self, to: Address, ended: Callable[[], None]) -> Tunnel:
        """On the connection to where the hop takes them; `ended` when that is over."""
        ...


class Owner(Asker, Protocol):
    stack: Stack
    settings: Settings

    @property
    def make(self) -> MakesAssociations: ...

    def ask(self, ask: Ask[R], then: Callable[[R], None]) -> None: ...
    def withdraw(self, ask: Ask[Any]) -> None: ...
    def wire(self, effect: PipeEffect) -> None: ...


class DatagramHop:
    """`start`, once. Then `done(relay)` or `failed(stage, reason)` is called, unless it is ended before. What is to stand at the
    foot of the pipe of the connection to the relay one gets from `take`."""

    def __init__(
        self, owner: Owner, hop: Hop, to: Address, done: Callable[[Address], None], failed: Callable[[str, str], None]
    ) -> None:
        self._owner, self._stack, self._hop, self._to = owner, owner.stack, hop, to
        self._done, self._failed = done, failed
        self._connection = Connection(Side.SERVER, hop.address, opened_at=self._stack.wall_time(), via=(hop,))
        self._dial: Dial | None = None
        self._association: HopTunnel | None = None
        self._datagrams: Tunnel | None = None
        self._is_open = self._is_taken = False

    def start(self) -> None:
        self._wait()
        self._dial = Dial(self._owner, self._connection)
        self._owner.ask(self._dial, then=self._dialled)

    def _dialled(self, answer: Connection | ConnectFailed) -> None:
        self._dial = None
        if isinstance(answer, ConnectFailed):
            self._stop()
            return self._failed("connect", answer.reason)
        self._association = self._owner.make.association(self._hop, self._to)
        self._stack.open(self._connection, [self._association], self)
        self._wait()
        self._association.receive(Opened(self._connection))

    def receive(self, event: PipeEvent) -> None:
        match event:
            case Opened():
                self._opened()
            case HalfClosed() | Closed() if not self._is_open:
                self._stop()
                stage = self._association.stage if self._association is not None else ""
                self._failed(stage, event.reason if isinstance(event, Closed) else "")
            case HalfClosed() | Closed():
                datagrams, self._datagrams = self._datagrams, None
                self.end()
                if datagrams is not None and self._is_taken:
                    datagrams.fail(f"{self._hop} has ended the association for datagrams")
            case _:
                pass

    def _opened(self) -> None:
        self._stop()
        self._is_open = True
        assert self._association is not None
        self._datagrams = self._owner.make.datagrams_by(self._association.to, self.end)
        host, port = self._association.bound or ("", 0)
        if host in _UNSAID:  # the same as that of the connection
            host = self._connection.resolved[0] if self._connection.resolved is not None else self._hop.host
        self._done((host, port))

    def take(self) -> Tunnel | None:
        """None if the hop has ended the association already."""
        self._is_taken = True
        return self._datagrams

    def end(self) -> None:
        """Nobody wants it any more."""
        self._stop()
        if self._dial is not None:
            self._owner.withdraw(self._dial)
            self._dial = None
        self._owner.wire(Close(self._connection, "no longer wanted"))

    def _wait(self) -> None:
        self._stack.alarms[self._too_late] = self._stack.now + self._owner.settings.connect_timeout

    def _too_late(self) -> None:
        stage = self._association.stage if self._association is not None else "connect"
        self.end()
        self._failed(stage, f"not finished within {self._owner.settings.connect_timeout:g} s (connect_timeout)")

    def _stop(self) -> None:
        self._stack.alarms.pop(self._too_late, None)


def why_not(route: Route) -> str:
    """Why datagrams cannot go that way, for a person; or ""."""
    let_out = "a route `direct` for that host lets them out"
    if route[-1].scheme not in ("socks5", "socks5h"):
        return f"datagrams cannot go over this proxy, only over SOCKS5: {let_out}"
    if len(route) > 1:
        return f"datagrams go over one SOCKS5 proxy, and not through others to it: {let_out}"
    return ""
