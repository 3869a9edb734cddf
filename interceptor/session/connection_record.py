"""A connection as parts for the session file, and back. Certificates are bodies: those of one server are kept once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from interceptor.model.body import Body, MemoryBody
from interceptor.model.connection import Address, Connection, Hop, Side, TlsFacts
from interceptor.model.process import Process
from interceptor.session.record_parts import Malformed, Parts
from interceptor.session.stored_body import DIGEST_BYTES

_PLAIN: Final = ("transport", "opened_at", "connected_at", "closed_at", "error")
_TLS: Final = ("version", "cipher", "server_name", "is_resumed", "started_at", "established_at")


def packed_connection(connection: Connection) -> tuple[list[bytes], list[tuple[int, Body]]]:
    """Its parts, and which of them are to be replaced by the digests of which bodies."""
    facts: dict[str, Any] = {name: value for name in _PLAIN if (value := getattr(connection, name)) not in (None, "", 0.0)}
    facts["side"] = connection.side.value
    for name in ("peer", "resolved", "local"):
        if address := getattr(connection, name):
            facts[name] = address
    if connection.via:  # without the password
        facts["via"] = [[hop.scheme, hop.host, hop.port, hop.user] for hop in connection.via]
        facts["is_forwarded"] = connection.is_forwarded
    if (process := connection.process) is not None:
        facts["process"] = [process.pid, process.name, process.executable, *process.arguments]
    tls = connection.tls
    if tls is None:
        return [json.dumps(facts).encode()], []
    facts["tls"] = {name: value for name in _TLS if (value := getattr(tls, name))}
    facts["offers"] = len(tls.alpn_offers)
    parts = [json.dumps(facts).encode(), tls.alpn, tls.hello, *tls.alpn_offers]
    bodies: list[tuple[int, Body]] = []
    for certificate in tls.chain:
        bodies.append((len(parts), MemoryBody(certificate)))
        parts.append(b"")
    return parts, bodies


def unpacked_connection(record: bytes, certificates: Callable[[bytes, int], bytes]) -> Connection:
    """`certificates(digest, size)` gives one. `Malformed` if the record is none of a connection."""
    try:
        return _unpacked(record, certificates)
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise error if isinstance(error, Malformed) else Malformed(f"a connection in it makes no sense: {error}") from error


def _unpacked(record: bytes, certificates: Callable[[bytes, int], bytes]) -> Connection:
    parts = Parts(record)
    facts: dict[str, Any] = json.loads(parts.next())
    connection = Connection(Side(facts["side"]))
    for name in _PLAIN:
        if name in facts:
            setattr(connection, name, facts[name])
    connection.peer, connection.resolved, connection.local = (_address(facts.get(name)) for name in ("peer", "resolved", "local"))
    connection.via = tuple([Hop(scheme, host, port, user) for scheme, host, port, user in facts.get("via", ())])
    connection.is_forwarded = bool(facts.get("is_forwarded"))
    if "process" in facts:
        pid, *words = facts["process"]
        name, executable, *arguments = map(str, words)
        connection.process = Process(int(pid), name, executable, tuple(arguments))
    if "tls" in facts:
        tls = connection.tls = TlsFacts(**{name: value for name, value in facts["tls"].items() if name in _TLS})
        tls.alpn, tls.hello = parts.next(), parts.next()
        tls.alpn_offers = tuple([parts.next() for _ in range(int(facts["offers"]))])
        chain = []
        while parts.is_more:
            named = parts.next()
            chain.append(certificates(named[:DIGEST_BYTES], int.from_bytes(named[DIGEST_BYTES:], "little")))
        tls.chain = tuple(chain)
    return connection


def _address(value: Any) -> Address | None:
    return None if value is None else (str(value[0]), int(value[1]))

