"""Flows that have ended, kept in memory as what they would be in a session file: records, many together, compressed.

    Listing ─ add(flows) ─▸ records joined and compressed: a pack, its number in the table's `blocks`
    Store ─ load(pack, id) ─▸ the record ─▸ Flow

For whoever keeps many flows and no file (`dump`): a flow takes a tenth of what it takes as objects. Bodies in memory stand in the
records; those in the spool and connections stay objects, which a pack refers to. When memory gets short packs move to the spool,
the oldest first, and after that whole packs are dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from interceptor.model.body import SPOOL_FROM, Body
from interceptor.model.connection import Connection
from interceptor.model.flow import Flow
from interceptor.session.flow_record import packed, unpacked
from interceptor.session.growing import bodies_of
from interceptor.session.record_parts import Parts, joined
from interceptor.session.spool import BodySlice, Spool, SpooledBody
from interceptor.session.stored_body import DIGEST_BYTES, StoredBody

if TYPE_CHECKING:
    import zstandard

PACKED_TOGETHER: Final = 32
"""About a millisecond's work."""
_BYTES_TOGETHER: Final = 256 * 1024
_PLAIN: Final = (str, int, float, bool, type(None))
_OWN_BYTES: Final = 600
_BYTES_PER_FLOW: Final = 300
"""About what the list and a view have of each."""


def can_be_packed(flow: Flow) -> bool:
    """Not what a record would not bring back as it is, and not what is to stay."""
    if flow.marker or flow.held is not None or flow.is_live:
        return False
    if flow.metadata and not all(type(value) in _PLAIN for value in flow.metadata.values()):
        return False
    return not any(type(body) is StoredBody for body in bodies_of(flow))


class _Pack:
    """What one refers to. Bodies and connections are numbered from 0 and 1."""

    __slots__ = ("bodies", "connections", "content", "ids", "key", "new_spooled", "weight")

    def __init__(self, key: int, ids: list[int], spool: Spool) -> None:
        self.key, self.ids = key, ids
        self.new_spooled = spool.new_body
        self.connections: dict[Connection, int] | tuple[Connection, ...] = {}
        self.bodies: list[Body] = []
        self.content: bytes | BodySlice = b""
        self.weight = 0

    def number(self, connection: Connection | None, /) -> int:
        assert isinstance(self.connections, dict)
        return 0 if connection is None else self.connections.setdefault(connection, len(self.connections) + 1)

    # Sources

    def connection(self, number: int) -> Connection | None:
        assert isinstance(self.connections, tuple)
        return self.connections[number - 1] if number else None

    def body(self, digest: bytes, size: int, is_truncated: bool) -> Body:
        return self.bodies[int.from_bytes(digest, "little")]


class Packs:
    """`weight`: about how many bytes of memory all of them take."""

    def __init__(self, spool: Spool) -> None:
        import zstandard

        self.weight = 0
        self._spool = spool
        self._packs: dict[int, _Pack] = {}  # in the order in which they were made
        self._in_memory: dict[int, _Pack] = {}  # of these, those that are not in the spool
        self._last = 0
        self._compressor: zstandard.ZstdCompressor = zstandard.ZstdCompressor(level=1, write_checksum=False)
        self._decompressor = zstandard.ZstdDecompressor()
        self._moving: deque[tuple[SpooledBody, list[tuple[_Pack, BodySlice]]]] = deque()  # to the disk, in this order
        self._opened: tuple[int, dict[int, bytes]] = 0, {}

    def add(self, flows: Sequence[Flow]) -> int:
        """As they are now, the first of them, as many as go together. The number of their pack; `flows_of` says how many."""
        self._last += 1
        pack, records, size = _Pack(self._last, [], self._spool), [], 0
        for flow in flows:
            record = packed(flow, pack.number, SPOOL_FROM)
            for index, body in record.bodies:
                record.parts[index] = len(pack.bodies).to_bytes(DIGEST_BYTES, "little") + body.size.to_bytes(8, "little")
                pack.bodies.append(body)
            records.append(joined(record.parts))
            pack.ids.append(flow.id)
            size += len(records[-1])
            if size >= _BYTES_TOGETHER:
                break
        pack.connections = tuple(pack.connections)
        pack.content = self._compressor.compress(joined(records))
        pack.weight = _OWN_BYTES + _BYTES_PER_FLOW * len(records) + len(pack.content)
        self._packs[self._last] = self._in_memory[self._last] = pack
        self.weight += pack.weight
        return self._last

    def flows_of(self, number: int) -> Sequence[int]:
        return self._packs[number].ids

    def load(self, number: int, flow_id: int) -> Flow:
        pack = self._packs[number]
        opened, records = self._opened
        if opened != number:
            content = pack.content if isinstance(pack.content, bytes) else pack.content.read()
            parts = Parts(self._decompressor.decompress(content)).rest()
            records = dict(zip(pack.ids, parts, strict=True))
            self._opened = number, records
        return unpacked(records[flow_id], pack)

    def let_go(self) -> None:
        """Of the records that were read last."""
        self._opened = 0, {}

    def move_oldest(self) -> bool:
        """The oldest packs that are in memory go to the spool, some together. False if there is none, or no room. Nobody waits
        for the disk: until they are there their bytes stay, and if they cannot be there they count again."""
        has_failed = self._note_moved()
        if has_failed or not self._in_memory or not self._spool.has_room:
            return False
        shelf, moved = self._spool.new_body(), list[tuple[_Pack, BodySlice]]()
        for pack in self._in_memory.values():
            assert isinstance(pack.content, bytes)
            moved.append((pack, BodySlice(shelf, shelf.size, len(pack.content))))
            shelf.append(pack.content)
            if shelf.size >= _BYTES_TOGETHER:
                break
        shelf.finish()
        if shelf.is_truncated:
            return False
        self._moving.append((shelf, moved))
        for pack, place in moved:
            del self._in_memory[pack.key]
            self._weighs(pack, -place.size)
        return True

    def _note_moved(self) -> bool:
        """Whether something could not be written."""
        has_failed = False
        while self._moving and not self._moving[0][0].bytes_in_memory:
            shelf, moved = self._moving.popleft()
            for pack, place in moved:
                if pack.key not in self._packs:
                    continue  # dropped meanwhile
                if not shelf.is_truncated:
                    pack.content = place
                    continue
                has_failed = True
                self._in_memory[pack.key] = pack
                self._weighs(pack, place.size)
        return has_failed

    def _weighs(self, pack: _Pack, more: int) -> None:
        pack.weight += more
        self.weight += more

    def drop_oldest(self) -> tuple[int, Sequence[int]]:
        """Its number, and which flows were in it; 0 if there is no pack."""
        number = next(iter(self._packs), 0)
        if not number:
            return 0, ()
        pack = self._packs.pop(number)
        self._in_memory.pop(number, None)
        self.weight -= pack.weight
        if self._opened[0] == number:
            self.let_go()
        return number, pack.ids
