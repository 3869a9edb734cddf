"""Heads of HTTP/1 messages: read strictly, written as they were (RFC 9112).

A head that two parsers could read differently is refused, and the offending bytes are named with their offset. What passes keeps
its bytes: order, case and duplicates of fields, raw target, reason phrase. Only the white space around a value is not kept.

One compiled pattern reads all fields at once; a line that it does not take makes the number of fields differ from the number of
line ends, and then `_explain` looks for the culprit at leisure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from interceptor.model.http import Field

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([^\x00-\x20\x7f]+) HTTP/([0-9])\.([0-9])")
_STATUS_LINE: Final = re.compile(rb"HTTP/([0-9])\.([0-9]) ([0-9]{3})(?: ([^\x00-\x08\x0a-\x1f\x7f]*))?")
# Possessive (`++`, `*+`): a line that does not fit is given up at once. Else one of a quarter of a million spaces takes minutes.
_FIELDS: Final = re.compile(rb"^(" + _TOKEN + rb"+):[ \t]*+([^\x00-\x08\x0a-\x1f\x7f]*+)\r\n", re.MULTILINE)
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_FORBIDDEN: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
LINE: Final = re.compile(rb"[^\n]*\n")
_NAME: Final = re.compile(_TOKEN)
_DIGITS: Final = re.compile(rb"[0-9]{1,19}")
NOT_IN_TRAILERS: Final = frozenset((b"content-length", b"transfer-encoding", b"host"))
_ODD_NAME: Final = rb"[^\x00-\x20\x7f:]++(?: ++[^\x00-\x20\x7f:]++)*+"
_ODD_FIELDS: Final = re.compile(rb"^(" + _ODD_NAME + rb"):[ \t]*+([^\x00\r\n]*+)\r\n", re.MULTILINE)
_NOT_ALNUM: Final = re.compile(rb"[^0-9a-z]")
_FRAMING: Final = frozenset(
    (b"content-length", b"transfer-encoding", b"connection", b"proxy-connection", b"host", b"expect", b"upgrade")
)


class HeadError(Exception):
    """The peer's message breaks the protocol. `offset` counts from the first byte of the head, or of the body if that is what is
    malformed; `status` is what to answer a client."""

    def __init__(self, reason: str, offset: int, culprit: bytes | bytearray = b"", status: int = 400) -> None:
        shown = f": {repr(bytes(culprit[:60]))[1:]}" if culprit else ""  # in quotes and escaped, without the b
        super().__init__(f"{reason} at byte {offset}{shown}")
        self.reason, self.culprit, self.status = reason, bytes(culprit[:60]), status

    def within(self, block: bytes) -> HeadError:
        """The same for who knows the head: with the place of the culprit in it."""
        return HeadError(self.reason, max(block.find(self.culprit), 0), self.culprit, self.status)


@dataclass(slots=True)
class Framing:
    """What the fields say about where the message ends and what becomes of the connection."""

    content_length: int | None = None
    is_chunked: bool = False
    connection: frozenset[bytes] = frozenset()  # lower-case tokens of Connection
    host: bytes | None = None
    expects_continue: bool = False
    has_upgrade: bool = False
    is_for_proxy: bool = False  # has Proxy-Connection

    @property
    def field_name(self) -> bytes:
        """The field that frames the message."""
        return b"transfer-encoding" if self.is_chunked else b"content-length"


@dataclass(slots=True)
class RequestHead:
    method: bytes
    target: bytes
    minor: int  # HTTP/1.minor
    fields: list[Field]
    framing: Framing


@dataclass(slots=True)
class StatusHead:
    status: int
    reason: bytes
    minor: int
    fields: list[Field]
    framing: Framing = field(default_factory=Framing)


def read_request_head(block: bytes, count_limit: int, is_odd: bool = False) -> RequestHead:
    """`block` is the head with its empty line (so it ends in CRLF CRLF). HeadError if it is not strictly right. `is_odd`: it was
    mended (see `lenient_heads`), and its fields may have odd bytes, and Host be missing."""
    end = block.find(b"\r\n")
    match = _REQUEST_LINE.fullmatch(block, 0, end)
    if match is None:
        raise _explain_line(block, end, "the request line is not METHOD SP TARGET SP HTTP/1.x")
    method, target, major, minor = match.groups()
    if major != b"1" or minor not in (b"0", b"1"):
        raise HeadError("HTTP version not supported", match.start(3), block[match.start(3) - 5 : end], 505)
    fields = _read_fields(block, end + 2, count_limit, is_odd)
    framing = _framing(block, fields, is_odd)
    if framing.is_chunked and minor == b"0":
        raise HeadError("Transfer-Encoding in an HTTP/1.0 request", *_where(block, b"transfer-encoding"))
    if method == b"CONNECT":
        if framing.is_chunked or framing.content_length:
            raise HeadError("CONNECT with a body", *_where(block, framing.field_name))
    elif framing.host is None and minor == b"1" and not is_odd:  # the target of CONNECT says it, as old clients rely on
        raise HeadError("HTTP/1.1 request without Host", 0, block[:end])
    return RequestHead(method, target, int(minor), fields, framing)


def read_status_head(block: bytes, count_limit: int, is_odd: bool = False) -> StatusHead:
    """The same for a response."""
    end = block.find(b"\r\n")
    match = _STATUS_LINE.fullmatch(block, 0, end)
    if match is None:
        raise _explain_line(block, end, "the status line is not HTTP/1.x SP STATUS SP REASON")
    major, minor, status, reason = match.groups()
    if major != b"1":
        raise HeadError("HTTP version not supported", 5, block[:end])
    if status < b"100":
        raise HeadError("a status below 100", match.start(3), status)
    fields = _read_fields(block, end + 2, count_limit, is_odd)
    framing = _framing(block, fields, is_odd)
    if not is_odd and (framing.is_chunked or framing.content_length):
        if status < b"200" or status == b"204":
            raise HeadError(f"a {status.decode()} may not have a body", *_where(block, framing.field_name))
        if framing.is_chunked and minor == b"0":
            raise HeadError("Transfer-Encoding in an HTTP/1.0 response", *_where(block, framing.field_name))
    return StatusHead(int(status), reason or b"", min(int(minor), 1), fields, framing)


def refuse_bare_line_feed(data: bytes | bytearray, start: int) -> None:
    """For what is not yet a whole head: it will never become one if a line ends in LF alone. `start`: before it all is right;
    the byte before it counts, since a CR may have come alone."""
    if match := _BARE_LF.search(data, start):
        raise HeadError("a line ends in LF without CR", match.start(), _line_around(data, match.start()))


def _read_fields(block: bytes, start: int, count_limit: int, is_odd: bool) -> list[Field]:
    stop = len(block) - 2
    lines = block.count(b"\n", start, stop)
    if lines > count_limit:  # before they are looked at
        raise HeadError(f"more than {count_limit} header fields (header_count_limit)", start, b"", 431)
    fields: list[Field] = (_ODD_FIELDS if is_odd else _FIELDS).findall(block, start, stop)
    if lines != len(fields) or block[stop - 2 : stop] != b"\r\n":
        raise _explain_fields(block, start, stop)
    if b" \r\n" in block or b"\t\r\n" in block:
        fields = [(name, value.rstrip(b" \t")) for name, value in fields]
    return fields


def _framing(block: bytes, fields: list[Field], is_odd: bool) -> Framing:
    framing = Framing()
    for name, value in fields:
        lower = name.lower()
        if lower not in _FRAMING:
            if is_odd and not _NAME.fullmatch(name):
                _refuse_likeness(block, name)
            continue
        if lower == b"host":
            if framing.host is not None:
                raise HeadError("more than one Host", *_where(block, b"host", is_last=True))
            framing.host = value
        elif lower == b"content-length":
            _read_length(block, value, framing)
        elif lower == b"transfer-encoding":
            if framing.is_chunked or value.lower() != b"chunked":
                reason = "Transfer-Encoding other than a single chunked"
                raise HeadError(reason, *_where(block, b"transfer-encoding", is_last=True), 501)
            framing.is_chunked = True
        elif lower == b"connection":
            framing.connection |= {token.strip(b" \t").lower() for token in value.split(b",")}
        elif lower == b"proxy-connection":
            framing.is_for_proxy = True
            framing.connection |= {token.strip(b" \t").lower() for token in value.split(b",")} & {b"keep-alive", b"close"}
        elif lower == b"expect":
            framing.expects_continue = value.lower() == b"100-continue"
        else:
            framing.has_upgrade = True
    if framing.is_chunked and framing.content_length is not None:
        raise HeadError("Content-Length and Transfer-Encoding together", *_where(block, b"transfer-encoding"))
    return framing


def _read_length(block: bytes, value: bytes, framing: Framing) -> None:
    """Twice the same is refused too: who passes it on must say it once (RFC 9110 §8.6)."""
    for each in value.split(b","):
        if not _DIGITS.fullmatch(each.strip(b" \t")):
            raise HeadError("Content-Length is not a number", *_where(block, b"content-length"))
    if b"," in value or framing.content_length is not None:
        raise HeadError("Content-Length twice", *_where(block, b"content-length", is_last=True))
    framing.content_length = int(value)


def _refuse_likeness(block: bytes, name: bytes) -> None:
    """A name with odd bytes that somebody might take for a field which frames the message."""
    if looks_like_framing(name):
        raise HeadError("not a field name", block.find(name), name)


def looks_like_framing(name: bytes) -> bool:
    return _NOT_ALNUM.sub(b"", name.lower()) in (b"contentlength", b"transferencoding", b"host")


def _where(block: bytes, name: bytes, is_last: bool = False) -> tuple[int, bytes]:
    found = list(re.finditer(rb"(?i)^" + re.escape(name) + rb"[ \t]*:[^\n]*", block, re.MULTILINE))
    match = found[-1 if is_last else 0]
    return match.start(), match[0].rstrip(b"\r")


def _line_around(data: bytes | bytearray, offset: int) -> bytes:
    return bytes(data[max(data.rfind(b"\n", 0, offset), 0) : offset + 1].lstrip(b"\n"))


def _explain_line(block: bytes, end: int, rule: str) -> HeadError:
    if match := _FORBIDDEN.search(block, 0, end):
        return HeadError("control character in the first line", match.start(), block[:end])
    return HeadError(rule, 0, block[:end])


def _explain_fields(block: bytes, start: int, stop: int) -> HeadError:
    """Which line is it, and why: the pattern refused one of them."""
    position = start
    for line in LINE.findall(block, start, stop):
        if error := explain_field_line(line, position):
            return error
        position += len(line)
    return HeadError("malformed header fields", start, block[start : start + 60])


def explain_field_line(line: bytes, position: int) -> HeadError | None:
    """What is wrong with a line that ends in LF, if anything is. `position`: of its first byte."""
    if not line.endswith(b"\r\n"):
        return HeadError("a line ends in LF without CR", position + len(line) - 1, line)
    line = line[:-2]
    if line[:1] in (b" ", b"\t"):
        return HeadError("a folded header field (obs-fold)", position, line)
    name, colon, value = line.partition(b":")
    if not colon:
        return HeadError("a header field without a colon", position, line)
    if not _NAME.fullmatch(name):
        what = "white space before the colon" if _NAME.fullmatch(name.rstrip(b" \t")) else "not a field name"
        return HeadError(what, position, line)
    if match := _FORBIDDEN.search(value):
        at = position + len(name) + 1 + match.start()
        return HeadError(f"control character 0x{value[match.start()]:02x} in a field value", at, line)
    return None


# --- writing --------------------------------------------------------------------------------------------------


def write_request_head(method: bytes, target: bytes, minor: int, fields: list[Field]) -> bytes:
    """As it stands: the caller has decided about every field."""
    parts = [b"%b %b HTTP/1.%d\r\n" % (method, target, minor)]
    parts += [b"%b: %b\r\n" % item for item in fields]
    parts.append(b"\r\n")
    return b"".join(parts)


def write_status_head(status: int, reason: bytes, fields: list[Field]) -> bytes:
    """Always HTTP/1.1, our own version (RFC 9110 §2.5)."""
    parts = [b"HTTP/1.1 %d %b\r\n" % (status, reason)]
    parts += [b"%b: %b\r\n" % item for item in fields]
    parts.append(b"\r\n")
    return b"".join(parts)
