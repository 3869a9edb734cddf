"""The filter language: a text that says which flows are meant, compiled once to a test of one flow.

    filter  := either+                    side by side: all of them; binds loosest
    either  := both ("|" both)*
    both    := not ("&" not)*
    not     := "!" not | "(" filter ")" | term
    term    := "~" name argument? | word          a bare word is ~u word
    argument, word := a run without ( ) ~ ' " and white space, or a quoted string

    text ─▸ _Reader ─▸ _Term | _Not | _All | _Any ─▸ closures

In a quoted string a backslash keeps a following quote or backslash; before anything else it stays, so that "\\d" is what an
expression wants. A run ends before a `|` at its end, and numbers end before `&` or `|`: `~c 404|~c 500` is what it looks like.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from interceptor.model.flow import Flow
from interceptor.specs.errors import UserError
from interceptor.specs.filter_columns import COLUMN_TESTS, ColumnMaker, all_of, any_of, none_of
from interceptor.specs.filter_operators import OPERATORS, Operator
from interceptor.specs.filter_ranges import Clock, is_tls_version
from interceptor.specs.filter_terms import Predicate, Settings

_DEEPEST: Final = 60
"""Brackets in brackets: more is no person's filter, and each costs stack."""
_LEADING: Final = re.compile(r"[(!\s]*~")
_SPACE: Final = re.compile(r"\s*")
_NAME: Final = re.compile(r"[a-zA-Z_]*", re.ASCII)
_WORD: Final = re.compile(r"[^()~'\"\s]+")
_AMOUNT: Final = re.compile(r"[^()~'\"\s&|]+")
_QUOTED: Final = re.compile(r"""(["'])((?:\\.|(?!\1)[^\\])*)\1""", re.DOTALL)
_PLAIN: Final = re.compile(r"[\w./:=<>%,*+?^$\[\]{}\\-]+")
_WANTS: Final = {
    "regex": "a regular expression",
    "status": "a status such as 404, 4xx, 400-499 or >=500",
    "size": "a size such as >1m or 10k-1m",
    "duration": "a duration such as >2s or 500ms",
    "time": "a time such as <5m, >12:30 or 2026-11-20",
    "port": "a port such as 443 or 8000-8999",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Immutable. `matches(flow)` is a plain function; `needs_body` says that it looks into bodies or messages, so the answer may
    change while they come. `str()` is the same filter, written out; `text` is what was typed."""

    text: str
    written_out: str
    needs_body: bool = field(compare=False)
    matches: Predicate = field(compare=False, repr=False)
    by_columns: ColumnMaker | None = field(compare=False, repr=False, default=None)
    """Makes the same test for the places of a table of columns; it may not know (None). None: it would never know."""

    def __str__(self) -> str:
        return self.written_out


class OperatorHelp(NamedTuple):
    """For help screens and completion. `name` has its tilde; `argument` is "" if it takes none, bracketed if optional."""

    name: str
    argument: str
    help: str
    example: str


def parse(text: str, ignore_case: bool = True, clock: Clock | None = None) -> Filter:
    """UserError with the position if it is not a filter. `clock` tells the time that ages (`~time <5m`) count back from."""
    expression = _Reader(text).read()
    settings = Settings(ignore_case, clock or _wall_clock)
    matches = expression.compiled(settings)  # says what is wrong, and where
    return Filter(text, expression.written(), expression.needs_body(), matches, expression.by_columns(settings))


def parse_leading(text: str, ignore_case: bool = True, clock: Clock | None = None) -> tuple[Filter | None, str]:
    """The filter that a text begins with, if it begins with one: terms with a tilde, also negated or in brackets, as many as
    follow each other; and what stands behind it. UserError with the position if what begins as a filter is none."""
    reader = _Reader(text)
    expression = reader.read_leading()
    if expression is None:
        return None, text.strip()
    end = reader.at
    return parse(text[:end], ignore_case, clock), text[end:].strip()


def operators() -> Sequence[OperatorHelp]:
    return [
        OperatorHelp(f"~{each.name}", f"[{each.argument}]" if each.is_optional else each.argument, each.help, each.example)
        for each in OPERATORS.values()
    ]


def _wall_clock() -> float:
    return datetime.now().timestamp()


# ---- expressions


class _Term(NamedTuple):
    operator: Operator
    argument: str
    position: int  # of the argument, for errors
    is_verbatim: bool  # the argument stands in the text as it is, so positions in it are positions in the text

    def written(self) -> str:
        if not self.operator.argument or (self.operator.is_optional and not self.argument):
            return f"~{self.operator.name}"
        return f"~{self.operator.name} {_written_argument(self.argument)}"

    def needs_body(self) -> bool:
        return self.operator.needs_body

    def compiled(self, settings: Settings) -> Predicate:
        try:
            return self.operator.make(self.argument, settings)
        except UserError as error:
            inside = error.position or 0 if self.is_verbatim else 0
            raise UserError(error.message, self.position + inside) from None


    def by_columns(self, settings: Settings) -> ColumnMaker | None:
        make = COLUMN_TESTS.get(self.operator.name)
        return None if make is None else make(self.argument, settings)


class _Not(NamedTuple):
    operand: _Expression

    def written(self) -> str:
        return f"!{_bracketed(self.operand)}"

    def needs_body(self) -> bool:
        return self.operand.needs_body()

    def compiled(self, settings: Settings) -> Predicate:
        test = self.operand.compiled(settings)
        return lambda flow: not test(flow)

    def by_columns(self, settings: Settings) -> ColumnMaker | None:
        return none_of(self.operand.by_columns(settings))


class _All(NamedTuple):
    operands: tuple[_Expression, ...]

    def written(self) -> str:
        return " & ".join(_bracketed(each) for each in self.operands)

    def needs_body(self) -> bool:
        return any(each.needs_body() for each in self.operands)

    def compiled(self, settings: Settings) -> Predicate:
        tests = [each.compiled(settings) for each in self.operands]
        if len(tests) == 2:
            first, second = tests
            return lambda flow: first(flow) and second(flow)

        def matches(flow: Flow) -> bool:
            for test in tests:  # noqa: SIM110, a generator would cost more than the tests
                if not test(flow):
                    return False
            return True

        return matches

    def by_columns(self, settings: Settings) -> ColumnMaker | None:
        return all_of([each.by_columns(settings) for each in self.operands])


class _Any(NamedTuple):
    operands: tuple[_Expression, ...]

    def written(self) -> str:
        return " | ".join(_bracketed(each) for each in self.operands)

    def needs_body(self) -> bool:
        return any(each.needs_body() for each in self.operands)

    def compiled(self, settings: Settings) -> Predicate:
        tests = [each.compiled(settings) for each in self.operands]
        if len(tests) == 2:
            first, second = tests
            return lambda flow: first(flow) or second(flow)

        def matches(flow: Flow) -> bool:
            for test in tests:  # noqa: SIM110
                if test(flow):
                    return True
            return False

        return matches

    def by_columns(self, settings: Settings) -> ColumnMaker | None:
        return any_of([each.by_columns(settings) for each in self.operands])


_Expression = _Term | _Not | _All | _Any


def _all_of(parts: list[_Expression]) -> _Expression:
    """One conjunction, whichever way its parts were joined."""
    flat: list[_Expression] = []
    for part in parts:
        flat.extend(part.operands if isinstance(part, _All) else (part,))
    return flat[0] if len(flat) == 1 else _All(tuple(flat))


def _bracketed(expression: _Expression) -> str:
    written = expression.written()
    return f"({written})" if isinstance(expression, _All | _Any) else written


def _written_argument(argument: str) -> str:
    if _PLAIN.fullmatch(argument):
        return argument
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# ---- reading


class _Reader:
    """Recursive descent over the text; `_at` is always behind white space when a method begins."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._skip()

    def read(self) -> _Expression:
        if self._at == len(self._text):
            raise UserError("The filter is empty: write ~all for every flow, or part of a URL.", 0)
        expression = self._sequence()
        if self._at < len(self._text):
            raise UserError("This closing bracket has no opening one: remove it, or quote it as part of an expression.", self._at)
        return expression

    @property
    def at(self) -> int:
        return self._at

    def read_leading(self) -> _Expression | None:
        parts: list[_Expression] = []
        while _LEADING.match(self._text, self._at):
            parts.append(self._either())
        return _all_of(parts) if parts else None

    def _sequence(self) -> _Expression:
        parts = [self._either()]
        while self._at < len(self._text) and self._text[self._at] != ")":
            parts.append(self._either())
        return _all_of(parts)

    def _either(self) -> _Expression:
        parts = [self._both()]
        while self._take("|"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else _Any(tuple(parts))

    def _both(self) -> _Expression:
        parts = [self._not()]
        while self._take("&"):
            parts.append(self._not())
        return _all_of(parts)

    def _not(self) -> _Expression:
        is_negated = False
        while self._take("!"):
            is_negated = not is_negated
        operand = self._operand()
        if not is_negated:
            return operand
        return operand.operand if isinstance(operand, _Not) else _Not(operand)

    def _operand(self) -> _Expression:
        start = self._at
        mark = self._text[start : start + 1]
        if mark in ("", ")", "|", "&"):
            found = f"{mark!r} stands" if mark else "the filter ends"
            raise UserError(f"Here {found}, where a term is wanted: a word, ~name, !, or an opening bracket.", start)
        if mark == "(":
            return self._group()
        if mark == "~":
            return self._operator_term()
        return self._term_with(OPERATORS["u"])

    def _group(self) -> _Expression:
        start = self._at
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UserError(f"Brackets go at most {_DEEPEST} deep.", start)
        self._take("(")
        expression = self._sequence()
        if not self._take(")"):
            raise UserError("This bracket is not closed: add ), or quote it as part of an expression.", start)
        self._depth -= 1
        return expression

    def _operator_term(self) -> _Expression:
        start = self._at
        found = _NAME.match(self._text, start + 1)
        assert found is not None  # it may be empty
        operator = OPERATORS.get(found[0])
        if operator is None:
            raise UserError(_unknown(found[0]), start)
        self._at = found.end()
        self._skip()
        if not operator.argument:
            return _Term(operator, "", start, False)
        if operator.is_optional and not self._is_version_next():
            return _Term(operator, "", start, False)
        return self._term_with(operator)

    def _is_version_next(self) -> bool:
        word = _AMOUNT.match(self._text, self._at) or _QUOTED.match(self._text, self._at)
        return word is not None and is_tls_version(word[0].strip("\"'"))

    def _term_with(self, operator: Operator) -> _Term:
        start = self._at
        quote = self._text[start : start + 1]
        if quote in ('"', "'") and quote:
            found = _QUOTED.match(self._text, start)
            if found is None:
                raise UserError(f"This quotation is not closed: add {quote} at its end.", start)
            self._at = found.end()
            self._skip()
            content = re.sub(r"\\([\\\"'])", r"\1", found[2])
            return _Term(operator, content, start + 1, content == found[2])
        argument = self._pattern() if operator.takes_pattern else self._amount()
        if not argument:
            wanted = _WANTS.get(operator.argument, operator.argument)
            raise UserError(f"~{operator.name} needs {wanted} behind it, for example {operator.example}", start)
        self._skip()
        return _Term(operator, argument, start, True)

    def _pattern(self) -> str:
        found = _WORD.match(self._text, self._at)
        if found is None:
            return ""
        word, following = found[0], self._text[found.end() : found.end() + 1]
        if word.endswith("|") and not word.endswith("\\|"):
            word = word[:-1]  # as part of the expression it would match everything
        elif word.endswith("&") and following in ("~", "("):
            word = word[:-1]
        self._at += len(word)
        return word

    def _amount(self) -> str:
        found = _AMOUNT.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        if found[0].strip("<>="):
            return found[0]
        self._skip()
        bound = _AMOUNT.match(self._text, self._at)
        if bound is None:
            return found[0]
        self._at = bound.end()
        return found[0] + bound[0]

    def _take(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._at += 1
        self._skip()
        return True

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        assert found is not None
        self._at = found.end()


def _unknown(name: str) -> str:
    import difflib  # only for mistakes

    close = difflib.get_close_matches(name.lower(), OPERATORS, 3, 0.5)
    if len(name) > 2:
        close += [each.name for each in OPERATORS.values() if name.lower() in each.help.lower() and each.name not in close][:2]
    if not close:
        return f"There is no operator ~{name}: write a name such as ~u, ~d, ~m or ~c."
    nearest = ", ".join(f"~{each} ({OPERATORS[each].help})" for each in close[:3])
    return f"There is no operator ~{name}; near to it: {nearest}."
