"""An ASGI application for hypercorn: what a file server cannot do.

POST /mirror         the same bytes back, as they come
POST /digest         {"size": …, "sha256": …} of what was sent
GET  /seen           {"method", "path", "headers"} as the application saw them
GET  /count?n=…      n bytes in chunks of no announced length
*    /git/…          git over smart HTTP: runs `git http-backend` on $GIT_PROJECT_ROOT
GET  /events         a server-sent event; the second one when somebody asks for /next
GET  /early          103 first, where hypercorn can (HTTP/2)
GET  /trailers       a trailer behind the body, where hypercorn can
a WebSocket          says what it hears
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    path: str = scope["path"]
    if scope["type"] == "websocket":
        await _converse(receive, send)
    elif path in ("/events", "/next"):
        await _events(path, send)
    elif path in ("/early", "/trailers"):
        await _more_than_a_response(path, scope, send)
    elif path == "/mirror":
        await _mirror(scope, receive, send)
    elif path == "/digest":
        await _digest(receive, send)
    elif path == "/count":
        await _count(scope, send)
    elif path.startswith("/git/"):
        await _git(scope, receive, send)
    else:
        seen = {
            "method": scope["method"],
            "path": scope["raw_path"].decode("latin-1"),
            "query": scope["query_string"].decode("latin-1"),
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        }
        await _answer(send, json.dumps(seen).encode())


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client has gone")
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


_asked_for_next = asyncio.Event()


async def _events(path: str, send: Send) -> None:
    if path == "/next":
        _asked_for_next.set()
        return await _answer(send, b"ok")
    _asked_for_next.clear()
    headers = [(b"content-type", b"text/event-stream"), (b"x-b", b"1"), (b"x-a", b"2"), (b"x-b", b"3")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"data: one\n\n", "more_body": True})
    await asyncio.wait_for(_asked_for_next.wait(), 20)
    await send({"type": "http.response.body", "body": b"data: two\n\n"})


async def _more_than_a_response(path: str, scope: dict[str, Any], send: Send) -> None:
    can = scope["extensions"]
    if path == "/early" and "http.response.early_hint" in can:
        await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
    has_trailers = path == "/trailers" and "http.response.trailers" in can
    await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": has_trailers})
    await send({"type": "http.response.body", "body": b"body"})
    if has_trailers:
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})


async def _converse(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "websocket.disconnect":
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


async def _answer(send: Send, body: bytes, status: int = 200, kind: bytes = b"application/json") -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _mirror(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    length = [(name, value) for name, value in scope["headers"] if name == b"content-length"]
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/octet-stream"), *length]}
    )
    async for piece in _pieces(receive):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _digest(receive: Receive, send: Send) -> None:
    digest, size = hashlib.sha256(), 0
    async for piece in _pieces(receive):
        digest.update(piece)
        size += len(piece)
    await _answer(send, json.dumps({"size": size, "sha256": digest.hexdigest()}).encode())


async def _count(scope: dict[str, Any], send: Send) -> None:
    left = int(parse_qs(scope["query_string"].decode())["n"][0])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/octet-stream")]})
    while left > 0:
        piece = b"0123456789abcdef" * 512
        await send({"type": "http.response.body", "body": piece[:left], "more_body": True})
        left -= len(piece)
    await send({"type": "http.response.body", "body": b""})


async def _git(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
    backend = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
            "REQUEST_METHOD": scope["method"],
            "PATH_INFO": scope["path"].removeprefix("/git"),
            "QUERY_STRING": scope["query_string"].decode(),
            "CONTENT_TYPE": headers.get("content-type", ""),
            "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
            "REMOTE_ADDR": "127.0.0.1",
        },
    )
    request = b"".join([piece async for piece in _pieces(receive)])
    answer, _ = await backend.communicate(request)
    head, _, body = answer.partition(b"\r\n\r\n")
    status, fields = 200, []
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b": ")
        if name.lower() == b"status":
            status = int(value.split()[0])
        else:
            fields.append((name.lower(), value))
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
