"""A hop that speaks HTTP/1: asked by CONNECT to lead on (RFC 9110 §9.3.6), with Basic credentials if it has some (RFC 7617).

    CONNECT origin:443 ─▸ 2xx: open    407: it wants (other) credentials    else: what it said    not HTTP: the first bytes
"""

from __future__ import annotations

from typing import Final

from interceptor.model.connection import Address, Hop, bracketed
from interceptor.model.http import Field
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.hop_tunnel import HopTunnel, basic_credentials, refusal
from interceptor.proxy.layers.http.head_scan import (
    HeadError,
    read_status_head,
    refuse_bare_line_feed,
    write_request_head,
)

_FIELD_LIMIT: Final = 1000


class ConnectHop(HopTunnel):
    name = "CONNECT"

    def __init__(self, stack: Stack, hop: Hop, to: Address, sends_host: bool = True) -> None:
        """`sends_host`: with a Host field, as RFC 9112 §3.2 wants it."""
        super().__init__(stack, hop, to)
        self.stage, self._sends_host = "CONNECT", sends_host

    def begin(self) -> None:
        host, port = self._to
        authority = f"{bracketed(host)}:{port}".encode("ascii", "surrogateescape")
        fields: list[Field] = [(b"Host", authority)] if self._sends_host else []
        self.sink(write_request_head(b"CONNECT", authority, 1, [*fields, *basic_credentials(self._hop)]))

    def answered(self, held: bytes) -> bytes:
        while self.is_asking:
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
            elif head.status >= 200 or head.status == 101:
                self.refuse(refusal(self._hop, head.status, head.reason, head.fields))
        return held
