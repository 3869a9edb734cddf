"""Many connections to the servers of `tests.support.gateway`, opened and closed in every way.

    python -m tests.support.many_connections CA COUNT HOST…     prints how many were finished, dropped in the middle, and refused
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import sys
from collections import Counter

AT_ONCE = 50
_ABRUPT = struct.pack("ii", 1, 0)


async def _http(host: str, trust: ssl.SSLContext) -> str:
    reader, writer = await asyncio.open_connection(host, 80)
    writer.write(b"GET /one HTTP/1.1\r\nHost: many.test\r\n\r\n")
    assert (await reader.read()).endswith(b"/one")
    writer.close()
    return "finished"


async def _https(host: str, trust: ssl.SSLContext) -> str:
    reader, writer = await asyncio.open_connection(host, 443, ssl=trust, server_hostname="secure.test")
    writer.write(b"GET /two HTTP/1.1\r\nHost: secure.test\r\n\r\n")
    assert (await reader.read()).endswith(b"/two")
    writer.close()
    return "finished"


async def _greeted(host: str, trust: ssl.SSLContext) -> str:
    reader, writer = await asyncio.open_connection(host, 2525)
    assert await reader.readline() == b"220 ready\r\n"
    writer.write(b"hello")
    writer.write_eof()
    assert await reader.read() == b"hello"
    writer.close()
    return "finished"


async def _dropped_at_once(host: str, trust: ssl.SSLContext) -> str:
    _, writer = await asyncio.open_connection(host, 2525)
    writer.close()
    return "dropped"


async def _reset_in_a_request(host: str, trust: ssl.SSLContext) -> str:
    _, writer = await asyncio.open_connection(host, 80)
    writer.write(b"POST /three HTTP/1.1\r\nHost: many.test\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPT)
    writer.transport.abort()
    return "dropped"


async def _left_in_a_handshake(host: str, trust: ssl.SSLContext) -> str:
    _, writer = await asyncio.open_connection(host, 443)
    writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    await writer.drain()
    writer.close()
    return "dropped"


KINDS = (_http, _greeted, _dropped_at_once, _http, _reset_in_a_request, _https, _left_in_a_handshake, _greeted)


async def _main() -> None:
    trust = ssl.create_default_context(cafile=sys.argv[1])
    count, hosts = int(sys.argv[2]), sys.argv[3:]
    fates: Counter[str] = Counter(finished=0, dropped=0, refused=0)
    numbers = iter(range(count))

    async def visitor() -> None:
        for number in numbers:
            try:
                fates[await KINDS[number % len(KINDS)](hosts[number // len(KINDS) % len(hosts)], trust)] += 1
            except (OSError, AssertionError, ssl.SSLError):
                fates["refused"] += 1

    await asyncio.gather(*(visitor() for _ in range(AT_ONCE)))
    print(json.dumps(fates))


if __name__ == "__main__":
    asyncio.run(_main())
