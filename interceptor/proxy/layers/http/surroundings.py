"""What the exchanges of one client connection share: where they go, and which version of HTTP is spoken there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from interceptor.model.connection import Connection, Origin
from interceptor.model.http import Request
from interceptor.proxy.layers.http.parts import Upstream
from interceptor.proxy.layers.http.translation import is_http1
from interceptor.proxy.layers.http.upgrades import asks_for_websocket
from interceptor.proxy.settings import Settings

MakeUpstream = Callable[[Any, Connection, bool], Upstream]
"""(exchange, connection, whether HTTP/2 is spoken on it)."""

HTTP1_ONLY: Final = (b"http/1.1",)
HTTP2_ONLY: Final = (b"h2",)
EITHER: Final = (b"h2", b"http/1.1")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every exchange of a connection shares. `origin` is where requests go that name no other place. `client_offers` is what
    the client can speak, for servers that are to be asked for the same."""

    settings: Settings
    make_upstream: MakeUpstream
    origin: Origin | None
    client_offers: tuple[bytes, ...] = HTTP1_ONLY
    is_h2c: bool = False  # the client speaks HTTP/2 without TLS to that origin
    may_forward: bool = False  # there are hops on the way to some servers, and they may be told plain requests

    def origin_of(self, request: Request, first_target: tuple[str, str, int]) -> Origin:
        """Where a request goes now. `first_target` is its scheme, host and port as received: if nobody has edited them, the known
        origin counts, with the server name that the client told."""
        known = self.origin
        if known is None or (request.scheme, request.host, request.port) != first_target:
            return request.origin
        return known if known.scheme == request.scheme else replace(known, scheme=request.scheme)

    def is_plain(self, request: Request, origin: Origin, offers: tuple[bytes, ...]) -> bool:
        """Whether a hop may be told this request instead of making a tunnel for it."""
        is_http = origin.scheme == "http" and offers == HTTP1_ONLY and request.method != "CONNECT"
        return is_http and not request.protocol and "upgrade" not in request.headers

    def offers_for(self, request: Request, origin: Origin) -> tuple[bytes, ...]:
        """What to offer the server: what the client offered us, or what the option `http2_upstream` says. For a WebSocket HTTP/2
        is among it if the client asked over HTTP/2, or the option is `always`; whether that server takes one is to be seen."""
        settings = self.settings
        if not settings.http2 or settings.http2_upstream == "never":
            return HTTP1_ONLY
        is_always = settings.http2_upstream == "always"
        if origin.scheme == "http":
            offers: tuple[bytes, ...] = HTTP2_ONLY if is_always or self.is_h2c else HTTP1_ONLY
        else:
            offers = EITHER if is_always else self.client_offers
        if offers == HTTP1_ONLY:
            return offers
        if request.protocol or (is_always and asks_for_websocket(request)):
            return offers
        if request.method == "CONNECT" or (is_http1(request) and "upgrade" in request.headers):
            return HTTP1_ONLY  # it becomes something else, which takes a whole connection
        return offers


def offers_of(client: Connection, speaks_http2: bool) -> tuple[bytes, ...]:
    """What a client can speak, in its own order: by ALPN, or because it does."""
    if client.tls is not None and client.tls.alpn_offers:
        offers = tuple(name for name in client.tls.alpn_offers if name in EITHER)
        return offers or HTTP1_ONLY
    return EITHER if speaks_http2 else HTTP1_ONLY
