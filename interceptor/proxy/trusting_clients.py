"""Which clients have believed our certificates, and for whom: by that handshakes are judged which clients leave without a word.

Browsers open several connections at once and drop, in the middle of the handshake, those that they turn out not to need. A client
that does not trust us may do the same. The one has believed us for that host before, the other never has.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from interceptor.model.connection import Connection

KEPT: Final = 4096


class TrustingClients:
    """Shared by all stacks. Clients are told apart by address, hosts by what clients call them."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def add(self, client: Connection, host: str) -> None:
        key = _key(client, host)
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)

    def has(self, client: Connection, host: str) -> bool:
        return _key(client, host) in self._known


def _key(client: Connection, host: str) -> tuple[str, str]:
    return client.peer[0] if client.peer is not None else "", host
