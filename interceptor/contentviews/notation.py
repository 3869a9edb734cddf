"""The notation in which values of binary formats are shown and edited: JSON with a little more.

    "text"   "\\xff" for a byte that is not UTF-8   h'00ff' bytes   1 -2 1.5 nan inf   word   { } [ ] ( ) : ,   # remark

`quoted`, `hexed` and `remark` write it as styled pieces of a line, `Tokens` reads it back. What is shown is what can be read: a
view draws its lines with the former, `reencode` reads them with the latter. Commas are blank space; a remark ends with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from struct import pack, unpack
from typing import Final

from interceptor.contentviews.rendered import CUT_MARK, Line, piece_end, text_of
from interceptor.contentviews.source_lines import CONTINUED, IndexedLines
from interceptor.contentviews.visible import styled
from interceptor.specs.errors import UserError

MORE: Final = 0x40
"""Set in the kind of a line whose value goes on in the next piece."""

MOST_EDITED: Final = 4 * 1024 * 1024
"""Characters of text that are given to an editor, or taken from it."""

_TOKEN: Final = re.compile(
    r"""
    (?P<blank> [\s,\ufeff]++ | \#[^\n]*+ )
  | (?P<string> "(?:[^"\\\n]++|\\.)*+" )
  | (?P<bytes> h'[0-9a-fA-F\s]*+' )
  | (?P<number> [-+]?+(?:0[xX][0-9a-fA-F]++|(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][-+]?+[0-9]++)?+|inf|nan)(?![\w.]) )
  | (?P<word> [A-Za-z_][\w-]*+ )
  | (?P<mark> [{}\[\]():] )
    """,
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "0": "\0", '"': '"', "\\": "\\", "/": "/", "'": "'"}


def quoted(raw: bytes, kind: int = 0, style: str = "string") -> Line:
    """A string, or a piece of one as the flags of `kind` say."""
    text = raw.decode("utf-8", "surrogateescape").replace("\\", "\\\\").replace('"', '\\"')
    line = styled(style, text, _escaped)
    if not kind & CONTINUED:
        line.insert(0, (style, '"'))
    if not kind & MORE:
        line.append((style, '"'))
    return line


def hexed(raw: bytes, kind: int = 0) -> Line:
    start = "" if kind & CONTINUED else "h'"
    end = "" if kind & MORE else "'"
    return [("number", text)] if (text := f"{start}{raw.hex()}{end}") else []


def float32_text(value: float) -> str:
    """Few digits that give that float of 32 bits again."""
    for digits in (6, 7, 8):
        rounded = float(f"{value:.{digits}g}")
        if abs(rounded) < 3e38 and unpack("<f", pack("<f", rounded))[0] == value:
            return repr(rounded)
    return repr(float(f"{value:.9g}"))


def remark(text: str) -> Line:
    return [("comment", "  # "), *styled("comment", text)]


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    short = {"\n": "\\n", "\r": "\\r"}.get(character)
    return short or (f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def add_pieces(lines: IndexedLines, source: bytes, start: int, end: int, depth: int, kind: int) -> None:
    """A line for the value source[start:end], or as many as it takes."""
    piece = piece_end(source, start, end)
    lines.add(start, depth, kind | (MORE if piece < end else 0))
    while piece < end:
        start, piece = piece, piece_end(source, piece, end)
        lines.add(start, depth, kind | CONTINUED | (MORE if piece < end else 0))


def editable_text(lines: Iterable[Line]) -> str:
    """The lines as one text, with the pieces of long ones joined. UserError if that is more than anybody edits."""
    parts: list[str] = []
    size = 0
    for line in lines:
        is_cut = bool(line) and line[-1] == CUT_MARK
        parts.append(text_of(line[:-1]) if is_cut else text_of(line) + "\n")
        size += len(parts[-1])
        if size > MOST_EDITED:
            raise UserError(f"this is too much to edit as text: more than {MOST_EDITED // (1 << 20)} MB.")
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Token:
    """`value` is of type bytes for strings and bytes, int or float for numbers, else the text."""

    kind: str
    value: bytes | int | float | str
    position: int


END: Final = "end"


class Tokens:
    """A text in the notation, token by token. Every mistake is a UserError that names its line."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._next: Token | None = None

    def peek(self) -> Token:
        if self._next is None:
            self._next = self._read()
        return self._next

    def take(self) -> Token:
        token, self._next = self.peek(), None
        return token

    def accept(self, mark: str) -> bool:
        """Takes that mark or word if it comes next."""
        token = self.peek()
        if token.kind in ("mark", "word") and token.value == mark:
            self._next = None
            return True
        return False

    def expect(self, mark: str) -> None:
        if not self.accept(mark):
            raise self.mistake(f"{mark!r} expected")

    def is_at_end(self) -> bool:
        return self.peek().kind == END

    def integer(self, what: str, low: int, high: int) -> int:
        token = self.peek()
        if token.kind != "number" or not isinstance(token.value, int) or not low <= token.value <= high:
            raise self.mistake(f"{what} expected, a whole number from {low} to {high}")
        self.take()
        return token.value

    def mistake(self, message: str, token: Token | None = None) -> UserError:
        token = token or self.peek()
        line = self._text.count("\n", 0, token.position) + 1
        column = token.position - (self._text.rfind("\n", 0, token.position) + 1) + 1
        word = self._text[token.position : token.position + 20].split()
        found = f"there is {word[0]!r}" if word and token.kind != END else "the text ends"
        return UserError(f"line {line}, column {column}: {message}, but {found}.", token.position)

    def _read(self) -> Token:
        text = self._text
        while True:
            position = self._position
            if position >= len(text):
                return Token(END, "", position)
            found = _TOKEN.match(text, position)
            if found is None:
                raise self.mistake("a value expected", Token("mark", "", position))
            self._position = found.end()
            kind, value = found.lastgroup or "", found[0]
            if kind == "blank":
                continue
            if kind == "string":
                return Token(kind, self._unescaped(value[1:-1], position), position)
            if kind == "bytes":
                digits = "".join(value[2:-1].split())
                if len(digits) % 2:
                    raise self.mistake("two hexadecimal digits for each byte expected", Token("mark", "", position))
                return Token(kind, bytes.fromhex(digits), position)
            if kind == "number":
                return Token(kind, self._number(value, position), position)
            return Token(kind, value, position)

    def _number(self, text: str, position: int) -> int | float:
        try:
            return int(text, 0 if "x" in text.lower() else 10)
        except ValueError:
            pass
        try:
            return float(text)
        except ValueError:
            raise self.mistake("a number expected", Token("mark", "", position)) from None

    def _unescaped(self, text: str, position: int) -> bytes:
        if "\\" not in text:
            return text.encode("utf-8", "surrogatepass")

        def character(match: re.Match[str]) -> str:
            if match[1]:
                return chr(0xDC00 + int(match[1], 16)) if match[1] >= "8" else chr(int(match[1], 16))
            if match[2] or match[3]:
                code = int(match[2] or match[3], 16)
                if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                    raise self.mistake(f"{match[0]} is no character", Token("mark", "", position))
                return chr(code)
            if match[4] not in _LETTERS:
                raise self.mistake(f"unknown escape {match[0]}", Token("mark", "", position))
            return _LETTERS[match[4]]

        # JSON writes characters beyond the BMP as two surrogates.
        text = re.sub(r"\\u([dD][89abAB]..)\\u([dD][c-fC-F]..)", _joined, text)
        return _ESCAPE.sub(character, text).encode("utf-8", "surrogateescape")


def _joined(match: re.Match[str]) -> str:
    try:
        high, low = int(match[1], 16), int(match[2], 16)
    except ValueError:
        return match[0]
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
