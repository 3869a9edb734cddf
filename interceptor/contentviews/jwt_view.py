"""JSON web tokens (RFC 7519) in the header fields and the content: their parts decoded, their times readable.

The signature is not verified, which needs a key that nobody gave us; every token says so. Encrypted tokens (JWE, RFC 7516) show
their header.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from interceptor.contentviews.json_view import show_json
from interceptor.contentviews.rendered import Cancelled, ContentFacts, JoinedLines, Line, NotThisView, Rendered, check
from interceptor.contentviews.source_lines import PlainLines
from interceptor.contentviews.visible import styled

MOST_TOKENS: Final = 50
_SEARCHED: Final = 1024 * 1024
_LONGEST: Final = 64 * 1024
_RUN: Final = re.compile(rb"[A-Za-z0-9_.=-]{20,}+")
_COOKIE: Final = re.compile(r"([^=;,\s]{1,100})=\Z")
_TIMES: Final = {"exp": "expires", "nbf": "not before", "iat": "issued", "auth_time": "authenticated", "updated_at": "updated"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def show_jwt(body: bytes, facts: ContentFacts, cancelled: Cancelled) -> Rendered:
    shown: list[Sequence[Line]] = []
    seen: set[bytes] = set()
    for place, token in _tokens(body, facts):
        check(cancelled)
        if token in seen:
            continue
        lines = _token(place, token, cancelled)
        if lines:
            seen.add(token)
            shown += lines
        if len(seen) == MOST_TOKENS:
            break
    if not seen:
        raise NotThisView("no JSON web token, neither in the header fields nor in the content")
    count = "1 token" if len(seen) == 1 else f"{len(seen)} tokens"
    return Rendered("jwt", f"JSON web tokens, {count}, signature NOT verified", JoinedLines(shown))


def is_jwt(body: bytes) -> bool:
    """Whether the content is a token and nothing else."""
    token = body.strip()
    if len(token) > _LONGEST or not token.startswith(b"eyJ") or _RUN.fullmatch(token) is None:
        return False
    return token.count(b".") in (2, 4) and _object(token.split(b".")[0]) is not None


def _tokens(body: bytes, facts: ContentFacts) -> Iterator[tuple[str, bytes]]:
    for name, value in facts.headers or ():
        for start, token in _found(value):
            place = name.decode("utf-8", "surrogateescape")
            if name.lower() in (b"cookie", b"set-cookie"):
                cookie = _COOKIE.search(value[max(0, start - 101) : start].decode("utf-8", "surrogateescape"))
                place += f" {cookie[1]}" if cookie else ""
            yield place, token
    for _, token in _found(facts.query.encode("utf-8", "surrogateescape")):
        yield "query", token
    for _, token in _found(body[:_SEARCHED]):
        yield "content", token


def _found(source: bytes) -> Iterator[tuple[int, bytes]]:
    """Runs of characters of tokens, cut where three or five parts begin with what every header begins with in base64."""
    for run in _RUN.finditer(source):
        text, start = run[0], run.start()
        if b"=" in text:  # name=token
            start += text.rstrip(b"=").rfind(b"=") + 1
            text = text[start - run.start() :]
        if text.startswith(b"eyJ") and text.count(b".") in (2, 4) and len(text) <= _LONGEST:
            yield start, text


def _token(place: str, token: bytes, cancelled: Cancelled) -> list[Sequence[Line]]:
    parts = token.split(b".")
    header = _object(parts[0])
    if header is None:
        return []
    shown: list[Sequence[Line]] = [[[("header", "Token in "), *styled("header", place)]], *_part("Header", parts[0], cancelled)]
    if len(parts) == 5:
        return [*shown, [[("comment", "Encrypted: the content cannot be shown without its key.")], []]]
    shown += _part("Claims", parts[1], cancelled)
    claims = _object(parts[1]) or {}
    times = [(title, moment) for name, title in _TIMES.items() if (moment := _moment(claims.get(name)))]
    shown.append([[("key", f"{title.capitalize()}: "), ("string", moment)] for title, moment in times])
    signature = _decoded(parts[2]) or b""
    note = f"Signature of {len(signature)} bytes, NOT verified." if signature else "There is NO signature."
    return [*shown, [[("error", note)], []]]


def _part(title: str, part: bytes, cancelled: Cancelled) -> list[Sequence[Line]]:
    content = _decoded(part)
    if content is None:
        return [[[("key", f"{title}: "), ("error", "not base64")]]]
    try:
        lines = show_json(content, cancelled).lines
    except NotThisView:
        lines = PlainLines(content)
    return [[[("key", f"{title}:")]], lines]


def _decoded(part: bytes) -> bytes | None:
    part = part.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return binascii.a2b_base64(part + b"=" * (-len(part) % 4))
    except binascii.Error:
        return None


def _object(part: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(_decoded(part) or b"")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _moment(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    try:
        return f"{_EPOCH + timedelta(seconds=value):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError):
        return ""
