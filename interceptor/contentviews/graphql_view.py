"""GraphQL requests (graphql.org/learn/serving-over-http): the query indented, then its variables; several in a row for a batch.

A query is bare (application/graphql) or in JSON. It is cut into tokens that never go back and laid out by its brackets alone, so
a query with mistakes is shown as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from interceptor.contentviews.json_view import show_json
from interceptor.contentviews.rendered import LONGEST_LINE, Cancelled, JoinedLines, Line, NotThisView, Rendered, check
from interceptor.contentviews.visible import styled

LARGEST: Final = 1024 * 1024
_LONGEST_QUERY: Final = 256 * 1024
_MOST_OF_BATCH: Final = 200
_DEEPEST: Final = 50
_CHECK_EVERY: Final = 4096
_BEGINS_LIKE_QUERY: Final = re.compile(r"(?:[\s,\ufeff]++|#[^\n]*+)*+(?:query\b|mutation\b|subscription\b|fragment\b|\{)")
_TOKEN: Final = re.compile(
    r"""
    (?P<blank> [\s,\ufeff]++ )
  | (?P<comment> \#[^\n]*+ )
  | (?P<string> \"\"\"(?:[^"\\]++|\\.|"(?!""))*+(?:\"\"\")?+ | "(?:[^"\\\n]++|\\.)*+"?+ )
  | (?P<number> -?[0-9][\w.+-]*+ )
  | (?P<name> \w++ )
  | (?P<variable> \$\w++ )
  | (?P<directive> @\w++ )
  | (?P<spread> \.\.\. )
  | (?P<mark> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_STYLES: Final = {
    "comment": "comment",
    "string": "string",
    "number": "number",
    "variable": "attribute",
    "directive": "keyword",
    "spread": "operator",
    "mark": "punctuation",
}
_WORDS: Final = frozenset({"query", "mutation", "subscription", "fragment", "on", "true", "false", "null"})
_STARTS: Final = frozenset({"query", "mutation", "subscription", "fragment"})


def show_graphql(body: bytes, is_bare: bool, cancelled: Cancelled) -> Rendered:
    """Of UTF-8. NotThisView if it is neither a query nor JSON with one."""
    requests = _requests(body, is_bare)
    shown: list[Sequence[Line]] = []
    if sum(len(request["query"]) for request in requests) > _LONGEST_QUERY:
        raise NotThisView("the query is too large to indent")
    for number, request in enumerate(requests[:_MOST_OF_BATCH], 1):
        check(cancelled)
        if len(requests) > 1:
            shown.append([[("header", f"Request {number} of {len(requests)}")]])
        name = request.get("operationName")
        if isinstance(name, str) and name:
            shown.append([[("key", "Operation: "), *styled("string", name[:LONGEST_LINE])]])
        shown.append(query_lines(request["query"], cancelled))
        for key, value in request.items():
            if key not in ("query", "operationName") and value not in (None, {}):
                shown += [[[], [*styled("key", key.capitalize()), ("punctuation", ":")]], _json(value, cancelled)]
        shown.append([[]])
    note = f", a batch of {len(requests)}" if len(requests) > 1 else ""
    return Rendered("graphql", f"GraphQL{note}", JoinedLines(shown))


def looks_like_graphql(body: bytes) -> bool:
    """Whether it may be JSON with a query; costs little where it is not."""
    return len(body) <= LARGEST and b'"query"' in body and body.lstrip()[:1] in (b"{", b"[")


def _requests(body: bytes, is_bare: bool) -> list[dict[str, Any]]:
    if len(body) > LARGEST:
        raise NotThisView("too large for GraphQL")
    text = body.decode("utf-8", "replace")
    if is_bare and not text.lstrip().startswith('{"') and _BEGINS_LIKE_QUERY.match(text):
        return [{"query": text}]
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if found is None and _BEGINS_LIKE_QUERY.match(text):
        return [{"query": text}]
    requests = found if isinstance(found, list) else [found]
    if not requests or not all(_is_request(each) for each in requests):
        raise NotThisView("not GraphQL: no query that begins with '{', query, mutation, subscription or fragment")
    return requests


def _is_request(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    query = value.get("query")
    return isinstance(query, str) and _BEGINS_LIKE_QUERY.match(query) is not None


def _json(value: object, cancelled: Cancelled) -> Sequence[Line]:
    try:
        return show_json(json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"), cancelled).lines
    except (ValueError, RecursionError) as error:
        raise NotThisView(f"not GraphQL: {error}") from None


def query_lines(query: str, cancelled: Cancelled) -> list[Line]:
    """The query, a field a line."""
    page = _Page()
    for count, token in enumerate(_TOKEN.finditer(query)):
        if not count % _CHECK_EVERY:
            check(cancelled)
        page.add(token.lastgroup or "mark", token[0])
    return page.finished()


class _Page:
    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._line: Line = []
        self._length = 0
        self._depth = self._round = 0
        self._last = self._before = ""
        self._has_blank = False

    def add(self, kind: str, value: str) -> None:
        if kind == "blank":
            self._has_blank = True
            if self._round and "," in value:
                self._put("punctuation", ",", False)
            return
        if kind == "comment":
            self._put("comment", value, bool(self._line))
            self._end()
            return
        if value == "}" and not self._round:
            self._end()
            self._depth = max(0, self._depth - 1)
            self._put("punctuation", value, False)
            self._end()
        elif value == "{" and not self._round:
            self._put("punctuation", value, bool(self._line))
            self._end()
            self._depth += 1
        else:
            if kind != "mark" and self._begins_line(kind, value):
                self._end()
            self._put(self._style(kind, value), value, self._is_apart(kind, value))
            self._round = max(0, self._round + (value in ("(", "[", "{")) - (value in (")", "]", "}")))
        self._before, self._last, self._has_blank = self._last, value, False

    def finished(self) -> list[Line]:
        self._end()
        return self._lines

    def _style(self, kind: str, value: str) -> str:
        if kind != "name":
            return _STYLES.get(kind, "text")
        return "keyword" if value in _WORDS else "key" if self._depth and not self._round else "name"

    def _begins_line(self, kind: str, value: str) -> bool:
        if self._round or kind in ("directive", "variable", "number"):
            return False
        if not self._depth:
            return value in _STARTS
        return self._last not in (":", "...", "=", "") and not (self._before == "..." and self._last == "on")

    def _is_apart(self, kind: str, value: str) -> bool:
        """Whether a space stands before it."""
        if not self._line or self._last in ("(", "["):
            return False
        if kind == "mark":
            return value in "={|&" or (value == "[" and self._last in (":", "="))
        return self._last == ":" or self._has_blank or (self._last not in ("...", "") and kind != "spread")

    def _put(self, style: str, value: str, is_apart: bool) -> None:
        if is_apart:
            self._line.append(("text", " "))
        for index, line in enumerate(value.split("\n")):
            if index:
                self._end()
            for at in range(0, len(line), LONGEST_LINE):
                piece = line[at : at + LONGEST_LINE]
                if self._length + len(piece) > LONGEST_LINE:
                    self._end()
                if not self._line and self._depth and not index:
                    self._line.append(("text", "  " * min(self._depth, _DEEPEST)))
                self._line += styled(style, piece)
                self._length += len(piece)

    def _end(self) -> None:
        if self._line:
            self._lines.append(self._line)
        self._line, self._length = [], 0
