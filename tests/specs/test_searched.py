"""What is typed to be searched for, and what an index may be asked of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.specs.errors import UserError
from interceptor.specs.literals import folded, literals
from interceptor.specs.searched import parse_searched
from tests.support.effort import examples


@pytest.mark.parametrize(
    ("typed", "wanted", "text", "is_regex", "ignores_case"),
    [
        ("token", None, "token", False, True),
        ("  two words ", None, "two words", False, True),
        ("Token", None, "Token", False, False),
        ("~d example.org token", "~d example.org", "token", False, True),
        ("~c 404 ~m POST a b", "~c 404 & ~m POST", "a b", False, True),
        ("(~d a | ~d b) & !~c 200 re:x\\S+", "(~d a | ~d b) & !~c 200", "x\\S+", True, True),
        ("! ~m GET x", "!~m GET", "x", False, True),
        ('"~all"', None, "~all", False, True),
        ('"', None, '"', False, True),
        ("(x", None, "(x", False, True),
        ("~marked", "~marked", "", False, True),
        ("", None, "", False, True),
    ],
)
def test_what_is_meant(typed: str, wanted: str | None, text: str, is_regex: bool, ignores_case: bool) -> None:
    found = parse_searched(typed)
    assert (str(found.wanted) if found.wanted else None, found.text) == (wanted, text)
    assert (found.is_regex, found.ignores_case) == (is_regex, ignores_case)


@pytest.mark.parametrize(("typed", "position"), [("~nothing x", 0), ("~d a ~c x", 8), ("re:(a", 3), ("~d a re:[", 8)])
def test_what_is_wrong_and_where(typed: str, position: int) -> None:
    with pytest.raises(UserError) as caught:
        parse_searched(typed)
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("token", ["token"]),
        ("to+ken?x", ["to", "ke", "x"]),
        ("a|b", []),
        ("(a|b)cde", ["cde"]),
        ("abc(def)?ghi", ["abc", "ghi"]),
        ("ab[cd]ef", ["ab", "ef"]),
        ("a\\.b\\d+c", ["a.b", "c"]),
        ("abc{2}d", ["ab", "d"]),
        ("a{x", ["a{x"]),
        ("abc\\x41|z", []),
        ("(?x) a b", []),
        ("[]a]bc", []),
        ("^GET .*id$", ["GET ", "id"]),
    ],
)
def test_what_an_expression_cannot_match_without(pattern: str, found: list[str]) -> None:
    assert literals(pattern) == found


pieces = st.sampled_from(
    [*"aBßſsKkİiıΣςµx()|*+?.^1", "[ab]", "{1,2}", "\\.", "\\d", "(?:"],
)
texts = st.text(st.sampled_from("aBßẞſsKkKİiıΣςσµμx.1"), max_size=12)


@examples(300)
@given(st.lists(pieces, max_size=8).map("".join), texts)
def test_whatever_matches_has_the_literals(pattern: str, text: str) -> None:
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except re.error:
        return
    if (match := compiled.search(text)) is not None:
        assert all(folded(each) in folded(match[0]) for each in literals(pattern))


@given(texts)
def test_folding_keeps_places(text: str) -> None:
    assert len(folded(text)) == len(text)
    assert folded(text) == folded(text.swapcase()) or len(text.swapcase()) != len(text)
