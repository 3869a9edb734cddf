"""What a person searches for, as typed: which flows, and which text in them.

    searched := filter? text        "~d example.org token"     flows that the filter means, and in them the text
    text     := "re:" expression    "re:token=[0-9a-f]+"       a regular expression
              | '"' text '"'        '"~all"'                   the text in the quotes, whatever it begins with
              | text                "token"                    as it stands, blanks in it, too

The filter is what the text begins with: terms with a tilde. Capitals matter if there are any, as in the search in one flow.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from interceptor.specs.errors import UserError
from interceptor.specs.filter import Filter, parse_leading
from interceptor.specs.literals import folded, literals

REGEX: Final = "re:"


@dataclass(frozen=True, slots=True)
class Searched:
    """`text` is what is to be found, without marks; "" if there is nothing yet. `literals`: texts that are in whatever is found,
    but for their case."""

    wanted: Filter | None
    text: str
    is_regex: bool
    ignores_case: bool
    literals: Sequence[str] = field(compare=False)
    _pattern: re.Pattern[str] = field(compare=False, repr=False)
    _plain: str = field(compare=False, repr=False)

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Beginning and end of each place, one after the other."""
        if self.is_regex:
            for found in self._pattern.finditer(text):
                if found.end() > found.start():
                    yield found.span()
            return
        looked_in = folded(text) if self.ignores_case else text
        plain, at = self._plain, 0
        while (at := looked_in.find(plain, at)) >= 0:
            yield at, at + len(plain)
            at += len(plain)

    @property
    def expression(self) -> str:
        """A regular expression for the same, where capitals matter if there are any."""
        if not self.is_regex:
            return re.escape(self.text)
        return f"(?i){self.text}" if self.ignores_case and self.text != self.text.lower() else self.text


def parse_searched(typed: str, ignore_case: bool = True) -> Searched:
    """UserError, with the position, if it begins like a filter and is none, or is no regular expression. `ignore_case` is for
    the filter."""
    wanted, text = parse_leading(typed, ignore_case)
    is_regex = text.startswith(REGEX)
    if is_regex:
        text = text[len(REGEX) :]
    elif len(text) > 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    ignores_case = not _has_capitals(text, is_regex)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "possible nested set": what was typed is taken as re takes it
            pattern = re.compile(text if is_regex else "", re.MULTILINE | (re.IGNORECASE if ignores_case else 0))
    except (re.error, OverflowError, RecursionError) as error:
        at = typed.rfind(text) + (getattr(error, "pos", None) or 0)
        raise UserError(f"{text!r} is not a regular expression: {error}.", at) from None
    known = literals(text) if is_regex else [text] if text else []
    return Searched(wanted, text, is_regex, ignores_case, known, pattern, folded(text) if ignores_case else text)


def _has_capitals(text: str, is_regex: bool) -> bool:
    letters = re.sub(r"\\.", "", text) if is_regex else text  # \S is no capital
    return letters != letters.lower()
