"""What the exchanges of one client connection share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from interceptor.model.connection import Connection, Origin
from interceptor.model.http import Request
from interceptor.proxy.layers.http.http1_upstream import Exchanging
from interceptor.proxy.layers.http.parts import Upstream
from interceptor.proxy.settings import Settings

MakeUpstream = Callable[[Exchanging, Connection], Upstream]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every exchange of a connection shares. `origin` is where requests go that name no other place."""

    settings: Settings
    make_upstream: MakeUpstream
    origin: Origin | None

    def origin_of(self, request: Request, first_target: tuple[str, str, int]) -> Origin:
        """Where a request goes now. `first_target` is its scheme, host and port as received: if nobody has edited them, the known
        origin counts, with the server name that the client told."""
        known = self.origin
        if known is None or (request.scheme, request.host, request.port) != first_target:
            return request.origin
        return known if known.scheme == request.scheme else replace(known, scheme=request.scheme)
