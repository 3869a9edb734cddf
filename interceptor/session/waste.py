"""What a session file has that nobody needs: records that were written again since, flows that are to go for good, bodies,
connections and pieces of bodies that nothing refers to, and free pages.

    Needed (what is to stay: by the loop's thread) ─▸ find_waste: every record is looked at ─▸ Waste ─▸ compaction

Only reads, in a thread of its own, for as long as it takes. What is written meanwhile is not looked at, and not waste.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from interceptor.session.columns import block_records, read_index
from interceptor.session.flow_record import connections_in
from interceptor.session.record_parts import Parts
from interceptor.session.session_file import CHUNKS_SHIFT
from interceptor.session.stored_body import DIGEST_BYTES

NAME_BYTES = DIGEST_BYTES + 8
"""A part of a record that names a body has that length; one that has it by chance keeps a body that need not be."""


class Stopped(Exception):
    """Somebody did not want it any more."""


@dataclass(slots=True)
class Needed:
    """`blocks` says of each flow from `base` on in which block its record is, 0 if it is to go; `upto` is the newest of them.
    `deeds` are kept, and so are the bodies and connections that are in use in this program; of these, those from `open_from` on
    are written again when they have closed."""

    base: int
    blocks: array[int]
    upto: int
    deeds: set[int]
    digests: set[bytes]
    connections: set[int]
    open_from: int


@dataclass(slots=True)
class Waste:
    """`blocks`: what stays of blocks of which something goes. `bodies`: number by digest. `size` in bytes, about. Blocks above
    `upto`, and connections from `open_from` on, were not looked at, or may be written again."""

    upto: int = 0
    open_from: int = 0
    blocks: dict[int, list[int]] = field(default_factory=dict)
    bodies: dict[bytes, int] = field(default_factory=dict)
    connections: list[int] = field(default_factory=list)
    has_loose_chunks: bool = False
    size: int = 0


def find_waste(connection: sqlite3.Connection, needed: Needed, is_stopped: Callable[[], bool] = lambda: False) -> Waste:
    """`Malformed` or sqlite3.Error if the file cannot be read."""
    last = connection.execute("SELECT max(number) FROM connection").fetchone()[0] or 0
    waste = Waste(needed.upto, min(needed.open_from, last + 1))
    bodies: dict[bytes, int] = dict(connection.execute("SELECT digest, number FROM body"))
    connections = {number for (number,) in connection.execute("SELECT number FROM connection")}
    for digest in needed.digests:
        bodies.pop(digest, None)
    connections -= needed.connections
    for number, content_index, size in connection.execute(
        "SELECT number, content_index, length(records) FROM block WHERE number <= ?", (needed.upto,)
    ):
        if is_stopped():
            raise Stopped
        ids, _, _ = read_index(content_index)
        staying = [flow_id for flow_id in ids if _block_of(needed, flow_id) == number]
        if len(staying) < len(ids):
            waste.blocks[number] = staying
            waste.size += (size + len(content_index)) * (len(ids) - len(staying)) // len(ids)
        for record in records_of(connection, number, staying):
            connections.difference_update(connections_in(record))
            for digest in digests_in(record):
                bodies.pop(digest, None)
    for digest in digests_of_deeds(connection, needed.deeds):
        bodies.pop(digest, None)
    for number, record in connection.execute("SELECT number, record FROM connection"):
        if number not in connections:
            for digest in digests_in(record):
                bodies.pop(digest, None)
    waste.bodies, waste.connections = bodies, sorted(connections)
    numbers = set(bodies.values())
    waste.size += sum(size for number, size in connection.execute("SELECT number, size FROM body") if number in numbers)
    loose = connection.execute(f"SELECT sum(length(content)) FROM chunk WHERE {LOOSE}").fetchone()[0]
    waste.has_loose_chunks = bool(loose)
    waste.size += (loose or 0) + free_bytes(connection)
    return waste


LOOSE = f"(place >> {CHUNKS_SHIFT}) NOT IN (SELECT number FROM body)"
"""Pieces of bodies that were never whole."""


def _block_of(needed: Needed, flow_id: int) -> int:
    place = flow_id - needed.base
    return needed.blocks[place] if 0 <= place < len(needed.blocks) else 0


def records_of(connection: sqlite3.Connection, block: int, wanted: Iterable[int] | None = None) -> Iterator[bytes]:
    """Of a block: those of these flows, or all."""
    if wanted is not None and not wanted:
        return
    row = connection.execute("SELECT content_index, records FROM block WHERE number = ?", (block,)).fetchone()
    if row is None:
        return
    ids, ends, _ = read_index(row[0])
    records = block_records(row[1], ends)
    chosen = None if wanted is None else set(wanted)
    start = 0
    for flow_id, end in zip(ids, ends, strict=True):
        if chosen is None or flow_id in chosen:
            yield records[start:end]
        start = end


def digests_in(record: bytes) -> list[bytes]:
    """Of the bodies that it names, at least."""
    return [part[:DIGEST_BYTES] for part in Parts(record).of_length(NAME_BYTES)]


def digests_of_deeds(connection: sqlite3.Connection, numbers: set[int] | None = None) -> Iterator[bytes]:
    """Of the bodies that deeds name: those of these numbers, or all."""
    for number, record in connection.execute("SELECT number, record FROM deed"):
        if numbers is None or number in numbers:
            for carrier in Parts(record).rest()[1:]:
                yield from digests_in(carrier)


def free_bytes(connection: sqlite3.Connection) -> int:
    pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size"))
    return int(pages) * int(size)
