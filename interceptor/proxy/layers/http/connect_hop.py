"""A hop that speaks HTTP/1: asked by CONNECT to lead on (RFC 9110 §9.3.6), with Basic credentials if it has some (RFC 7617).

    CONNECT origin:443 ─▸ 2xx: open    407: it wants (other) credentials    else: what it said    not HTTP: the first bytes

With NTLM or Negotiate (RFC 4559) the same is asked again on the same connection, with the answer to each challenge.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Final

from interceptor.model.connection import Address, Hop, bracketed
from interceptor.model.http import Field, Headers
from interceptor.proxy.asks import LogIn, LogInFailed, Token
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.hop_tunnel import HopTunnel, basic_credentials, challenge_in, refusal
from interceptor.proxy.layers.http.head_scan import (
    HeadError,
    StatusHead,
    read_status_head,
    refuse_bare_line_feed,
    write_request_head,
)
from interceptor.proxy.layers.http.http1_bodies import BodyReader, ChunkedBody, CountedBody, take_unread

_FIELD_LIMIT: Final = 1000
_MOST_LEGS: Final = 8


class ConnectHop(HopTunnel):
    name = "CONNECT"

    def __init__(self, stack: Stack, hop: Hop, to: Address, sends_host: bool = True, login: str = "") -> None:
        """`sends_host`: with a Host field, as RFC 9112 §3.2 wants it. `login`: "NTLM" or "Negotiate" instead of Basic."""
        super().__init__(stack, hop, to)
        self.stage, self._sends_host, self._login = "CONNECT", sends_host, login
        self._context: object = None
        self._legs = 0
        self._is_thinking = False  # a token is being made
        self._skipped: BodyReader | None = None  # the page of a 407
        self._challenge = b""

    def begin(self) -> None:
        if self._login:
            self._next_token(b"")
        else:
            self._connect(basic_credentials(self._hop))

    def _connect(self, credentials: list[Field]) -> None:
        host, port = self.to
        authority = f"{bracketed(host)}:{port}".encode("ascii", "surrogateescape")
        fields: list[Field] = [(b"Host", authority)] if self._sends_host else []
        self.sink(write_request_head(b"CONNECT", authority, 1, [*fields, *credentials]))

    def _next_token(self, challenge: bytes) -> None:
        self._legs += 1
        self._is_thinking = True
        self.ask(LogIn(self, self._hop, self._login, challenge, self._context), then=self._has_token)

    def _has_token(self, answer: Token | LogInFailed) -> None:
        self._is_thinking = False
        if isinstance(answer, LogInFailed):
            return self.refuse(f"{self._login}: {answer.reason}")
        self._context = answer.context
        told = self._login.encode() + b" " + b64encode(answer.token)
        self._connect([(b"Proxy-Authorization", told), (b"Proxy-Connection", b"Keep-Alive")])

    def answered(self, held: bytes) -> bytes:
        while self.is_asking:
            if self._is_thinking:
                return held
            if self._skipped is not None:
                held = self._skip(held)
                if self._skipped is not None or not self.is_asking:
                    return held
                continue
            if not b"HTTP/1.".startswith(held[:7]):
                self.refuse(f"it answered what is not HTTP/1: {repr(held[:60])[1:]}")
                return b""
            end = held.find(b"\r\n\r\n")
            try:
                if end < 0:
                    refuse_bare_line_feed(held, 0)
                    return held
                head = read_status_head(held[: end + 4], _FIELD_LIMIT)
            except HeadError as error:
                self.refuse(f"its answer is malformed: {error}")
                return b""
            held = held[end + 4 :]
            if 200 <= head.status < 300:
                self.open()
            elif head.status == 407 and self._legs in range(1, _MOST_LEGS) and (said := challenge_in(head.fields, self._login)):
                self._begin_to_skip(head, said)
            elif head.status >= 200 or head.status == 101:
                self.refuse(refusal(self._hop, head.status, head.reason, head.fields, self._login))
        return held

    def _begin_to_skip(self, head: StatusHead, challenge: bytes) -> None:
        """The page of the 407 comes before its connection can be asked again."""
        headers, framing = Headers(head.fields), head.framing
        closes = any("close" in (headers.get(name) or "").lower() for name in ("connection", "proxy-connection"))
        if closes or (framing.content_length is None and not framing.is_chunked):
            return self.refuse(f"{self._login} needs one connection, and it closes that after its challenge")
        self._challenge = challenge
        self._skipped = ChunkedBody() if framing.is_chunked else CountedBody(framing.content_length or 0)

    def _skip(self, held: bytes) -> bytes:
        """What is behind the page."""
        page = self._skipped
        assert page is not None
        try:
            while held and not page.has_ended:
                page.feed(held)
                held = take_unread(page)
        except HeadError as error:
            self.refuse(f"its answer is malformed: {error}")
            return b""
        if page.has_ended:
            self._skipped = None
            held = page.rest
            self._next_token(self._challenge)
        return held
