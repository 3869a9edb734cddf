"""A DNS message (RFC 1035), as DNS over HTTPS carries it (RFC 8484), in the text form of dnspython, and back again.

dnspython is imported when first needed. Its text form has no way back for EDNS options, so those of the original are kept.
"""

from __future__ import annotations

import re
from typing import Any, Final

from interceptor.contentviews.rendered import Line, NotThisView, Rendered
from interceptor.contentviews.visible import styled
from interceptor.specs.errors import UserError

LONGEST_MESSAGE: Final = 65535
_RECORD: Final = re.compile(r"(\S+)((?: \d+)?)((?: (?:IN|CH|HS|ANY|NONE|CLASS\d+))?) (\S+)(.*)", re.DOTALL)


def show_dns(body: bytes) -> Rendered:
    text = dns_text(body)
    lines: list[Line] = []
    is_record = False
    for line in text.split("\n"):
        if line.startswith(";"):
            is_record = True
            lines.append(styled("header", line))
        elif is_record:
            lines.append(_record(line))
        else:
            name, _, value = line.partition(" ")
            lines.append([*styled("key", name), *styled("string", f" {value}" if value else "")])
    return Rendered("dns", "DNS message", lines)


def dns_text(body: bytes) -> str:
    if len(body) < 12 or len(body) > LONGEST_MESSAGE:
        raise NotThisView(f"not a DNS message: it has {len(body)} bytes")
    return str(_parsed(body).to_text())


def _parsed(body: bytes) -> Any:
    import dns.message

    try:
        # Records stay apart: the library writes those of one set in random order.
        message = dns.message.from_wire(body, ignore_trailing=True, one_rr_per_rrset=True)
        message.to_text()
        return message
    except Exception as error:  # what hostile bytes do in the readers of seventy record types is not known
        raise NotThisView(f"not a DNS message: {_sentence(error)}") from None


def _record(line: str) -> Line:
    found = _RECORD.fullmatch(line)
    if found is None:
        return styled("text", line)
    name, ttl, kind, record_type, rest = found.groups()
    return [
        *styled("name", name),
        *styled("number", ttl),
        *styled("comment", kind),
        *styled("keyword", " " + record_type),
        *styled("string", rest),
    ]


def read_dns(text: str, original: bytes) -> bytes:
    """The message of an edited text. UserError with the line of the mistake."""
    import dns.exception
    import dns.message

    # dnspython takes a blank line for the end, and does not know the lines of options that it writes.
    numbered = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    has_options = any(line.startswith("option ") for _, line in numbered)
    numbered = [(number, line) for number, line in numbered if not line.startswith("option ")]
    lines = [line for _, line in numbered]
    try:
        message = dns.message.from_text("\n".join(lines), one_rr_per_rrset=True)
        if has_options and message.edns >= 0:
            message.use_edns(message.edns, message.ednsflags, message.payload, options=_parsed(original).options)
        return bytes(message.to_wire(max_size=LONGEST_MESSAGE))
    except (dns.exception.DNSException, ValueError, OverflowError, TypeError, LookupError, AttributeError, NotThisView) as error:
        number = numbered[_first_wrong(lines)][0] if numbered else 1
        raise UserError(f"line {number}: {_sentence(error)}.") from None


def _first_wrong(lines: list[str]) -> int:
    """The index of the first line up to which, it included, the text cannot be read; the last if each can."""
    import dns.message

    good, bad = 0, len(lines)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            dns.message.from_text("\n".join(lines[:middle]))
            good = middle
        except Exception:
            bad = middle
    return bad - 1


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return text or type(error).__name__
