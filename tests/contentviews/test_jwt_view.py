"""Tokens wherever they are, and that nothing is claimed of their signatures."""

from __future__ import annotations

import base64
import time

import pytest

from interceptor.contentviews.jwt_view import MOST_TOKENS, is_jwt, show_jwt
from interceptor.contentviews.registry import render
from interceptor.contentviews.rendered import ContentFacts, NotThisView, never, text_of
from interceptor.model.http import Headers


def part(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def token(claims: bytes, header: bytes = b'{"alg":"HS256"}', signature: bytes = b"x" * 32) -> bytes:
    return b".".join((part(header), part(claims), part(signature)))


def shown(body: bytes = b"", fields: list[tuple[bytes, bytes]] | None = None, url: str = "") -> str:
    rendered = show_jwt(body, ContentFacts("", True, url, Headers(fields or [])), never)
    assert "signature NOT verified" in rendered.description
    return "\n".join(text_of(line) for line in rendered.lines)


def test_header_claims_and_times() -> None:
    text = shown(fields=[(b"Authorization", b"Bearer " + token(b'{"sub":"\xc3\xa9","exp":1700000000,"iat":1.5,"nbf":true}'))])
    assert text.split("\n") == [
        "Token in Authorization",
        "Header:",
        "{",
        '  "alg": "HS256"',
        "}",
        "Claims:",
        "{",
        '  "sub": "é",',
        '  "exp": 1700000000,',
        '  "iat": 1.5,',
        '  "nbf": true',
        "}",
        "Expires: 2023-11-14 22:13:20 UTC",
        "Issued: 1970-01-01 00:00:01 UTC",
        "Signature of 32 bytes, NOT verified.",
        "",
    ]


def test_places() -> None:
    one, two, three, four = (token(b'{"n":%d}' % number) for number in range(4))
    text = shown(
        b'{"access_token": "' + three + b'"}',
        [(b"Cookie", b"a=b; sid=" + one + b"; t=" + one), (b"X-T", two)],
        f"https://h/p?token={four.decode()}",
    )
    titles = [line for line in text.split("\n") if line.startswith("Token in")]
    assert titles == ["Token in Cookie sid", "Token in X-T", "Token in query", "Token in content"]


def test_unsigned_and_encrypted_and_odd_ones() -> None:
    assert "There is NO signature." in shown(token(b'{"a":1,"longer":"than twenty"}', signature=b""))
    encrypted = b".".join([part(b'{"alg":"dir","enc":"A128GCM"}'), b"", b"aaaa", b"bbbb", b"cccc"])
    assert "Encrypted: the content cannot be shown" in shown(encrypted)
    assert "Expires" not in shown(token(b'{"exp":1e400}')) + shown(token(b'{"exp":-1e17}')) + shown(token(b"[1]"))
    assert "\\u001b" in shown(token(b"\x1b[31m not JSON \x1b")).replace("\\x1b", "\\u001b")
    for body in (b"eyJhbGciOi.x.y", b"nothing", b"eyJ" * 9 + b"..", part(b"{1}" * 9) + b".a.b"):
        with pytest.raises(NotThisView):
            shown(body)


def test_a_body_that_is_a_token_is_found_without_a_type() -> None:
    assert is_jwt(token(b"{}") + b"\n")
    assert render(token(b"{}"), "auto", ContentFacts()).view_name == "jwt"
    assert render(token(b"{}") + b" and more", "auto", ContentFacts()).view_name == "raw"


def test_searching_takes_time_in_proportion() -> None:
    started = time.process_time()
    for body in (b"eyJ" * 400_000, b"eyJ." * 300_000, b"=" * 1_000_000, (b"eyJhbGciOi." * 2 + b"x ") * 40_000):
        with pytest.raises(NotThisView):
            shown(body)
    assert time.process_time() - started < 12
    many = b" ".join(token(b'{"number":%d}' % number) for number in range(500))
    assert shown(many).count("Token in") == MOST_TOKENS
