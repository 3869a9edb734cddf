"""Whether a client begins TLS in the middle of a raw conversation: after STARTTLS and its likes (SMTP, IMAP, POP3, FTP, XMPP,
LDAP), after the SSLRequest of PostgreSQL, after the one of MySQL. Pure; sees what both sides say, in order.

    the server has spoken ─▸ the client's whole answer is a ClientHello, complete, and nothing else ─▸ HELLO
    (MySQL: the client asks for TLS and begins it without waiting for an answer)

These protocols have this in common: the client waits for the server's word, then greets. So it is not asked which of them it is.
What only begins like a hello is kept until that is clear, and then passed on unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from interceptor.proxy.client_hello import ClientHello, HelloError, read_client_hello

PATIENCE_SECONDS: Final = 1.0
"""How long the rest of what may be a hello is waited for."""
_HANDSHAKE: Final = 0x16
_LONGEST: Final = 32 * 1024
_MYSQL_GREETING: Final = b"\0\x0a"  # sequence number 0, protocol 10; behind three bytes of length
_MYSQL_REQUEST: Final = b"\x20\0\0\1"  # 32 bytes, sequence number 1
_MYSQL_REQUEST_BYTES: Final = 36
_MYSQL_CLIENT_SSL: Final = 0x08  # of the second byte of its capabilities


class Word(Enum):
    """What is to be done when `first` has been sent on."""

    PASS = "nothing"
    WAIT = "the rest may become a hello"
    HELLO = "`hello` begins TLS"


@dataclass(slots=True)
class Heard:
    """`first` is to be sent on, if there is anything."""

    word: Word
    first: bytes = b""
    hello: bytes = b""
    server_name: str = ""


class MidstreamTls:
    """For one conversation. Where nothing begins like TLS, a look at one byte is all that it does."""

    __slots__ = ("_is_answer", "_kept", "_mysql_may_ask")

    def __init__(self) -> None:
        self._is_answer = False  # the next that the client says follows on what the server has said
        self._mysql_may_ask = False
        self._kept = b""

    def server_said(self, data: bytes) -> None:
        """It has been sent to the client."""
        self._mysql_may_ask = data[3:5] == _MYSQL_GREETING
        self._is_answer = True

    def has_to_look(self, data: bytes) -> bool:
        """Quick: whether `client_said` has to be asked. If not, this is what the client has said."""
        if not self._is_answer:
            return False
        if data[0] == _HANDSHAKE or (self._mysql_may_ask and data[0] == _MYSQL_REQUEST[0]):
            return True
        self._is_answer = False
        return False

    def client_said(self, data: bytes) -> Heard:
        """Of all that it says as long as the word is WAIT."""
        asked = b""
        if self._mysql_may_ask and data.startswith(_MYSQL_REQUEST) and data[5:6] and data[5] & _MYSQL_CLIENT_SSL:
            asked, data = data[:_MYSQL_REQUEST_BYTES], data[_MYSQL_REQUEST_BYTES:]
            self._mysql_may_ask = False
            if not data:
                return Heard(Word.PASS, asked)  # and it begins TLS with what it says next
        self._is_answer = self._mysql_may_ask = False
        said, self._kept = self._kept + data, b""
        heard = self._looked_at(said)
        heard.first = asked + heard.first
        return heard

    def give_up(self) -> bytes:
        """No more will come, or not in time: what was kept, to be sent on."""
        kept, self._kept = self._kept, b""
        return kept

    def _looked_at(self, said: bytes) -> Heard:
        if not _begins_a_hello(said):
            return Heard(Word.PASS, said)
        try:
            hello: ClientHello | None = read_client_hello(said)
        except HelloError:
            return Heard(Word.PASS, said)
        if hello is None and len(said) < _LONGEST:
            self._kept = said
            return Heard(Word.WAIT)
        if hello is None or not _is_whole_records(said):
            return Heard(Word.PASS, said)
        return Heard(Word.HELLO, b"", said, hello.server_name)


def _begins_a_hello(said: bytes) -> bool:
    """As far as it goes: a handshake record of SSL 3 or TLS, and in it a ClientHello."""
    return all(
        index >= len(said) or said[index] in allowed
        for index, allowed in ((0, (_HANDSHAKE,)), (1, (3,)), (2, (0, 1, 2, 3, 4)), (5, (1,)))
    )


def _is_whole_records(said: bytes) -> bool:
    position = 0
    while position + 5 <= len(said):
        position += 5 + int.from_bytes(said[position + 3 : position + 5], "big")
    return position == len(said)
