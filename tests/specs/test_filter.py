"""The language: what binds how, what is quoted, and what is said about mistakes."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.specs.errors import UserError
from interceptor.specs.filter import operators, parse
from tests.specs.flows import every


@pytest.mark.parametrize(
    ("text", "written_out"),
    [
        ("a", "~u a"),
        ("a b | c", "~u a & (~u b | ~u c)"),
        ("a | b c", "(~u a | ~u b) & ~u c"),
        ("(a b) | c", "(~u a & ~u b) | ~u c"),
        ("(a)(b)", "~u a & ~u b"),
        ("(a b) & c (!(!d))", "~u a & ~u b & ~u c & ~u d"),
        ("! a & b | c", "(!~u a & ~u b) | ~u c"),
        ("!(a | b)", "!(~u a | ~u b)"),
        ("!!a", "~u a"),
        ("!!!a", "!~u a"),
        ("~q|~s", "~q | ~s"),
        ("(~q)", "~q"),
        ("~a~q", "~a & ~q"),
        ("~hq q", "~hq q"),
        ("~q ~s|~e & ~a", "~q & (~s | (~e & ~a))"),
        # words hold nearly everything
        ("a|b", '~u "a|b"'),
        ("a&b=c", '~u "a&b=c"'),
        ("a!b", '~u "a!b"'),
        ("~u !x", '~u "!x"'),
        ("~u &x", '~u "&x"'),
        (r"~d foo\.bar", r"~d foo\.bar"),
        # but an or at the end of one is an or
        ("~u foo|~u bar", "~u foo | ~u bar"),
        ("foo| bar", "~u foo | ~u bar"),
        (r"foo\|", r'~u "foo\\|"'),
        ("foo&~q", "~u foo & ~q"),
        ("foo& ~q", '~u "foo&" & ~q'),
        ("~c 404|~c 5xx", "~c 404 | ~c 5xx"),
        ("~c 404&~q", "~c 404 & ~q"),
        ("~c >= 500", "~c >=500"),
        ("~c200", "~c 200"),
        # quoted
        ("'a b'", '~u "a b"'),
        ("'a b'~q", '~u "a b" & ~q'),
        ('""', '~u ""'),
        (r'"\d+ \"x\" \\."', r'~u "\\d+ \"x\" \\."'),
        (r"'it\'s'", '~u "it\'s"'),
        ("'~q'", '~u "~q"'),
        ("~d'x'", "~d x"),
        # a version belongs to ~tls, another word does not
        ("~tls 1.2 foo", "~tls 1.2 & ~u foo"),
        ("~tls foo", "~tls & ~u foo"),
        ("~tls|~q", "~tls | ~q"),
        ("~tls '1.3'", "~tls 1.3"),
        ("~tls >=1.2&~q", "~tls >=1.2 & ~q"),
        ("  ~q  ", "~q"),
        ("~time '2026-11-20 12:30'", '~time "2026-11-20 12:30"'),
    ],
)
def test_a_filter_is_read(text: str, written_out: str) -> None:
    found = parse(text)
    assert str(found) == written_out
    assert found.text == text
    assert str(parse(written_out)) == written_out


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "empty"),
        ("   ", 0, "empty"),
        ("a & & b", 4, "'&' stands, where a term is wanted"),
        ("a &", 3, "the filter ends, where a term is wanted"),
        ("| a", 0, "where a term is wanted"),
        ("foo|", 4, "the filter ends"),
        ("!", 1, "the filter ends"),
        ("()", 1, r"'\)' stands"),
        ("(a", 0, r"add \)"),
        ("a)", 1, "no opening one"),
        ("a 'b", 2, "add ' at its end"),
        ("~", 0, "There is no operator ~:"),
        ("a ~metadat x", 2, "~meta "),
        ("~status 200", 0, "~c "),
        ("~Q", 0, "~q"),
        ("~b", 2, "~b needs a regular expression behind it, for example ~b password"),
        ("~u ~q", 3, "~u needs a regular expression"),
        ("~u | ~q", 3, "~u needs a regular expression"),
        ("~u (x)", 3, "needs a regular expression"),
        ("~c", 2, "needs a status such as"),
        ("~c 4x", 3, "'4x' is not a status"),
        ("~c 0xx", 3, "is not a status"),
        ("~c 500-400", 3, "the smaller end comes first"),
        ("~c >=", 3, "'' is not a status"),
        ("~size 1x", 6, "is not a size"),
        ("~duration 5", 10, "is not a duration"),
        ("~port 70000", 6, "is not a port"),
        ("~tls", None, ""),
        ("~time noon", 6, "is not a time: write 12:30"),
        ("~time 24:00", 6, "is not a time"),
        ("~time 2026-13-01", 6, "is not a time"),
        ("~time >1:00..2:00", 6, "either a sign or a range"),
        ("~time 1:00..2026-11-20", 6, "give both ends alike"),
        ("~u a[", 4, r"'a\[' is not a regular expression: unterminated character set"),
        ("~u 'a['", 5, "is not a regular expression"),
        (r"~u 'a\\['", 6, None),
        ("~b *", 3, "nothing to repeat"),
        ("(" * 200, 60, "at most 60 deep"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, position: int | None, message: str | None) -> None:
    if position is None or message is None:
        parse(text)
        return
    with pytest.raises(UserError, match=message) as caught:
        parse(text)
    assert caught.value.position == position


def test_the_most_brackets_that_are_allowed_work() -> None:
    assert str(parse("(" * 60 + "a" + ")" * 60)) == "~u a"
    assert str(parse("!" * 5001 + "a")) == "!~u a"
    assert len(parse("|".join(["~q"] * 5000)).written_out) > 20_000


def test_a_filter_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse("a").text = "b"  # type: ignore[misc]


def test_a_version_is_shown_as_one_may_leave_it_out() -> None:
    arguments = {each.name: each.argument for each in operators()}
    assert arguments["~tls"] == "[version]"
    assert arguments["~q"] == ""
    assert arguments["~u"] == "regex"


_ARGUMENTS = st.sampled_from(
    ["a", "example", "'a b'", r'"\\d \" x"', r"\.", "a|b", "404", "4xx", ">=200", "1-9", "1.2", ">1m", "<5m", ">500ms",
     "12:30..13:00", "2026-11-20", "443", "[", "''", "foo&", "foo|", "é", "!"]
)  # fmt: skip
_TERMS = st.sampled_from([each.name for each in operators()]).flatmap(
    lambda name: st.just(name) | _ARGUMENTS.map(lambda argument: f"{name} {argument}")
)
_FILTERS = st.recursive(
    _TERMS | _ARGUMENTS,
    lambda inner: st.one_of(
        inner.map("!{}".format),
        inner.map("({})".format),
        st.tuples(inner, st.sampled_from(["&", "|", " ", " & ", " | "]), inner).map("".join),
    ),
    max_leaves=8,
)


@given(_FILTERS | st.text("~()!&|'\"\\ .<>=-:0123456789xmbcduqtls[*+?\n\x00é\ud800", max_size=40) | st.text(max_size=30))
def test_written_out_it_means_the_same_and_nothing_but_user_errors_come(text: str) -> None:
    try:
        found = parse(text, clock=lambda: 1_800_000_000.0)
    except UserError as error:
        assert error.position is None or 0 <= error.position <= len(text)
        return
    again = parse(str(found), clock=lambda: 1_800_000_000.0)
    assert str(again) == str(found)
    assert again.needs_body == found.needs_body
    for name, flow in every().items():
        assert again.matches(flow) is found.matches(flow), name
