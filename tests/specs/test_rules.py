"""Rules as typed: what each says, and where one that is wrong is wrong."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from interceptor.specs.errors import UserError
from interceptor.specs.rules import block_rule, body_rule, header_rule, local_rule, remote_rule

SEPARATORS = st.sampled_from(list("/|:#!,;%§ "))
FILTERS = st.sampled_from([None, "~q", "~m POST", "~d example.com & ~s", "~u 'a b'"])


@given(SEPARATORS, FILTERS, st.from_regex(r"[!#$&'*+.^_`~0-9A-Za-z-]{1,20}", fullmatch=True), st.text(max_size=20))
def test_a_header_rule_says_what_was_put_together(separator: str, condition: str | None, name: str, value: str) -> None:
    """Any separator that is in no piece but the last; the last may hold anything but an escape, a file or a line break."""
    assume(separator not in name + (condition or ""))
    assume(not set(value) & set("\\\r\n\0") and not value.startswith("@"))
    assume(condition is not None or separator not in value)
    rule = header_rule(separator.join(["", *([condition] if condition else []), name, value]))
    assert (rule.name, rule.value) == (name.encode(), value.encode("utf-8", "surrogateescape"))
    assert (rule.filter.text if rule.filter is not None else None) == condition


@given(SEPARATORS, FILTERS, st.text(alphabet="ab.*+ÄxZ0", min_size=1, max_size=8), st.text(alphabet="abÄ@ $", max_size=10))
def test_a_body_rule_says_what_was_put_together(separator: str, condition: str | None, pattern: str, replacement: str) -> None:
    assume(separator not in pattern + (condition or "") and not replacement.startswith("@"))
    assume(condition is not None or separator not in replacement)
    text = separator.join(["", *([condition] if condition else []), pattern, replacement])
    try:
        rule = body_rule(text)
    except UserError as error:
        assert "not a regular expression" in error.message
        return
    assert rule.pattern.pattern == pattern.encode()
    assert rule.template == replacement.encode()
    assert (rule.filter.text if rule.filter is not None else None) == condition


@given(st.text(max_size=40), st.sampled_from([header_rule, body_rule, remote_rule, local_rule, block_rule]))
def test_noise_is_a_rule_or_a_sentence_with_a_place_in_it(text: str, parse: object) -> None:
    try:
        rule = parse(text)  # type: ignore[operator]
    except UserError as error:
        assert error.position is not None
        assert 0 <= error.position <= len(text)
    else:
        assert rule.text == text


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 0, "looks like /name/value"),
        ("/Host", 5, "/name/value or /filter/name/value"),
        ("Host:x", 0, "part of a word"),
        ("/Us er/x", 1, "no name of a header field"),
        ("//x", 1, "the name is wanted"),
        ("/~nonsense/a/b", 1, "no operator ~nonsense"),
        (r"/X/a\nb", 3, "no line breaks"),
        ("/X/@", 4, "path of a file is missing"),
        ("/X/a\\", 4, "write two"),
    ],
)
def test_a_wrong_header_rule_says_where_and_what_would_be_right(text: str, position: int, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        header_rule(text)
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("/(/x", 1, "not a regular expression"),
        (r"/~q/a/\2", 6, "invalid group reference"),
        (r"/a/\g<b>", 3, "unknown group name"),
    ],
)
def test_a_wrong_body_rule(text: str, position: int, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        body_rule(text)
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("replacement", "made"),
    [
        (r"<\1>", b"<b>"),
        (r"<\g<1>>", b"<b>"),
        (r"<\\1>", rb"<\1>"),  # as in mitmproxy
        (r"\q\d", rb"\q\d"),
        (r"\x41\n", b"A\n"),
        (r"\\", b"\\"),
        ("@@", None),
        ("é", "é".encode()),
    ],
)
def test_escapes_in_a_replacement(replacement: str, made: bytes | None) -> None:
    rule = body_rule(f"/a(b)c/{replacement}")
    if made is None:
        assert (rule.template, rule.path) == (None, "@")
    else:
        assert rule.template is not None
        assert rule.pattern.sub(rule.template, b"abc") == made


def test_escapes_in_a_field() -> None:
    assert header_rule(r"/X/\x41\\\t\q\101").value == b"A\\\t\\qA"


def test_a_filter_that_was_none_is_explained() -> None:
    with pytest.raises(UserError, match="the first of three pieces is a filter"):
        header_rule("/~zz/Location/https:")


def test_the_last_piece_may_hold_the_separator() -> None:
    rule = local_rule("|~m GET|a.test/(.*)|/tmp/x|y")
    assert (rule.pattern.pattern, rule.path) == ("a.test/(.*)", "/tmp/x|y")


@pytest.mark.parametrize(("text", "position"), [(":~d a:40", 6), (":404", 4), (":~d a:4o4", 6), ("::404", 5), (":~d a:99999", 6)])
def test_wrong_block_rules(text: str, position: int) -> None:
    with pytest.raises(UserError) as caught:
        block_rule(text)
    assert caught.value.position == position


def test_a_block_rule() -> None:
    rule = block_rule(":~d a & ~u x:444")
    assert rule.status == 444
    assert rule.filter is not None
    assert rule.filter.text == "~d a & ~u x"
