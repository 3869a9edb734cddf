"""Heads that are refused as malformed, mended where a rule says what they mean: what `validate_inbound_headers` off lets through.

A head is read strictly first. If that fails it is mended and read again; what is recorded and passed on is the mended head, so
both sides of us read the same. If the mended head is refused too, the first complaint stands. The rules:

- a line may end in LF alone (RFC 9112 §2.2); CR and NUL inside of a value become blanks (RFC 9110 §5.5), other controls stay;
- white space between the parts of a request line, and around it, is one blank (RFC 9112 §3); HTTP/1.2 to 1.9 are 1.1;
- a folded value is one line (§5.2); white space before a colon goes (§5.1); a name may have odd bytes, unless it looks like
  a field that frames the message;
- the same Content-Length, or the same Host, several times is said once (RFC 9110 §8.6); Host may be missing;
- an HTTP/1.0 response may be chunked; a 1xx or 204 may say a length, and has no body; a 101 may come unasked.

Framing that contradicts itself stays refused, and so do codings other than chunked: servers read them in different ways, and our
record would be one guess of several.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from interceptor.proxy.layers.http.head_scan import HeadError

H = TypeVar("H")
_LINE_END: Final = re.compile(rb"\r?\n")
_HEAD_END: Final = re.compile(rb"\n\r?\n")
_BLANKS: Final = re.compile(rb"[ \t]+")
_LATER_VERSION: Final = re.compile(rb" HTTP/1\.[2-9]\Z")
_TO_BLANK: Final = re.compile(rb"[\r\x00]")


def read_leniently(read: Callable[[bytes, int, bool], H], block: bytes, count_limit: int) -> H:
    """`read` is `read_request_head` or `read_status_head`. The HeadError of the strict reading if mending does not help."""
    try:
        return read(block, count_limit, False)
    except HeadError as error:
        try:
            return read(mended(block), count_limit, True)
        except HeadError:
            raise error from None


def find_head_end(held: bytes | bytearray, start: int) -> int:
    """Where the bytes after the empty line begin, which may end in LF alone; -1 if it has not come."""
    match = _HEAD_END.search(held, start)
    return match.end() if match else -1


def mended(block: bytes) -> bytes:
    first, *lines = _LINE_END.split(block[: _last_line_end(block)])
    if not first.lstrip().startswith(b"HTTP/"):
        first = _LATER_VERSION.sub(b" HTTP/1.1", _BLANKS.sub(b" ", first.strip(b" \t")))
    fields: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += b" " + _TO_BLANK.sub(b" ", line).strip(b" \t")
            continue
        name, colon, value = line.partition(b":")
        fields.append(name.rstrip(b" \t") + colon + _TO_BLANK.sub(b" ", value))
    for name in (b"content-length", b"host"):
        fields = _said_once(fields, name)
    return b"\r\n".join([first, *fields, b"", b""])


def _last_line_end(block: bytes) -> int:
    """Of the line before the empty one."""
    return len(block) - (2 if block.endswith(b"\r\n") else 1) - (2 if block.endswith((b"\r\n\r\n", b"\r\n\n")) else 1)


def _said_once(fields: list[bytes], name: bytes) -> list[bytes]:
    """Unless it says different things."""
    found = [field for field in fields if field.partition(b":")[0].lower() == name]
    values = [field.partition(b":")[2] for field in found]
    if name == b"content-length":
        values = [each for value in values for each in value.split(b",")]
    if len(values) < 2 or len({value.strip(b" \t") for value in values}) > 1:
        return fields
    first = found[0].partition(b":")[0] + b":" + values[0]
    place = fields.index(found[0])
    return [*fields[:place], first, *(field for field in fields[place + 1 :] if field.partition(b":")[0].lower() != name)]
