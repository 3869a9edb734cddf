"""What the exchanges of one client connection share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from interceptor.model.connection import Connection, Origin
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
