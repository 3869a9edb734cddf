"""Minified CSS and JavaScript broken into indented lines; text that has lines already stays as it is.

Tokens come from one regular expression each that never goes back, so the time is linear; brackets are counted, nothing is
understood. Only blank space is added or taken away between tokens, so a mistake of ours changes how it looks and nothing else.
"""

from __future__ import annotations

import re
from typing import Final

from interceptor.contentviews.rendered import Cancelled, check

MOST_LAID_OUT: Final = 1024 * 1024
_LINE_OF_PEOPLE: Final = 100
_DEEPEST: Final = 40
_CHECK_EVERY: Final = 4096

_CSS: Final = re.compile(
    r"""
    (?P<comment> /\*(?:[^*]++|\*(?!/))*+(?:\*/)?+ )
  | (?P<string> "(?:[^"\\\n]++|\\.)*+"?+ | '(?:[^'\\\n]++|\\.)*+'?+ | url\((?:[^()"'\s\\]++|\\.)*+\) )
  | (?P<blank> \s++ )
  | (?P<mark> [{};:,()] )
  | (?P<text> [^\s{};:,()"'/u]++ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_JAVASCRIPT: Final = re.compile(
    r"""
    (?P<comment> //[^\n]*+ | /\*(?:[^*]++|\*(?!/))*+(?:\*/)?+ )
  | (?P<string> "(?:[^"\\\n]++|\\.)*+"?+ | '(?:[^'\\\n]++|\\.)*+'?+ | `(?:[^`\\]++|\\.)*+`?+ )
  | (?P<regex> (?:(?<=[=(,:;!&|?{}\[+])|(?<=\breturn)|(?<=\breturn[ ]))
        /(?:[^/\\\n\[]++|\\.|\[(?:[^\]\\\n]|\\.){0,200}+\])++/[a-z]*+ )
  | (?P<blank> \s++ )
  | (?P<word> [\w$.]++ )
  | (?P<mark> [{}\[\]();,] )
  | (?P<text> [^\s\w$.{}\[\]();,"'`/]++ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_END_OF_STATEMENT: Final = re.compile(r"[^;{}\"']{0,500}+(.?)", re.DOTALL)
_STAYS_BEHIND_BRACE: Final = re.compile(r"\s*+(?:[),;.\]?:=&|*<>+(]|else\b|catch\b|finally\b|while\b|from\b|of\b|in\b|as\b)")


class _Page:
    """The text as it grows, with the depth at which its next line begins."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.depth = 0
        self.is_at_start = True
        self._has_space = False

    def add(self, text: str) -> None:
        if self.is_at_start:
            self._parts.append("  " * min(self.depth, _DEEPEST))
        elif self._has_space:
            self._parts.append(" ")
        self._parts.append(text)
        self.is_at_start = self._has_space = False

    def space(self) -> None:
        self._has_space = not self.is_at_start

    def line(self) -> None:
        if not self.is_at_start:
            self._parts.append("\n")
            self.is_at_start, self._has_space = True, False

    def text(self) -> str:
        return "".join(self._parts)


def is_laid_out(source: bytes) -> bool:
    """Whether it has lines of a length that people write."""
    return source.count(b"\n") * _LINE_OF_PEOPLE + 2 * _LINE_OF_PEOPLE >= len(source) and b"\n" in source.strip()


def laid_out_css(source: bytes, cancelled: Cancelled) -> bytes:
    page, round_brackets = _Page(), 0
    is_name, starts_with_at = True, False  # of a declaration, as long as it may be one
    text = source.decode("utf-8", "surrogateescape")
    for count, token in enumerate(_CSS.finditer(text)):
        if not count % _CHECK_EVERY:
            check(cancelled)
        kind, value = token.lastgroup, token[0]
        if kind == "blank":
            page.space()
        elif kind == "comment":
            page.add(value)
            page.line()
        elif kind != "mark":
            starts_with_at = value.startswith("@") if page.is_at_start else starts_with_at
            page.add(value)
        elif value == "{":
            page.space()
            page.add(value)
            page.depth += 1
            page.line()
            round_brackets, is_name = 0, True
        elif value == "}":
            page.line()
            page.depth = max(0, page.depth - 1)
            page.add(value)
            page.line()
            round_brackets, is_name = 0, True
        elif value == ";" and not round_brackets:
            page.add(value)
            page.line()
            is_name = True
        else:
            round_brackets = max(0, round_brackets + (value == "(") - (value == ")"))
            page.add(value)
            if value == ":" and is_name and page.depth and not round_brackets and not starts_with_at:
                is_name = False
                if _is_declaration(text, token.end()):
                    page.space()
            elif value == ",":
                page.space()
    page.line()
    return page.text().encode("utf-8", "surrogateescape")


def _is_declaration(text: str, position: int) -> bool:
    """Whether what follows a colon ends like a value rather than like a selector (`a:hover{`)."""
    found = _END_OF_STATEMENT.match(text, position)
    return found is None or found[1] != "{"


def laid_out_javascript(source: bytes, cancelled: Cancelled) -> bytes:
    page, brackets = _Page(), bytearray()
    text = source.decode("utf-8", "surrogateescape")
    for count, token in enumerate(_JAVASCRIPT.finditer(text)):
        if not count % _CHECK_EVERY:
            check(cancelled)
        kind, value = token.lastgroup, token[0]
        if kind == "blank":
            if "\n" in value:
                page.line()  # the end of a line may be the end of a statement
            else:
                page.space()
        elif kind == "comment":
            page.add(value)
            if value.startswith("//"):
                page.line()
        elif kind != "mark":
            page.add(value)
        else:
            _bracket(page, brackets, text, token.end(), value)
    page.line()
    return page.text().encode("utf-8", "surrogateescape")


def _bracket(page: _Page, brackets: bytearray, text: str, end: int, value: str) -> None:
    inside = chr(brackets[-1]) if brackets else ""
    if value == "{":
        page.add(value)
        brackets += b"{"
        if text[end : end + 1] != "}":
            page.depth += 1
            page.line()
        else:
            brackets[-1:] = b"e"  # empty
    elif value == "}":
        if brackets:
            brackets.pop()
        if inside != "e":
            page.line()
            page.depth = max(0, page.depth - (inside == "{"))
        page.add(value)
        if not _STAYS_BEHIND_BRACE.match(text, end) and (not brackets or brackets[-1:] == b"{"):
            page.line()
    elif value in "([":
        page.add(value)
        brackets += value.encode()
    elif value in ")]":
        if inside in ("(", "["):
            brackets.pop()
        page.add(value)
    else:
        page.add(value)
        if inside in ("", "{"):
            page.line()
        else:
            page.space()
