"""Rules as a person types them: a separator of the person's choice, a filter that may be left out, what to look for, what to do.

    /~d example/User-Agent/curl          header_rule    /[filter]/name/value          an empty value removes the field
    /~s/secret/[removed]                 body_rule      /[filter]/regex/replacement
    |https://a.test/|https://b.test/     remote_rule    /[filter]/regex/replacement   of the URL
    |a.test/static|~/site                local_rule     /[filter]/regex/path
    :~d tracker:444                      block_rule     /filter/status                444 hangs up

The first character separates, and may stand in the last piece. Two pieces behind it are a rule without a filter, so a rule whose
last piece contains the separator needs its filter (~all will do), or another separator. The value of a field and the replacement
in a body may be `@file`, which is read by whoever follows the rule; nothing here touches files. In them a backslash begins an
escape as in Python (\\n, \\x00); in a replacement \\1 and \\g<name> are groups of the expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from interceptor.model.flow import Flow
from interceptor.specs.errors import UserError
from interceptor.specs.filter import Filter
from interceptor.specs.filter import parse as parse_filter

HANG_UP: Final = 444
"""The status of a block rule that closes the connection instead of answering."""

_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 §5.6.2
_ESCAPE: Final = re.compile(r"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
_LETTERS: Final = {"n": b"\n", "r": b"\r", "t": b"\t", "a": b"\a", "b": b"\b", "f": b"\f", "v": b"\v"}


@dataclass(frozen=True, slots=True)
class Rule:
    """What all rules have. `text` is what was typed; two rules of the same text are the same."""

    text: str
    filter: Filter | None = field(compare=False)

    @property
    def needs_body(self) -> bool:
        """Whether it applies is known only when the body is there."""
        return self.filter is not None and self.filter.needs_body

    def applies_to(self, flow: Flow) -> bool:
        return self.filter is None or self.filter.matches(flow)


@dataclass(frozen=True, slots=True)
class HeaderRule(Rule):
    """`value` b"" removes the field; None: it stands in the file `path`."""

    name: bytes = field(compare=False)
    value: bytes | None = field(compare=False)
    path: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class BodyRule(Rule):
    """`template` is for `pattern.sub`; None: the replacement, literally, is what stands in the file `path`."""

    pattern: re.Pattern[bytes] = field(compare=False)
    template: bytes | None = field(compare=False)
    path: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class RemoteRule(Rule):
    pattern: re.Pattern[str] = field(compare=False)
    template: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class LocalRule(Rule):
    """`path` as typed: a file, or a folder whose files are found by the URL."""

    pattern: re.Pattern[str] = field(compare=False)
    path: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class BlockRule(Rule):
    status: int = field(compare=False)


def header_rule(text: str) -> HeaderRule:
    """UserError, as all of these, with the position in `text`."""
    pieces = _split(text, "name", "value")
    name = pieces.subject.encode("utf-8", "surrogateescape")
    if not _NAME.fullmatch(name):
        raise UserError(f"{pieces.subject!r} is no name of a header field: letters, digits and -", pieces.subject_at)
    if pieces.last.startswith("@"):
        return HeaderRule(text, pieces.filter, name, None, _path(pieces))
    value = b"".join(_literal(found) for found in _escapes(pieces))
    if re.search(rb"[\r\n\0]", value):
        raise UserError("the value of a header field has no line breaks", pieces.last_at)
    return HeaderRule(text, pieces.filter, name, value)


def body_rule(text: str) -> BodyRule:
    pieces = _split(text, "regex", "replacement")
    pattern = _compiled(pieces, pieces.subject.encode("utf-8", "surrogateescape"), re.DOTALL)
    if pieces.last.startswith("@"):
        return BodyRule(text, pieces.filter, pattern, None, _path(pieces))
    template = b"".join(_for_template(found) for found in _escapes(pieces))
    _check_template(pieces, lambda: pattern.sub(template, b""))
    return BodyRule(text, pieces.filter, pattern, template)


def remote_rule(text: str) -> RemoteRule:
    pieces = _split(text, "regex", "replacement")
    pattern = _compiled(pieces, pieces.subject, 0)
    _check_template(pieces, lambda: pattern.sub(pieces.last, ""))
    return RemoteRule(text, pieces.filter, pattern, pieces.last)


def local_rule(text: str) -> LocalRule:
    pieces = _split(text, "regex", "path")
    if not pieces.last:
        raise UserError("the path of a file or folder is missing at the end", pieces.last_at)
    return LocalRule(text, pieces.filter, _compiled(pieces, pieces.subject, 0), pieces.last)


def block_rule(text: str) -> BlockRule:
    separator, rest = text[:1], text[1:]
    wanted = f"{separator or '/'}filter{separator or '/'}status"
    condition, found, status = rest.rpartition(separator) if separator else ("", "", "")
    if not found or not condition:
        raise UserError(f"a rule of this kind looks like {wanted}, with {separator or 'any character'!r} in between", len(text))
    status_at = len(text) - len(status)
    if not (status.isascii() and status.isdigit() and 200 <= int(status) <= 599):
        raise UserError(f"{status!r} is no status to answer with: 200 to 599, or {HANG_UP} to hang up", status_at)
    return BlockRule(text, _filter(condition, 1), int(status))


# ---- pieces


class _Pieces(NamedTuple):
    filter: Filter | None
    subject: str
    subject_at: int
    last: str
    last_at: int


def _split(text: str, subject_name: str, last_name: str) -> _Pieces:
    separator = text[:1]
    shown = separator or "/"
    short = f"{shown}{subject_name}{shown}{last_name}"
    if not separator:
        raise UserError(f"a rule looks like {short}, with any character in place of {shown}", 0)
    if separator.isalnum():
        raise UserError(f"the first character separates the pieces, and {separator!r} is part of a word: write /{text}", 0)
    pieces = text[1:].split(separator, 2)
    if len(pieces) < 2:
        raise UserError(f"there is no second {shown}: a rule looks like {short} or {shown}filter{short}", len(text))
    condition, at = None, 1
    if len(pieces) == 3:
        first = pieces.pop(0)
        at += len(first) + 1
        condition = _filter(first, 1, short) if first else None
    subject, last = pieces
    if not subject:
        raise UserError(f"between the two {shown} stands nothing, where the {subject_name} is wanted", at)
    return _Pieces(condition, subject, at, last, at + len(subject) + 1)


def _filter(text: str, at: int, short: str = "") -> Filter:
    """`short`: how a rule looks that has no filter, for who did not mean one."""
    try:
        return parse_filter(text)
    except UserError as error:
        hint = f" (the first of three pieces is a filter; if none was meant, separate {short} by something else)" if short else ""
        raise UserError(f"{error.message}{hint}", at + (error.position or 0)) from None


def _compiled(pieces: _Pieces, pattern: Any, flags: int) -> re.Pattern[Any]:
    try:
        return re.compile(pattern, flags)
    except re.error as error:
        at = pieces.subject_at + min(error.pos or 0, len(pieces.subject))
        raise UserError(f"{pieces.subject!r} is not a regular expression: {error.msg}", at) from None


def _check_template(pieces: _Pieces, expand: Callable[[], object]) -> None:
    try:
        expand()
    except re.error as error:
        raise UserError(f"the replacement is not right: {error.msg}", pieces.last_at) from None
    except IndexError as error:  # a group by name
        raise UserError(f"the replacement is not right: {error}", pieces.last_at) from None


def _path(pieces: _Pieces) -> str:
    if len(pieces.last) == 1:
        raise UserError("behind @ the path of a file is missing", pieces.last_at + 1)
    return pieces.last[1:]


# ---- escapes


def _escapes(pieces: _Pieces) -> list[str]:
    """The last piece cut at its escapes: those begin with a backslash. UserError for one that ends it."""
    text, found, end = pieces.last, [], 0
    for match in _ESCAPE.finditer(text):
        found += [text[end : match.start()], match[0]]
        end = match.end()
    if text.endswith("\\", end):
        raise UserError("the backslash at the end escapes nothing: write two", pieces.last_at + len(text) - 1)
    return [*found, text[end:]]


def _literal(piece: str) -> bytes:
    """A piece as bytes; an escape that means nothing stays as it is."""
    if not piece.startswith("\\"):
        return piece.encode("utf-8", "surrogateescape")
    escape = piece[1:]
    if escape[0] == "x" and len(escape) == 3:
        return bytes.fromhex(escape[1:])
    if escape[0] in "01234567":
        return bytes([int(escape, 8) & 0xFF])
    if escape in "\\'\"":
        return escape.encode()
    return _LETTERS.get(escape) or piece.encode("utf-8", "surrogateescape")


def _for_template(piece: str) -> bytes:
    """The same for `re.sub`, which is left to know what \\1 and \\g mean; any other backslash is one."""
    if piece[:1] == "\\" and piece[1:2] in (*"123456789", "g"):
        return piece.encode()
    return _literal(piece).replace(b"\\", rb"\\")
