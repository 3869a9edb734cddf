"""An ASGI application for hypercorn: rooms in which one talks over a WebSocket and is told of ticks by server-sent events.

GET /ticks?room=R   `tick` events, numbered from 1. Each is made when the one before it has been heard of, so a client that is
                    shown them late, or only all at the end, waits for ever
    /chat?room=R    says "welcome" to "hello", which makes the first tick; "noted N" to "heard N", which makes the next one;
                    and everything binary back, as it is
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_asked_for: defaultdict[str, asyncio.Queue[int]] = defaultdict(asyncio.Queue)
"""The numbers of the ticks that are to be made, by room."""


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    room = parse_qs(scope["query_string"].decode()).get("room", [""])[0]
    if scope["type"] == "websocket":
        await _chat(room, receive, send)
    elif scope["path"] == "/ticks":
        await _ticks(room, dict(scope["headers"]).get(b"origin", b"*"), receive, send)
    else:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def _ticks(room: str, origin: bytes, receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
    headers += [(b"access-control-allow-origin", origin), (b"access-control-allow-credentials", b"true")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b": in the room\n\n", "more_body": True})

    async def make() -> None:
        while True:
            number = await _asked_for[room].get()
            event = f"event: tick\nid: {number}\ndata: {number}\n\n"
            await send({"type": "http.response.body", "body": event.encode(), "more_body": True})

    making = asyncio.create_task(make())
    while (await receive())["type"] != "http.disconnect":
        pass
    making.cancel()


async def _chat(room: str, receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif message["type"] == "websocket.disconnect":
            return
        elif message.get("bytes") is not None:
            await send({"type": "websocket.send", "bytes": message["bytes"]})
        elif message["text"] == "hello":
            await send({"type": "websocket.send", "text": "welcome"})
            _asked_for[room].put_nowait(1)
        else:
            number = int(message["text"].removeprefix("heard "))
            await send({"type": "websocket.send", "text": f"noted {number}"})
            _asked_for[room].put_nowait(number + 1)
