"""Which recorded request a new one is the same as: a key of what counts, by `server_replay_ignore_…` and `…_use_headers`.

    scheme, method, path, query, host, port, fields that were asked for, a digest of the body

Equal keys are the same request. Made once for each recorded flow and once for each request, so to find a response is one look-up.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl

from interceptor.model.body import Body
from interceptor.model.encoding import decode_content
from interceptor.model.http import Request
from interceptor.options import Options

OPTIONS: Final = frozenset(
    (
        "server_replay_ignore_content", "server_replay_ignore_host", "server_replay_ignore_params",
        "server_replay_ignore_payload_params", "server_replay_ignore_port", "server_replay_use_headers",
    )
)  # fmt: skip
"""Those that the key depends on."""

_PIECE: Final = 1024 * 1024
_NAME: Final = re.compile(rb"""[;\s]name\s*=\s*("(?:\\.|[^"\\])*"|[^;\s]*)""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Matching:
    """What of a request does not count, and what beside it does."""

    ignores_content: bool
    ignores_host: bool
    ignores_port: bool
    ignored_params: frozenset[str]
    ignored_payload_params: frozenset[str]
    used_headers: tuple[str, ...]

    @classmethod
    def of(cls, options: Options) -> Matching:
        return cls(
            options.server_replay_ignore_content,
            options.server_replay_ignore_host,
            options.server_replay_ignore_port,
            frozenset(options.server_replay_ignore_params),
            frozenset(options.server_replay_ignore_payload_params),
            tuple(options.server_replay_use_headers),
        )

    def key_of(self, request: Request) -> Hashable:
        """The body must be there, unless content is ignored."""
        path, _, query = request.path.partition("?")
        params = tuple(pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in self.ignored_params)
        return (
            request.scheme,
            request.method,
            path,
            params,
            None if self.ignores_host else request.pretty_host.lower(),
            None if self.ignores_port else request.port,
            tuple(request.headers.get(name) for name in self.used_headers),
            None if self.ignores_content else self._content_key(request),
        )

    def _content_key(self, request: Request) -> Hashable:
        if self.ignored_payload_params and request.body.size and (fields := _fields(request)) is not None:
            return tuple(pair for pair in fields if pair[0] not in self.ignored_payload_params)
        return _digest(request.body)


def _digest(body: Body) -> bytes:
    if not body.size:
        return b""
    digest, position = sha256(), 0
    while piece := body.read(position, _PIECE):
        digest.update(piece)
        position += len(piece)
    return digest.digest()


_LARGEST_FORM: Final = 16 * 1024 * 1024  # decoded: a few kilobytes may claim to be gigabytes


def _fields(request: Request) -> list[tuple[str, bytes]] | None:
    """The fields of a form, in their order; None if the body is none."""
    content_type = request.headers.get("content-type") or ""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return None
    try:
        content = decode_content(request.body.read(), request.headers.get("content-encoding") or "", _LARGEST_FORM)
    except ValueError:
        return None
    if media_type == "multipart/form-data":
        return _multipart_fields(content, content_type)
    text = content.decode("utf-8", "surrogateescape")
    return [
        (name, value.encode("utf-8", "surrogateescape"))
        for name, value in parse_qsl(text, keep_blank_values=True, errors="surrogateescape")
    ]


def _multipart_fields(content: bytes, content_type: str) -> list[tuple[str, bytes]] | None:
    """The boundary, which clients invent anew each time, is no part of it."""
    found = re.search(r'boundary="?([^";]+)', content_type, re.IGNORECASE)
    if found is None:
        return None
    fields: list[tuple[str, bytes]] = []
    for part in (b"\r\n" + content).split(b"\r\n--" + found[1].strip().encode())[1:]:
        if part.startswith(b"--"):
            break
        head, blank, value = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if blank:
            fields.append((name[1].strip(b'"').decode("utf-8", "surrogateescape") if name else "", value))
    return fields
