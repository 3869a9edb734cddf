"""The asks of this proxy, and their answers: what layers want to know from outside of their stack.

`Reach` and `TakesWebSockets` are answered inside the stack, by way of Upstreams; all others by the driver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from interceptor.model.body import Body
from interceptor.model.connection import Address, Connection, Hop, Origin, Route
from interceptor.model.hooks import Hook, Verdict
from interceptor.proxy.core.effects import Ask
from interceptor.proxy.core.events import Receiver
from interceptor.specs.routes import Pac
from interceptor.specs.servers import NameServer


@dataclass(slots=True)
class ConnectFailed:
    """`hop` is whom we tried to reach: the origin, or a proxy on the way to it; `stage` how far we came ("connect", "TLS
    handshake", "CONNECT", …), `reason` is for a person.
    `connection` is the record of the attempt, with what was learned."""

    hop: str
    stage: str
    reason: str
    connection: Connection | None = None

    def __str__(self) -> str:
        return f"{self.hop}: {self.stage}: {self.reason}"


@dataclass(slots=True)
class Reached:
    """`is_reused`: the connection has carried an exchange before, so its server may be closing it at this moment. `is_http2`:
    that is what is spoken on it, and others may have it at the same time."""

    connection: Connection
    is_reused: bool = False
    is_http2: bool = False


@dataclass(slots=True)
class Reach(Ask[Reached | ConnectFailed]):
    """To Upstreams: an open connection to that origin, on which one of `alpn_offers` is spoken if there are any (without TLS:
    HTTP/2 by prior knowledge if that is the only one, else HTTP/1). It is put under `head`; or the asker puts its own head there
    when it has the answer (`is_taken`). With neither only facts are wanted, and the connection stays idle until somebody reaches
    for that origin. `is_plain_request`: it is taken for one HTTP/1 request that becomes nothing else, so a hop that speaks HTTP
    may forward it instead of making a tunnel. `on`: no other connection, but TLS on this one, which the asker has."""

    origin: Origin
    head: Receiver | None = field(default=None, repr=False)
    alpn_offers: tuple[bytes, ...] = ()
    is_taken: bool = False
    is_fresh: bool = False  # no reused connection: the last one was closed under our request
    is_plain_request: bool = False
    on: Connection | None = None


@dataclass(slots=True)
class TakesWebSockets(Ask[str]):
    """To Upstreams: whether a server takes WebSockets on this connection, on which HTTP/2 is spoken. "" if so, else why not; told
    when its SETTINGS have come, or never will."""

    connection: Connection


@dataclass(slots=True)
class Dial(Ask[Connection | ConnectFailed]):
    """To the driver: a transport to `connection.dialled`; it fills in what it learns. If withdrawn, it closes what it has got."""

    connection: Connection


@dataclass(slots=True)
class ChooseWay(Ask[tuple[Route, ...] | ConnectFailed]):
    """To the driver: the ways that a PAC file says lead to that URL, to be tried in turn; never none."""

    pac: Pac
    url: str
    host: str


@dataclass(slots=True)
class Token:
    """What to tell a hop next. `context` goes back with what it answers."""

    context: object
    token: bytes


@dataclass(slots=True)
class LogInFailed:
    reason: str


@dataclass(slots=True)
class LogIn(Ask[Token | LogInFailed]):
    """To the driver: the next token of a login (`scheme` is "NTLM" or "Negotiate") with that hop's user and password; without
    them, by what the system knows of its user. The first has no challenge and no context."""

    hop: Hop
    scheme: str
    challenge: bytes = b""
    context: object = field(default=None, repr=False)


@dataclass(slots=True)
class Resolve(Ask[tuple[str, ...] | ConnectFailed]):
    """To the driver: the IP addresses of a name, for a hop that does not resolve names itself; never none."""

    host: str
    port: int


@dataclass(slots=True)
class Associate(Ask[Address | ConnectFailed]):
    """To the driver: the address of a socket that takes a SOCKS client's datagrams until its connection ends. `announced` is from
    where they will come, as the client says; port 0 if it does not know yet."""

    client: Connection
    announced: Address


@dataclass(slots=True)
class Leaf:
    """`context` is an OpenSSL server context, complete and shared: never to be changed."""

    context: object


@dataclass(slots=True)
class MintFailed:
    reason: str


@dataclass(slots=True)
class MintLeaf(Ask[Leaf | MintFailed]):
    """To the driver: a certificate for these names, modelled on the upstream's chain (DER, leaf first) if there is one."""

    names: tuple[str, ...]
    upstream_chain: tuple[bytes, ...] = ()
    wants_rsa: bool = False


@dataclass(slots=True)
class RunHook(Ask[Verdict]):
    """To the chain of addons, by way of the driver."""

    hook: Hook


@dataclass(slots=True)
class NamesFound:
    """`addresses` is what this machine's hosts file has for the name, packed, None if nothing."""

    servers: Sequence[NameServer]
    addresses: Sequence[bytes] | None = None


@dataclass(slots=True)
class LookUp(Ask[NamesFound]):
    """Which name servers there are, and what is known of a name without asking one ("": of none). Answered within the turn
    (`Stack.answers`)."""

    name: str


@dataclass(slots=True)
class ReadBody(Ask[bytes]):
    """Bytes of a body that may lie on disk."""

    body: Body
    start: int
    count: int
