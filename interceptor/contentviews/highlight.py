"""Colour for the text of programming languages: JavaScript and CSS by our own scanners, others by pygments.

Our scanners are one regular expression each that never goes back, so their time is linear in the text, whoever wrote it.
pygments makes no such promise (60 kB of "a" lines cost its Java lexer a minute): it gets only short texts with lines of a length
that people write, and half a second, after which the rest stays plain. It is imported when first needed. Neither gets more than
`MOST_COLOURED`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any, Final

from interceptor.contentviews.rendered import CUT_MARK, LONGEST_LINE, Cancelled, Line, check
from interceptor.contentviews.visible import styled

MOST_COLOURED: Final = 256 * 1024
_LONGEST_FOR_PYGMENTS: Final = 1000
_MOST_FOR_PYGMENTS: Final = 64 * 1024
_SECONDS_FOR_PYGMENTS: Final = 0.5
_CHECK_EVERY: Final = 2048

JAVASCRIPT_TYPES: Final = frozenset(
    f"{top}/{name}"
    for top in ("text", "application")
    for name in ("javascript", "x-javascript", "ecmascript", "x-ecmascript", "jscript")
)
_NOT_FOR_PYGMENTS: Final = frozenset({"", "text/plain", "application/octet-stream"})

_JAVASCRIPT: Final = re.compile(
    r"""
    (?P<comment> //[^\n]*+ | /\*(?:[^*]++|\*(?!/))*+(?:\*/)?+ )
  | (?P<string> "(?:[^"\\\n]++|\\.)*+"?+ | '(?:[^'\\\n]++|\\.)*+'?+ | `(?:[^`\\]++|\\.)*+`?+
      | (?:(?<=[=(,:;!&|?{}\[])|(?<=[=(,:;!&|?{}\[][ ])|(?<=\breturn[ ]))
        /(?:[^/\\\n\[]++|\\.|\[(?:[^\]\\\n]|\\.){0,200}+\])++/[a-z]*+ )
  | (?P<number> 0[xXbBoO][0-9a-fA-F_]++n?+ | (?:[0-9][0-9_]*+(?:\.[0-9_]*+)?+|\.[0-9][0-9_]*+)(?:[eE][+-]?+[0-9]++)?+n?+ )
  | (?P<word> [A-Za-z_$\u0080-\U0010ffff][\w$]*+ )
  | (?P<punctuation> [()\[\]{};,.]++ )
  | (?P<operator> [-+*/%=<>!&|^~?:] )
  | (?P<text> \s++ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_JAVASCRIPT_WORDS: Final = re.compile(
    "async|await|break|case|catch|class|const|continue|debugger|default|delete|do|else|export|extends|false|finally|for|function|"
    "get|if|import|in|instanceof|let|new|null|of|return|set|static|super|switch|this|throw|true|try|typeof|undefined|var|void|"
    "while|with|yield"
)
_NO_WORDS: Final = re.compile(r"(?!)")
_CSS: Final = re.compile(
    r"""
    (?P<comment> /\*(?:[^*]++|\*(?!/))*+(?:\*/)?+ )
  | (?P<string> "(?:[^"\\\n]++|\\.)*+"?+ | '(?:[^'\\\n]++|\\.)*+'?+ )
  | (?P<keyword> @[\w-]++ | ![ ]?+important )
  | (?P<colour> \#[0-9a-fA-F]{3,8}(?=\s{0,9}[;,)!}]) )
  | (?P<name> [.\#][A-Za-z_-][\w-]*+ )
  | (?P<number> [+-]?+(?:[0-9]++(?:\.[0-9]++)?+|\.[0-9]++)(?:%|[A-Za-z]++)?+ )
  | (?P<attribute> --?+[A-Za-z_][\w-]*+(?=\s{0,9}:) | [A-Za-z_][\w-]*+(?=\s{0,9}:[\s\d\#."'-]) )
  | (?P<word> [A-Za-z_-][\w-]*+ )
  | (?P<punctuation> [()\[\]{};,:>+~*=]++ )
  | (?P<text> \s++ | . )
    """,
    re.VERBOSE | re.DOTALL,
)

_PYGMENTS_STYLES: Final = (
    # the first that the name of the token type begins with
    ("Token.Comment", "comment"),
    ("Token.Keyword", "keyword"),
    ("Token.Literal.String", "string"),
    ("Token.Literal.Number", "number"),
    ("Token.Literal", "string"),
    ("Token.Name.Tag", "key"),
    ("Token.Name.Attribute", "attribute"),
    ("Token.Name.Function", "function"),
    ("Token.Name.Class", "function"),
    ("Token.Name.Decorator", "function"),
    ("Token.Name.Builtin", "name"),
    ("Token.Name.Constant", "keyword"),
    ("Token.Operator.Word", "keyword"),
    ("Token.Operator", "operator"),
    ("Token.Punctuation", "punctuation"),
    ("Token.Generic.Heading", "header"),
    ("Token.Generic.Subheading", "header"),
)


def highlighted(source: bytes, media_type: str, cancelled: Cancelled) -> list[Line] | None:
    """The lines of UTF-8 text in colour; None if there is no colour for it, or it is too much."""
    if not source or len(source) > MOST_COLOURED or media_type in _NOT_FOR_PYGMENTS:
        return None
    text = source.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    if media_type in JAVASCRIPT_TYPES:
        return _lines(_scanned(_JAVASCRIPT, text, _JAVASCRIPT_WORDS), cancelled)
    if media_type == "text/css":
        return _lines(_scanned(_CSS, text, _NO_WORDS), cancelled)
    lexer = _lexer(media_type, text)
    return _lines(_lexed(lexer, text), cancelled) if lexer is not None else None


def _scanned(pattern: re.Pattern[str], text: str, keywords: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    for token in pattern.finditer(text):
        style = token.lastgroup or "text"
        if style == "colour":
            style = "number"
        if style == "word":
            is_call = text.startswith("(", token.end())
            style = "keyword" if keywords.fullmatch(token[0]) else "function" if is_call else "text"
        yield style, token[0]


def _lexer(media_type: str, text: str) -> Any:
    if len(text) > _MOST_FOR_PYGMENTS or any(len(line) > _LONGEST_FOR_PYGMENTS for line in text.split("\n")):
        return None
    try:
        from pygments.lexers import get_lexer_for_mimetype
        from pygments.util import ClassNotFound
    except ImportError:
        return None
    try:
        return get_lexer_for_mimetype(media_type, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _lexed(lexer: Any, text: str) -> Iterator[tuple[str, str]]:
    """Colour as far as the time allows, the rest plain. A single token takes little, so looking between them is enough."""
    names: dict[Any, str] = {}
    deadline = monotonic() + _SECONDS_FOR_PYGMENTS
    for position, kind, value in lexer.get_tokens_unprocessed(text):
        if monotonic() > deadline:
            yield "text", text[position:]
            return
        style = names.get(kind)
        if style is None:
            name = str(kind)
            style = names[kind] = next((each for prefix, each in _PYGMENTS_STYLES if name.startswith(prefix)), "text")
        yield style, value


def _lines(tokens: Iterable[tuple[str, str]], cancelled: Cancelled) -> list[Line]:
    """Tokens, which may span lines, cut into lines; the end of the last line makes no further one."""
    lines: list[Line] = []
    line: Line = []
    length = 0
    for count, (style, value) in enumerate(tokens):
        if not count % _CHECK_EVERY:
            check(cancelled)
        for index, part in enumerate(value.split("\n")):
            if index:
                lines.append(line)
                line, length = [], 0
            while length + len(part) > LONGEST_LINE:
                line += [*styled(style, part[: LONGEST_LINE - length]), CUT_MARK]
                lines.append(line)
                part = part[LONGEST_LINE - length :]
                line, length = [], 0
            if part:
                line += styled(style, part)
                length += len(part)
    if line:
        lines.append(line)
    return lines
