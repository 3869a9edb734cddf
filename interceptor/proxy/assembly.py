"""Puts the layers of one stack together: the one place that knows them all.

driver ▸ client_connected ▸ [Socks ▸] Detect ▸ (TLS ▸ Detect ▸) HTTP/1 or HTTP/2 with its router | Relay
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from interceptor.model.connection import Address, Connection, Hop, Origin
from interceptor.model.flow import HttpFlow, WebSocketMessage
from interceptor.model.http import Response
from interceptor.proxy.choose import Next
from interceptor.proxy.core.events import DataReceived, Opened, PipeEvent, Receiver
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.core.tunnel import Tunnel
from interceptor.proxy.ingress import Ingress, record_failure
from interceptor.proxy.layers.connect import Connect
from interceptor.proxy.layers.detect import Detect
from interceptor.proxy.layers.http.exchange import Exchange
from interceptor.proxy.layers.http.http1_downstream import Http1Downstream
from interceptor.proxy.layers.http.http1_upstream import Http1Upstream
from interceptor.proxy.layers.http.parts import Upstream
from interceptor.proxy.layers.http.replayer import Replayer
from interceptor.proxy.layers.http.router import ClientCodec, Router
from interceptor.proxy.layers.http.surroundings import EITHER, HTTP1_ONLY, Surroundings
from interceptor.proxy.layers.http.translation import HTTP2
from interceptor.proxy.layers.relay import Relay
from interceptor.proxy.opening import Unclaimed
from interceptor.proxy.settings import Settings
from interceptor.proxy.upstreams import Upstreams
from interceptor.specs.servers import NameServer

if TYPE_CHECKING:
    from interceptor.proxy.hop_tunnel import HopTunnel
    from interceptor.proxy.layers.dns import Dns
    from interceptor.proxy.layers.http.dns_over_https import HttpsLink
    from interceptor.proxy.layers.http.http2_hop import Http2Hop
    from interceptor.proxy.layers.http.http2_upstream import Http2Upstream
    from interceptor.proxy.layers.socks import Socks


QUIC_REFUSED: Final = (
    "QUIC was not answered, so that the client falls back to HTTP over TCP, which can be read. ignore_hosts lets it through,"
    " unread."
)


class Assembly:
    """One stack and how its layers are made."""

    def __init__(self, settings: Settings, flow_ids: Iterator[int], epoch_offset: float) -> None:
        self.stack = Stack(flow_ids, epoch_offset)
        self._settings = settings
        self._client: Connection | None = None  # None: a replay
        self._upstreams = Upstreams(self.stack, settings, self)
        self._upstreams.tell_of_websockets = lambda ask: self._http2_upstream(ask.connection).tell_of_websockets(ask)

    # --- MakesTunnels: for Upstreams --------------------------------------------------------------------------

    def tls(self, origin: Origin, alpn_offers: tuple[bytes, ...]) -> Tunnel:
        if origin.transport == "udp":
            from interceptor.proxy.layers.server_dtls import ServerDtls

            return ServerDtls(self.stack, self._settings, origin, alpn_offers)
        from interceptor.proxy.layers.server_tls import ServerTls  # OpenSSL is loaded when TLS is first spoken

        return ServerTls(self.stack, self._settings, origin, alpn_offers)

    def tls_with_hop(self, hop: Hop, is_forwarding: bool) -> Tunnel:
        from interceptor.proxy.layers.server_tls import ServerTls

        is_http1 = is_forwarding or not self._settings.http2 or self._settings.login_with(hop)  # that belongs to a connection
        offers = HTTP1_ONLY if is_http1 else EITHER
        return ServerTls(self.stack, self._settings, Origin("https", hop.host, hop.port), offers, is_to_hop=True)

    def carrier(self, tls: Tunnel, hop: Hop, early: Sequence[PipeEvent]) -> Http2Hop | None:
        from interceptor.proxy.layers.server_tls import ServerTls

        if not isinstance(tls, ServerTls) or tls.facts.alpn != b"h2":
            return None
        from interceptor.proxy.layers.http.http2_hop import Http2Hop

        carrier = Http2Hop(self.stack, self._settings, tls.connection, hop)
        self.stack.pipes[tls.connection].put((), carrier)
        carrier.start()
        _receive(carrier, early)
        return carrier

    def through_hop(self, hop: Hop, to: Address) -> Tunnel:
        if not hop.speaks_http:
            from interceptor.proxy.layers.socks_hop import SocksHop

            return SocksHop(self.stack, hop, to)
        from interceptor.proxy.layers.http.connect_hop import ConnectHop

        return ConnectHop(self.stack, hop, to, self._settings.http_connect_send_host_header, self._settings.login_with(hop))

    def association(self, hop: Hop, to: Address) -> HopTunnel:
        from interceptor.proxy.layers.socks_hop import SocksHop

        return SocksHop(self.stack, hop, to, is_association=True)

    def datagrams_by(self, to: Address, ended: Callable[[], None]) -> Tunnel:
        from interceptor.proxy.layers.socks_hop import SocksDatagrams

        return SocksDatagrams(self.stack, to, ended)

    def proxy_header(self, origin: Origin) -> Tunnel | None:
        if (version := self._settings.proxy_header_for(origin)) is None:
            return None
        from interceptor.proxy.layers.proxy_protocol import SaysProxyHeader
        from interceptor.proxy.proxy_header import write_header

        client = self._client
        source, destination = (client.peer, client.local) if client is not None else (None, None)
        return SaysProxyHeader(self.stack, write_header(version, source, destination))

    def login(self, hop: Hop) -> Tunnel | None:
        if not (scheme := self._settings.login_with(hop)):
            return None
        from interceptor.proxy.layers.http.forward_login import ForwardLogin

        return ForwardLogin(self.stack, hop, scheme)

    # --- for the driver ---------------------------------------------------------------------------------------

    def client_connected(self, connection: Connection, ingress: Ingress) -> None:
        """`Opened` and all that follows goes to the stack's turns."""
        self._client = connection
        self._upstreams.tell_unasked = partial(self._tell_unasked, ingress, connection)
        if connection.transport == "tcp" and self._settings.takes_proxy_header(connection):
            from interceptor.proxy.layers.proxy_protocol import ProxyProtocol

            behind = partial(self._behind_proxy_header, connection, ingress)
            self.stack.open(connection, (), ProxyProtocol(self.stack, self._settings, ingress, connection, behind))
        elif ingress.is_socks:
            socks = self._socks(connection, ingress)
            self.stack.open(connection, (), socks)
            socks.start()
        else:
            self.stack.open(connection, (), self._detector(connection, ingress))

    def _socks(self, connection: Connection, ingress: Ingress) -> Socks:
        from interceptor.proxy.layers.socks import Socks

        return Socks(self.stack, self._settings, ingress, connection, partial(self.detect, connection))

    def _behind_proxy_header(self, connection: Connection, ingress: Ingress, waiting: list[PipeEvent]) -> None:
        if not ingress.is_socks:
            return self.detect(connection, ingress, waiting)
        if pipe := self.stack.pipes.get(connection):
            socks = self._socks(connection, ingress)
            pipe.put((), socks)
            socks.start()
            _receive(socks, [Opened(connection), *waiting])

    def _tell_unasked(self, ingress: Ingress, client: Connection, server: Connection, data: bytes) -> None:
        said = f"The server sent {len(data)} bytes that nobody asked for: {repr(data[:60])[1:]}"
        record_failure(self.stack, ingress, client, server, f"{said}. They were dropped, and its connection was closed.")

    def _detector(self, connection: Connection, ingress: Ingress) -> Detect:
        return Detect(self.stack, self._settings, self._upstreams, ingress, connection, self._proceed)

    def _proceed(self, detector: Detect, decision: Next, server: Connection | None, waiting: list[PipeEvent]) -> None:
        client, ingress = detector.connection, detector.ingress
        pipe = self.stack.pipes.get(client)
        if pipe is None:
            return
        match decision:
            case Next.TLS:
                from interceptor.proxy.layers.client_tls import ClientTls

                tunnel = ClientTls(self.stack, self._settings, ingress)
                pipe.put([tunnel], self._detector(client, self._in_tls(ingress)))
                _receive(tunnel, [Opened(client), *waiting])
            case Next.HTTP1:
                self._http1(client, ingress, waiting)
            case Next.HTTP2:
                self._http2(client, ingress, waiting)
            case Next.DNS:
                self._dns(client, ingress, waiting)
            case Next.DTLS:
                from interceptor.proxy.layers.client_dtls import ClientDtls

                inner = self._in_tls(ingress)
                dtls = ClientDtls(self.stack, self._settings, inner)
                pipe.put([dtls], self._detector(client, inner))
                _receive(dtls, [Opened(client), *waiting])
            case Next.QUIC:
                self._refuse(client, ingress, QUIC_REFUSED)
            case Next.RELAY:
                self._relay(ingress, client, server, waiting, is_ignored=False)
            case Next.IGNORE:
                self._relay(ingress, client, server, waiting, is_ignored=True)
            case Next.MORE:
                raise AssertionError("a decision was expected")

    def _refuse(self, client: Connection, ingress: Ingress, reason: str) -> None:
        from interceptor.proxy.layers.unanswered import Unanswered

        unanswered = Unanswered(self.stack, self._settings, ingress, client, reason)
        self.stack.pipes[client].put((), unanswered)
        unanswered.start()

    @staticmethod
    def _in_tls(ingress: Ingress) -> Ingress:
        """What is inside of the client's TLS goes to the origin's TLS, except where a reverse mode says otherwise."""
        origin = ingress.origin
        if origin is not None and origin.transport == "udp":
            origin = replace(origin, scheme="dtls")  # of which there is no other kind
        elif origin is not None and not ingress.is_reverse and origin.scheme == "tcp":
            origin = replace(origin, scheme="https")
        return replace(ingress, origin=origin, is_tls=True)

    def _http1(self, client: Connection, ingress: Ingress, waiting: list[PipeEvent]) -> None:
        router = Router(self.stack, self._settings, ingress, self, self._make_upstream, client)
        codec = Http1Downstream(self.stack, self._settings, router, client)
        self.stack.pipes[client].put((), codec)
        codec.start()
        _receive(codec, waiting)

    def _http2(self, client: Connection, ingress: Ingress, waiting: list[PipeEvent]) -> None:
        from interceptor.proxy.layers.http.http2_downstream import Http2Downstream  # h2 is loaded when HTTP/2 is first spoken

        router = Router(self.stack, self._settings, ingress, self, self._make_upstream, client, is_http2=True)
        codec = Http2Downstream(self.stack, self._settings, router, client)
        self.stack.pipes[client].put((), codec)
        codec.start()
        _receive(codec, waiting)

    def _dns(self, client: Connection, ingress: Ingress, waiting: list[PipeEvent]) -> None:
        from interceptor.proxy.layers.dns import Dns

        layer = Dns(self.stack, self._settings, ingress, client, self._over_https)
        self.stack.pipes[client].put((), layer)
        layer.start()
        _receive(layer, waiting)

    def _over_https(self, layer: Dns, server: NameServer) -> HttpsLink:
        from interceptor.proxy.layers.http.dns_over_https import HttpsLink

        return HttpsLink(layer, server, self._settings.http2, self._make_upstream)

    # --- Assembling: for the router ---------------------------------------------------------------------------

    def connect(
        self, codec: ClientCodec, flow: HttpFlow, granted: Callable[[], None], explain: Callable[[int, str], Response]
    ) -> Connect:
        return Connect(self.stack, self._settings, codec, flow, granted, explain)

    def detect(self, connection: Connection, ingress: Ingress, waiting: list[PipeEvent]) -> None:
        if pipe := self.stack.pipes.get(connection):
            detector = self._detector(connection, ingress)
            pipe.put((), detector)
            _receive(detector, [Opened(connection), *waiting])

    def relay(
        self, ingress: Ingress, client: Connection, server: Connection | None, waiting: list[PipeEvent], note: str = ""
    ) -> None:
        self._relay(ingress, client, server, waiting, is_ignored=False, note=note)

    def websocket(
        self,
        flow: HttpFlow,
        client: Connection | None,
        server: Connection,
        waiting: list[PipeEvent],
        script: Sequence[WebSocketMessage] = (),
    ) -> None:
        from interceptor.proxy.layers.websocket import WebSocket  # its library is loaded when one is first opened

        socket = WebSocket(self.stack, self._settings, flow, client, server, script)
        for connection in (client, server):
            if connection is not None and (pipe := self.stack.pipes.get(connection)):
                pipe.put((), socket)
        socket.start()
        _receive(socket, waiting)

    def _relay(
        self,
        ingress: Ingress,
        client: Connection,
        server: Connection | None,
        waiting: list[PipeEvent],
        is_ignored: bool,
        note: str = "",
    ) -> None:
        relay = Relay(self.stack, self._settings, ingress, client, server, is_ignored, partial(self._start_tls, ingress))
        relay.flow.comment = note
        for connection in (client, server):
            if connection is not None and (pipe := self.stack.pipes.get(connection)):
                pipe.put((), relay)
        relay.start()
        _receive(relay, waiting)

    def _start_tls(self, ingress: Ingress, relay: Relay, waiting: list[PipeEvent]) -> None:
        from interceptor.proxy.layers.client_tls import StartedTls

        client, server = relay.client, relay.server
        assert server is not None
        tunnel = StartedTls(self.stack, self._settings, ingress, server, relay)
        self.stack.pipes[client].put([tunnel], relay)
        _receive(tunnel, [Opened(client), *waiting])

    # --- without a client -------------------------------------------------------------------------------------

    def replay(self, flow: HttpFlow, script: Sequence[WebSocketMessage] = ()) -> None:
        """Sends the flow's request; its response becomes the flow's. If it becomes a WebSocket, `script` is said in it. Call
        from a turn (see `Replayer`)."""

        def go_on(flow: HttpFlow, server: Connection, early: bytes) -> None:
            self.websocket(flow, None, server, [DataReceived(server, early)] if early else [], script)

        replayer = Replayer(go_on)
        offers = EITHER if flow.request.http_version == HTTP2 else HTTP1_ONLY
        may_forward = bool(self._settings.routes)
        surroundings = Surroundings(self._settings, self._make_upstream, None, offers, may_forward=may_forward)
        exchange = Exchange(self.stack, surroundings, replayer, flow, flow.request.body.size)
        replayer.run(self.stack, exchange)

    def _make_upstream(self, exchange: Exchange, connection: Connection, is_http2: bool, is_raw: bool = False) -> Upstream:
        if is_http2:
            return self._http2_upstream(connection).stream_for(exchange)
        codec = Http1Upstream(self.stack, self._settings, self._upstreams, exchange, connection, is_raw)
        if pipe := self.stack.pipes.get(connection):
            pipe.put((), codec)
        return codec

    def _http2_upstream(self, connection: Connection) -> Http2Upstream:
        """One for all exchanges on that connection."""
        from interceptor.proxy.layers.http.http2_upstream import Http2Upstream

        pipe = self.stack.pipes.get(connection)
        if pipe is not None and isinstance(pipe.head, Http2Upstream):
            return pipe.head
        codec = Http2Upstream(self.stack, self._settings, self._upstreams, connection)
        if pipe is not None:
            early = pipe.head.leave_pipe() if isinstance(pipe.head, Unclaimed) else []
            pipe.put((), codec)
            codec.start()
            _receive(codec, early)
        else:
            codec.left("")  # it has gone in the meantime
        return codec


def _receive(head: Receiver, waiting: Sequence[PipeEvent]) -> None:
    """At once, not in a later turn: what rises next in this turn comes after it."""
    for event in waiting:
        head.receive(event)
