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

from interceptor.model.http import Field, Headers

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([^\x00-\x20\x7f]+) HTTP/([0-9])\.([0-9])")
_STATUS_LINE: Final = re.compile(rb"HTTP/([0-9])\.([0-9]) ([0-9]{3})(?: ([^\x00-\x08\x0a-\x1f\x7f]*))?")
# Possessive (`++`, `*+`): a line that does not fit is given up at once. Else one of a quarter of a million spaces takes minutes.
_FIELDS: Final = re.compile(rb"^(" + _TOKEN + rb"+):[ \t]*+([^\x00-\x08\x0a-\x1f\x7f]*+)\r\n", re.MULTILINE)
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_FORBIDDEN: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NAME: Final = re.compile(_TOKEN)
_DIGITS: Final = re.compile(rb"[0-9]{1,19}")
_FRAMING: Final = frozenset(
    (b"content-length", b"transfer-encoding", b"connection", b"proxy-connection", b"host", b"expect", b"upgrade")
)


class HeadError(Exception):
    """The peer's head breaks the protocol. `offset` counts from the head's first byte; `status` is what to answer a client."""

    def __init__(self, reason: str, offset: int, culprit: bytes | bytearray = b"", status: int = 400) -> None:
        shown = f": {repr(bytes(culprit[:60]))[1:]}" if culprit else ""  # in quotes and escaped, without the b
        super().__init__(f"{reason} at byte {offset}{shown}")
        self.status = status


@dataclass(slots=True)
class Framing:
    """What the fields say about where the message ends and what becomes of the connection."""

    content_length: int | None = None
    is_chunked: bool = False
    connection: frozenset[bytes] = frozenset()  # lower-case tokens of Connection
    host: bytes | None = None
    expects_continue: bool = False
    has_upgrade: bool = False


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


def read_request_head(block: bytes, count_limit: int) -> RequestHead:
    """`block` is the head with its empty line (so it ends in CRLF CRLF). HeadError if it is not strictly right."""
    end = block.find(b"\r\n")
    match = _REQUEST_LINE.fullmatch(block, 0, end)
    if match is None:
        raise _explain_line(block, end, "the request line is not METHOD SP TARGET SP HTTP/1.x")
    method, target, major, minor = match.groups()
    if major != b"1" or minor not in (b"0", b"1"):
        raise HeadError("HTTP version not supported", match.start(3), block[match.start(3) - 5 : end], 505)
    fields = _read_fields(block, end + 2, count_limit)
    framing = _framing(block, fields)
    if framing.is_chunked and minor == b"0":
        raise HeadError("Transfer-Encoding in an HTTP/1.0 request", *_where(block, b"transfer-encoding"))
    if framing.host is None and minor == b"1" and method != b"CONNECT":  # whose target says it, as old clients rely on
        raise HeadError("HTTP/1.1 request without Host", 0, block[:end])
    return RequestHead(method, target, int(minor), fields, framing)


def read_status_head(block: bytes, count_limit: int) -> StatusHead:
    """The same for a response."""
    end = block.find(b"\r\n")
    match = _STATUS_LINE.fullmatch(block, 0, end)
    if match is None:
        raise _explain_line(block, end, "the status line is not HTTP/1.x SP STATUS SP REASON")
    major, minor, status, reason = match.groups()
    if major != b"1":
        raise HeadError("HTTP version not supported", 5, block[:end])
    fields = _read_fields(block, end + 2, count_limit)
    return StatusHead(int(status), reason or b"", min(int(minor), 1), fields, _framing(block, fields))


def read_trailer_fields(fields: list[Field]) -> Headers:
    """Trailers as they were received; HeadError if they try to frame the message again (RFC 9110 §6.5.1)."""
    for name, _ in fields:
        if name.lower() in (b"content-length", b"transfer-encoding", b"host"):
            raise HeadError("a trailer may not carry this field", 0, name)
    return Headers(fields)


def refuse_bare_line_feed(data: bytes | bytearray, start: int) -> None:
    """For what is not yet a whole head: it will never become one if a line ends in LF alone. `start`: before it all is right;
    the byte before it counts, since a CR may have come alone."""
    if match := _BARE_LF.search(data, start):
        raise HeadError("a line ends in LF without CR", match.start(), _line_around(data, match.start()))


def _read_fields(block: bytes, start: int, count_limit: int) -> list[Field]:
    stop = len(block) - 2
    lines = block.count(b"\n", start, stop)
    if lines > count_limit:  # before they are looked at
        raise HeadError(f"more than {count_limit} header fields (header_count_limit)", start, b"", 431)
    fields: list[Field] = _FIELDS.findall(block, start, stop)
    if lines != len(fields) or block[stop - 2 : stop] != b"\r\n":
        raise _explain_fields(block, start, stop)
    if b" \r\n" in block or b"\t\r\n" in block:
        fields = [(name, value.rstrip(b" \t")) for name, value in fields]
    return fields


def _framing(block: bytes, fields: list[Field]) -> Framing:
    framing = Framing()
    for name, value in fields:
        lower = name.lower()
        if lower not in _FRAMING:
            continue
        if lower == b"host":
            if framing.host is not None:
                raise HeadError("more than one Host", *_where(block, b"host", is_last=True))
            framing.host = value
        elif lower == b"content-length":
            for each in value.split(b","):
                each = each.strip(b" \t")
                if not _DIGITS.fullmatch(each):
                    raise HeadError("Content-Length is not a number", *_where(block, b"content-length"))
                if framing.content_length not in (None, int(each)):
                    raise HeadError("Content-Length twice, and not the same", *_where(block, b"content-length", is_last=True))
                framing.content_length = int(each)
        elif lower == b"transfer-encoding":
            if framing.is_chunked or value.lower() != b"chunked":
                raise HeadError(
                    "Transfer-Encoding other than a single chunked", *_where(block, b"transfer-encoding", is_last=True), 501
                )
            framing.is_chunked = True
        elif lower == b"connection":
            framing.connection |= {token.strip(b" \t").lower() for token in value.split(b",")}
        elif lower == b"proxy-connection":
            framing.connection |= {token.strip(b" \t").lower() for token in value.split(b",")} & {b"keep-alive", b"close"}
        elif lower == b"expect":
            framing.expects_continue = value.lower() == b"100-continue"
        else:
            framing.has_upgrade = True
    if framing.is_chunked and framing.content_length is not None:
        raise HeadError("Content-Length and Transfer-Encoding together", *_where(block, b"transfer-encoding"))
    return framing


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
    offset = start
    for line in block[start:stop].split(b"\n"):
        raw, position = line, offset
        offset += len(line) + 1
        if not line and position >= stop:
            break
        if not line.endswith(b"\r"):
            return HeadError("a line ends in LF without CR", position + len(line), raw)
        line = line[:-1]
        if line[:1] in (b" ", b"\t"):
            return HeadError("a folded header field (obs-fold)", position, line)
        name, colon, value = line.partition(b":")
        if not colon:
            return HeadError("a header field without a colon", position, line)
        if not _NAME.fullmatch(name):
            what = "white space before the colon" if _NAME.fullmatch(name.rstrip(b" \t")) else "not a field name"
            return HeadError(what, position, line)
        if match := _FORBIDDEN.search(value):
            return HeadError(
                f"control character 0x{value[match.start()]:02x} in a field value",
                position + len(name) + 1 + match.start(),
                line,
            )
    return HeadError("malformed header fields", start, block[start : start + 60])


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
