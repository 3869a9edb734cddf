"""Two JSON texts, value by value: what is compared is what they mean, and it is told as indented text.

Blanks, escapes in strings and ways to write a number do not count; the order of keys counts only if that is wanted. Elements of
arrays are aligned like lines of a text, so one that was put in front makes one difference. Numbers are shown as they stand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from interceptor.difference.lines import changed
from interceptor.difference.rows import Row, added, removed, same
from interceptor.difference.sequences import align

DEEPEST: Final = 100
_LONGEST_NUMBER: Final = 400


class NotComparable(ValueError):
    """No JSON, or nested too deeply for this."""


class _Number(str):
    """A number as it was written."""


class _Pairs(list[tuple[str, object]]):
    """An object, with keys that come twice."""


@dataclass(slots=True, eq=False)
class Node:
    """`meaning` is equal where the values are. `text` is that of a scalar; `children` are (key, value), keys "" in an array."""

    kind: str  # "{", "[" or "" for a scalar
    text: str
    children: Sequence[tuple[str, Node]]
    meaning: int


def parse(text: str, counts_key_order: bool = False) -> Node:
    """NotComparable if it cannot be."""
    try:
        value = json.loads(text, object_pairs_hook=_Pairs, parse_int=_number, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise NotComparable(str(error)) from None
    return _node(value, counts_key_order, 0)


def _number(text: str) -> _Number:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError("a number is too long")
    return _Number(text)


def _node(value: object, counts_key_order: bool, depth: int) -> Node:
    if depth > DEEPEST:
        raise NotComparable("it is nested too deeply")
    if isinstance(value, _Pairs):
        children = [(key, _node(each, counts_key_order, depth + 1)) for key, each in value]
        members = [(key, child.meaning) for key, child in children]
        meaning = hash(("{", tuple(members if counts_key_order else sorted(members))))
        return Node("{", "", children, meaning)
    if isinstance(value, list):
        elements = [("", _node(each, counts_key_order, depth + 1)) for each in value]
        return Node("[", "", elements, hash(("[", tuple(child.meaning for _, child in elements))))
    if isinstance(value, _Number):
        return Node("", str(value), (), hash(("number", _amount(value))))
    return Node("", json.dumps(value, ensure_ascii=False), (), hash((type(value).__name__, value)))


def _amount(text: str) -> str:
    """The same text for the same amount: 1.50 is 15e-1."""
    try:
        sign, digits, exponent = Decimal(text).as_tuple()
    except InvalidOperation:  # an exponent that nobody can mean
        return text
    written = "".join(map(str, digits)).lstrip("0")
    significant = written.rstrip("0")
    if not significant or not isinstance(exponent, int):
        return "0"
    return f"{'-' if sign else ''}{significant}e{exponent + len(written) - len(significant)}"


def compare_json(left: Node, right: Node, check: Callable[[], None] = lambda: None) -> tuple[list[Row], bool]:
    """The rows, and whether they are the best there are."""
    comparison = _Comparison(check)
    comparison.compare(left, right, 0, "", "", True, True)
    return comparison.rows, comparison.is_best


class _Comparison:
    def __init__(self, check: Callable[[], None]) -> None:
        self.rows: list[Row] = []
        self.is_best = True
        self._check = check

    def compare(self, left: Node, right: Node, depth: int, key: str, other_key: str, is_last: bool, is_other_last: bool) -> None:
        """`is_last`: no comma follows."""
        is_same = left.meaning == right.meaning and left.kind == right.kind
        if is_same and (not left.children or _reads_alike(left, right)):
            one, other = _lines(left, depth, key, is_last), _lines(right, depth, other_key, is_other_last)
            self.rows += [same(a, b) for a, b in zip(one, other, strict=True)]
        elif left.kind and left.kind == right.kind and left.children and right.children:
            indent, end = "  " * depth, {"{": "}", "[": "]"}[left.kind]
            self.rows.append(same(f"{indent}{key}{left.kind}", f"{indent}{other_key}{right.kind}"))
            self._compare_children(left, right, depth + 1)
            self.rows.append(same(f"{indent}{end}{_comma(is_last)}", f"{indent}{end}{_comma(is_other_last)}"))
        elif not left.children and not right.children:
            pair = _lines(left, depth, key, is_last)[0], _lines(right, depth, other_key, is_other_last)[0]
            self.rows.append(changed(*pair))
        else:
            self._removed(left, depth, key, is_last)
            self._added(right, depth, other_key, is_other_last)
        self._check()

    def _removed(self, node: Node, depth: int, key: str, is_last: bool) -> None:
        self.rows += [removed(line) for line in _lines(node, depth, key, is_last)]

    def _added(self, node: Node, depth: int, key: str, is_last: bool) -> None:
        self.rows += [added(line) for line in _lines(node, depth, key, is_last)]

    def _compare_children(self, left: Node, right: Node, depth: int) -> None:
        for i, j in self._pairs(left, right):
            key, node = left.children[i] if i is not None else ("", None)
            other_key, other = right.children[j] if j is not None else ("", None)
            is_last, is_other_last = i == len(left.children) - 1, j == len(right.children) - 1
            if node is not None and other is not None:
                self.compare(node, other, depth, _key(left, key), _key(right, other_key), is_last, is_other_last)
            elif node is not None:
                self._removed(node, depth, _key(left, key), is_last)
            elif other is not None:
                self._added(other, depth, _key(right, other_key), is_other_last)

    def _pairs(self, left: Node, right: Node) -> Iterator[tuple[int | None, int | None]]:
        """Places of what belongs together."""
        if left.kind == "{":
            yield from self._members(left, right)
            return
        alignment = align(
            [child.meaning for _, child in left.children], [child.meaning for _, child in right.children], self._check
        )
        self.is_best = self.is_best and alignment.is_best
        at_i = at_j = 0
        for i, j, count in [*alignment.runs, (len(left.children), len(right.children), 0)]:
            both = min(i - at_i, j - at_j)
            yield from ((at_i + at, at_j + at) for at in range(both))
            yield from ((at, None) for at in range(at_i + both, i))
            yield from ((None, at) for at in range(at_j + both, j))
            yield from ((i + at, j + at) for at in range(count))
            at_i, at_j = i + count, j + count

    def _members(self, left: Node, right: Node) -> Iterator[tuple[int | None, int | None]]:
        """By key, in the order of the left; what only the right has stands behind what it follows there."""
        where: dict[str, list[int]] = {}
        for j in reversed(range(len(right.children))):
            where.setdefault(right.children[j][0], []).append(j)
        pairs: list[tuple[int, int | None]] = []
        for i, (key, _) in enumerate(left.children):
            places = where.get(key)
            pairs.append((i, places.pop() if places else None))
        taken = {j for _, j in pairs if j is not None}
        following: dict[int, list[int]] = {}
        anchor = -1
        for j in range(len(right.children)):
            if j in taken:
                anchor = j
            else:
                following.setdefault(anchor, []).append(j)
        yield from ((None, j) for j in following.get(-1, ()))
        for i, match in pairs:
            yield i, match
            if match is not None:
                yield from ((None, j) for j in following.get(match, ()))


def _reads_alike(left: Node, right: Node) -> bool:
    """Equal, and its keys in the same order, so that line stands beside line."""
    return all(
        key == other_key and (not child.children or _reads_alike(child, other))
        for (key, child), (other_key, other) in zip(left.children, right.children, strict=True)
    )


def _comma(is_last: bool) -> str:
    return "" if is_last else ","


def _key(parent: Node, key: str) -> str:
    return f"{json.dumps(key, ensure_ascii=False)}: " if parent.kind == "{" else ""


def _lines(node: Node, depth: int, key: str, is_last: bool) -> list[str]:
    indent = "  " * depth
    if not node.kind:
        return [f"{indent}{key}{node.text}{_comma(is_last)}"]
    end = {"{": "}", "[": "]"}[node.kind]
    if not node.children:
        return [f"{indent}{key}{node.kind}{end}{_comma(is_last)}"]
    lines = [f"{indent}{key}{node.kind}"]
    for at, (name, child) in enumerate(node.children):
        lines += _lines(child, depth + 1, _key(node, name), at == len(node.children) - 1)
    lines.append(f"{indent}{end}{_comma(is_last)}")
    return lines
