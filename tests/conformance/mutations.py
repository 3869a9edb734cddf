"""Right requests with a few bytes changed: what a parser meets that is attacked, or badly fed."""

from __future__ import annotations

import random
from collections.abc import Iterator

RIGHT = (
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a?b=c HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nX-Empty:\r\nCookie: a=b; c=d\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3;ext=1\r\nabc\r\n00\r\nX: y\r\n\r\n",
    b"PUT /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    b"OPTIONS * HTTP/1.0\r\nHost: a\r\n\r\n",
)
PIECES = (
    b"\r",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b":",
    b"\x00",
    b"\x0b",
    b"\x7f",
    b"\xff",
    b",",
    b";",
    b"0",
    b"5",
    b"+5",
    b"0x5",
    b"-1",
    b"1e0",
    b"chunked",
    b", chunked",
    b"identity",
    b"Content-Length: 5\r\n",
    b"Content-Length: 6\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b" folded\r\n",
    b"Host: b\r\n",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/2.0",
)


def mutations(seed: int, count: int) -> Iterator[bytes]:
    """The same ones for the same seed."""
    chance = random.Random(seed)
    for _ in range(count):
        text = chance.choice(RIGHT)
        for _ in range(chance.randrange(1, 4)):
            place = chance.randrange(len(text) + 1)
            match chance.randrange(4):
                case 0:
                    text = text[:place] + chance.choice(PIECES) + text[place:]
                case 1:
                    text = text[:place] + text[place + chance.randrange(1, 4) :]
                case 2:
                    text = text[:place] + bytes([chance.randrange(256)]) + text[place + 1 :]
                case _:  # where lines begin
                    lines = text.split(b"\r\n")
                    lines.insert(chance.randrange(len(lines)), chance.choice(PIECES).rstrip(b"\r\n"))
                    text = b"\r\n".join(lines)
        yield text
