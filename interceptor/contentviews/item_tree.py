"""Trees of self-describing binary items (msgpack, CBOR) as lines.

    body ─ read_head(body, position) ─▸ Head: a scalar, or how many items come ─▸ IndexedLines: a line an item, indented
                                                                                  └ draw_scalar, when a line is looked at

The body is walked once with the open containers on a stack, so depth costs no recursion; nothing of it is converted. A key with
its value is one line if both fit one. What is cut off or wrong ends the tree there: the lines so far, and why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from interceptor.contentviews.notation import MORE, add_pieces, hexed, quoted
from interceptor.contentviews.rendered import Cancelled, Line, NotThisView, Rendered, check, never, publish
from interceptor.contentviews.source_lines import CONTINUED, IndexedLines

DEEPEST: Final = 500
_CHECK_EVERY: Final = 512


class Shape(IntEnum):
    SCALAR = 0
    TEXT = 1
    BYTES = 2
    ARRAY = 3
    MAP = 4
    TAG = 5
    BREAK = 6


@dataclass(slots=True)
class Head:
    """An item begins: `start` is where its content does, `end` where that ends (for a container: its head).

    `count`: items of a container (pairs, of a map), -1 up to a break. `label` stands before the bracket.
    """

    shape: Shape
    start: int
    end: int
    count: int = 0
    label: str = ""


class Malformed(Exception):
    """No item begins here; why."""


ReadHead = Callable[[bytes, int], Head]
DrawScalar = Callable[[bytes, int, Head], Line]

# Kinds of lines: a scalar or text (with or without a key), an opening bracket (likewise), a closing one, the rest.
_VALUE, _PIECE_OF_TEXT, _PIECE_OF_BYTES, _CLOSE, _REST = range(5)
_KEYED: Final = 0x08
_CLOSERS: Final = {Shape.ARRAY: 0x00, Shape.MAP: 0x20, Shape.TAG: 0x10}


@dataclass(slots=True)
class _Open:
    shape: Shape
    left: int  # items, keys and values counted each; -1 up to a break
    is_key: bool
    was_key: bool  # the container itself is the key of a pair


def is_one_item(body: bytes, read_head: ReadHead) -> bool:
    """Whether the body is one well-formed item and nothing more."""
    try:
        tree = ItemTree(body, read_head, lambda source, start, head: [], never, Rendered("", "", ()))
    except NotThisView:
        return False
    return tree.values == 1 and not tree.mistake


class ItemTree:
    """Lines of a body. `mistake` says where and why the tree ends early, "" if it does not; `values` counts top-level items."""

    def __init__(
        self, body: bytes, read_head: ReadHead, draw_scalar: DrawScalar, cancelled: Cancelled, seen_as: Rendered
    ) -> None:
        """`seen_as` is what the lines are published as while they are being made."""
        self._body = body
        self._read_head = read_head
        self._draw_scalar = draw_scalar
        self.lines = IndexedLines(body, self._draw)
        self._closes_at = 0
        self.values = 0
        self.mistake = ""
        publish(cancelled, replace(seen_as, lines=self.lines))
        self._walk(cancelled)

    def _walk(self, cancelled: Cancelled) -> None:
        body, position, stack, count = self._body, 0, list[_Open](), 0
        while position < len(body) or stack:
            count += 1
            if not count % _CHECK_EVERY:
                check(cancelled)
            try:
                position = self._item(position, stack)
            except Malformed as error:
                if not self.values and not stack:
                    raise NotThisView(str(error)) from None
                self.mistake = f"{error} at offset {position}"
                self._rest(position)
                return
            self._close(self._closes_at, position, stack)

    def _rest(self, position: int) -> None:
        if position < len(self._body):
            add_pieces(self.lines, self._body, position, len(self._body), 0, _REST)
        else:
            self.lines.finish(position)

    def _item(self, position: int, stack: list[_Open]) -> int:
        """Adds the lines of the item, or of the key and value, that begins here; returns where to go on."""
        body, lines, top = self._body, self.lines, stack[-1] if stack else None
        depth = len(stack)
        head = self._head(position)
        self._closes_at = position  # a break belongs to the line of the bracket that it closes
        if head.shape is Shape.BREAK:
            if top is None or top.left >= 0 or (top.shape is Shape.MAP and not top.is_key):
                raise Malformed("a break where no list is open")
            top.left = 0
            top.is_key = True
            return head.end
        start, kind = position, 0
        is_key = top is not None and top.is_key
        if is_key and top is not None and head.shape < Shape.ARRAY and head.end - position <= 1000:
            value = self._head(head.end)
            if value.shape is Shape.BREAK:
                raise Malformed("a key without a value")
            kind, head, is_key = _KEYED, value, False
            top.left -= top.left > 0
        elif top is not None and top.shape is Shape.MAP:
            top.is_key = not top.is_key
        if top is not None:
            top.left -= top.left > 0
        elif depth == 0:
            self.values += 1
        if head.shape >= Shape.ARRAY:
            if depth >= DEEPEST:
                raise Malformed(f"more than {DEEPEST} levels")
            lines.add(start, depth, kind)
            items = head.count * 2 if head.shape is Shape.MAP and head.count > 0 else head.count
            stack.append(_Open(head.shape, items, head.shape is Shape.MAP, is_key))
        else:
            long_kind = {Shape.TEXT: _PIECE_OF_TEXT, Shape.BYTES: _PIECE_OF_BYTES}.get(head.shape, _VALUE)
            add_pieces(lines, body, start, head.end, depth, kind | long_kind)
        self._closes_at = head.end
        return head.end

    def _head(self, position: int) -> Head:
        if position >= len(self._body):
            raise Malformed("the content ends too early")
        head = self._read_head(self._body, position)
        if head.end > len(self._body):
            raise Malformed("the content ends too early")
        return head

    def _close(self, closes_at: int, position: int, stack: list[_Open]) -> None:
        while stack and not stack[-1].left:
            closed = stack.pop()
            self.lines.add(closes_at, len(stack), _CLOSE | _CLOSERS[closed.shape] | (_KEYED if closed.was_key else 0))
            closes_at = position

    def _draw(self, source: bytes, kind: int) -> Line:
        what = kind & 0x07
        if what == _CLOSE:
            mark = "}" if kind & 0x20 else ")" if kind & 0x10 else "]"
            return [("punctuation", mark + (":" if kind & _KEYED else ""))]
        if kind & CONTINUED:
            return quoted(source, kind) if what == _PIECE_OF_TEXT else hexed(source, kind)
        if what == _REST:
            return [("error", "rest "), *hexed(source, kind)]
        line: Line = []
        head = self._read_head(source, 0)
        start = 0
        if kind & _KEYED:
            line += self._scalar(source, 0, head, 0, "key")
            line.append(("punctuation", ": "))
            start = head.end
            head = self._read_head(source, start)
        if head.shape >= Shape.ARRAY:
            mark = {Shape.ARRAY: "[", Shape.MAP: "{", Shape.TAG: "("}[head.shape]
            return [*line, *([("keyword", head.label)] if head.label else []), ("punctuation", mark)]
        return line + self._scalar(source, start, head, kind & MORE, "string")

    def _scalar(self, source: bytes, position: int, head: Head, more: int, style: str) -> Line:
        content = source[head.start : head.end]
        if head.shape is Shape.TEXT:
            return quoted(content, more, style)
        if head.shape is Shape.BYTES:
            return [*([("keyword", head.label)] if head.label else []), *hexed(content, more)]
        return self._draw_scalar(source, position, head)
