"""A hop that forwards requests and wants NTLM or Negotiate: the connection is logged in before the first request is sent on it.

    request from above, held ─▸ HEAD for the same URL with the first token ◂─ 407, challenge ─▸ the request, with the answer to it
                                                                         ◂─ anything else ─▸ the request as it is

These logins belong to the connection: what follows on it needs none. The HEAD carries no body that would be sent twice; a hop
that wants a login answers it itself.
"""

from __future__ import annotations

from base64 import b64encode
from enum import Enum

from interceptor.model.connection import Hop
from interceptor.model.http import Field
from interceptor.proxy.asks import LogIn, LogInFailed, Token
from interceptor.proxy.core.events import Closed, Congested, Drained, HalfClosed, Opened
from interceptor.proxy.core.layer import MARK
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.core.tunnel import Tunnel
from interceptor.proxy.hop_tunnel import ANSWER_LIMIT, challenge_in
from interceptor.proxy.layers.http.head_scan import HeadError, read_status_head, write_request_head

_FIELD_LIMIT = 1000

LoginState = Enum("LoginState", ["WAITING", "ASKING", "OPEN", "FAILED"])


class ForwardLogin(Tunnel):
    name = "login"

    def __init__(self, stack: Stack, hop: Hop, scheme: str) -> None:
        super().__init__(stack)
        self._hop, self._scheme = hop, scheme
        self._state = LoginState.WAITING
        self._request = self._answer = b""
        self._context: object = None
        self._is_congested = False

    def from_above(self, data: bytes) -> None:
        if self._state is LoginState.OPEN:
            return self.sink(data)
        self._request += data
        if len(self._request) > MARK and not self._is_congested:
            self._is_congested = True
            self.stack.post(self, Congested(self.connection))
        if self._state is LoginState.WAITING and b"\r\n\r\n" in self._request:
            self._state = LoginState.ASKING
            self.ask(LogIn(self, self._hop, self._scheme), then=self._has_first)

    def _has_first(self, answer: Token | LogInFailed) -> None:
        if isinstance(answer, LogInFailed):
            return self._refuse(answer.reason)
        self._context = answer.context
        target, host = self._request.split(b" ", 2)[1], self._host()
        fields: list[Field] = [(b"Host", host), self._credentials(answer), (b"Proxy-Connection", b"Keep-Alive")]
        self.sink(write_request_head(b"HEAD", target, 1, fields))

    def _host(self) -> bytes:
        for line in self._request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"host":
                return value.strip()
        return self._request.split(b" ", 2)[1].partition(b"://")[2].partition(b"/")[0]

    def _credentials(self, token: Token) -> Field:
        return b"Proxy-Authorization", self._scheme.encode() + b" " + b64encode(token.token)

    def from_below(self, data: bytes) -> None:
        if self._state is not LoginState.ASKING:
            return self.rise(data)
        self._answer += data
        end = self._answer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._answer) > ANSWER_LIMIT:
                self._refuse(f"its answer is longer than {ANSWER_LIMIT} bytes")
            return
        head_bytes, self._answer = self._answer[: end + 4], self._answer[end + 4 :]
        try:
            head = read_status_head(head_bytes, _FIELD_LIMIT)
        except HeadError as error:
            return self._refuse(f"its answer is malformed: {error}")
        if head.status < 200:
            return self.from_below(b"")
        challenge = challenge_in(head.fields, self._scheme) if head.status == 407 else b""
        if challenge:
            ask = LogIn(self, self._hop, self._scheme, challenge, self._context)
            return self.ask(ask, then=self._has_second)
        self._go_on(b"")

    def _has_second(self, answer: Token | LogInFailed) -> None:
        if isinstance(answer, LogInFailed):
            return self._refuse(answer.reason)
        self._go_on(b"%b: %b\r\n" % self._credentials(answer))

    def _go_on(self, line: bytes) -> None:
        self._state = LoginState.OPEN
        first, _, rest = self._request.partition(b"\r\n")
        self._request = b""
        self.sink(first + b"\r\n" + line + rest)
        if self._is_congested:
            self.above.receive(Drained(self.connection))

    def _refuse(self, reason: str) -> None:
        self._state = LoginState.FAILED
        self.fail(f"{self._hop}: {self._scheme}: {reason}")

    def opened_below(self) -> None:
        self.above.receive(Opened(self.connection))

    def ended_below(self, event: HalfClosed) -> None:
        if self._state is LoginState.ASKING:
            return self._refuse("it closed the connection in the middle of the login")
        super().ended_below(event)

    def closed_below(self, event: Closed) -> None:
        super().closed_below(event)
        if self._state is LoginState.ASKING:
            event.reason = f"{self._hop}: {self._scheme}: it closed the connection in the middle of the login"
