"""Text: its charset, its colours."""

from __future__ import annotations

import time

import pytest

from interceptor.contentviews.charset import looks_binary, to_utf8
from interceptor.contentviews.highlight import MOST_COLOURED, highlighted
from interceptor.contentviews.rendered import ContentFacts, Line, never, text_of
from interceptor.contentviews.text import show_text


@pytest.mark.parametrize(
    ("body", "content_type", "text", "charset"),
    [
        ("é".encode(), "text/plain", "é", "utf-8"),
        ("é".encode("latin-1"), "text/plain; charset=ISO-8859-1", "é", "cp1252"),
        ("“é”".encode("cp1252"), 'text/plain; charset="latin1"', "“é”", "cp1252"),
        ("тест".encode("koi8-r"), "text/plain;charset=koi8-r", "тест", "koi8-r"),
        ("caf\xe9 au lait".encode("latin-1"), "", "café au lait", "latin-1"),
        (b"\xef\xbb\xbfabc", "", "abc", "utf-8"),
        ("é\n".encode("utf-16"), "text/plain; charset=utf-8", "é\n", "utf-16-le"),
        ("é".encode("utf-16-be"), "text/plain; charset=utf-16be", "é", "utf-16-be"),
        ('<?xml version="1.0" encoding="iso-8859-2"?>ł'.encode("iso-8859-2"), "", None, "iso8859-2"),
        ('<meta charset="windows-1251">Я'.encode("cp1251"), "text/html", None, "cp1251"),
        (b"abc", "text/plain; charset=nonsense", "abc", "utf-8"),
        (b"abc", "text/plain; charset=rot13", "abc", "utf-8"),
        (b'<?xml version="1.0" encoding="utf-16"?>', "text/xml", None, "utf-8"),
    ],
)
def test_charsets(body: bytes, content_type: str, text: str | None, charset: str) -> None:
    found, name = to_utf8(body, ContentFacts(content_type))
    assert name == charset
    assert found.decode() == text if text is not None else found.decode()


def test_a_declared_charset_keeps_what_is_not_in_it_visible() -> None:
    shown = show_text(b"a\xffb\n", ContentFacts("text/plain; charset=utf-8"), never)
    assert shown.lines[0] == [("text", "a"), ("error", "\\xff"), ("text", "b")]
    shown = show_text(b"a\x81b", ContentFacts("text/plain; charset=shift_jis"), never)
    assert ("error", "\\x81") in shown.lines[0] or text_of(shown.lines[0]) != "ab"


def test_utf8_with_a_few_wrong_bytes_is_utf8() -> None:
    assert text_of(show_text("größe é\xff".encode()[:-2] + b"\xfe", ContentFacts(), never).lines[0]) == "größe é\\xfe"


@pytest.mark.parametrize(
    ("body", "is_binary"),
    [
        (b"", False),
        (b"hello\n", False),
        ("漢字".encode() * 2000, False),
        (b"a\0b", True),
        (b"\x01\x02\x03abc", True),
        (bytes(range(128, 256)), True),
        (b"\x1b[31mred\x1b[0m", False),
        ("abc".encode("utf-16"), False),
    ],
)
def test_what_looks_binary(body: bytes, is_binary: bool) -> None:
    assert looks_binary(body) is is_binary


def coloured(source: str, media_type: str) -> list[Line]:
    lines = highlighted(source.encode(), media_type, never)
    assert lines is not None
    return lines


@pytest.mark.parametrize(
    ("source", "piece"),
    [
        ("let a", ("keyword", "let")),
        ("f(1)", ("function", "f")),
        ("1.5e3", ("number", "1.5e3")),
        ("0xffn", ("number", "0xffn")),
        ("'a\\'b' + c", ("string", "'a\\'b'")),
        ("`a${b}`", ("string", "`a${b}`")),
        ("a // b", ("comment", "// b")),
        ("a /* b */ c", ("comment", "/* b */")),
        ('x = /"[/]"/g.test(y)', ("string", '/"[/]"/g')),
        ("return /a/", ("string", "/a/")),
        ("a / b / c", ("operator", "/")),
    ],
)
def test_javascript(source: str, piece: tuple[str, str]) -> None:
    (line,) = coloured(source, "text/javascript")
    assert piece in line
    assert text_of(line) == source


@pytest.mark.parametrize(
    ("source", "piece"),
    [
        ("a.b:hover{}", ("name", ".b")),
        ("#id{}", ("name", "#id")),
        ("a{color:#fff}", ("number", "#fff")),
        ("a{color:#fff}", ("attribute", "color")),
        ("a{margin:-1.5em}", ("number", "-1.5em")),
        ("@media x{}", ("keyword", "@media")),
        ("a{b:c !important}", ("keyword", "!important")),
        ("a{--x: 1}", ("attribute", "--x")),
        ("/* x */a{}", ("comment", "/* x */")),
    ],
)
def test_css(source: str, piece: tuple[str, str]) -> None:
    (line,) = coloured(source, "text/css")
    assert piece in line
    assert text_of(line) == source


def test_tokens_over_several_lines() -> None:
    assert coloured("/* a\n\n b */\r\nc", "text/javascript") == [
        [("comment", "/* a")],
        [],
        [("comment", " b */")],
        [("text", "c")],
    ]


def test_other_languages_by_their_type() -> None:
    assert ("keyword", "def") in coloured("def f():\n    pass\n", "text/x-python")[0]
    assert highlighted(b"x", "application/x-nobody-knows", never) is None
    assert highlighted(b"x", "text/plain", never) is None


def test_what_is_too_large_or_too_long_stays_plain() -> None:
    assert highlighted(b"a " * MOST_COLOURED, "text/javascript", never) is None
    assert highlighted(b"a " * 600, "text/x-python", never) is None
    assert len(show_text(b"a\n" * MOST_COLOURED, ContentFacts("text/x-python"), never).lines) == MOST_COLOURED


@pytest.mark.parametrize("media_type", ["text/javascript", "text/css"])
@pytest.mark.parametrize("unit", ["/*", "`", "'", "(/[", "=/a[", "\\", "-", "1e", "--a ", "a    :", "/* * ", "#fff", "é"])
def test_time_is_linear_in_the_size(media_type: str, unit: str) -> None:
    begin = time.process_time()
    highlighted(unit.encode() * (60_000 // len(unit)), media_type, never)
    assert time.process_time() - begin < 6  # a crowded machine takes thrice its time; quadratic would be minutes


@pytest.mark.parametrize("unit", ["a\n", "  \n"])
def test_pygments_is_stopped_when_it_takes_too_long(unit: str) -> None:
    begin = time.process_time()
    lines = coloured(unit * (60_000 // len(unit)), "text/x-java")
    assert time.process_time() - begin < 12  # left alone it takes most of a minute
    assert {text_of(line) for line in lines} == {unit.rstrip("\n")} and len(lines) == 60_000 // len(unit)


def test_long_lines_are_cut() -> None:
    lines = coloured("'" + "x" * 50_000 + "'", "text/javascript")
    assert [len(text_of(line)) for line in lines] == [20_001, 20_001, 10_002]
    assert lines[0][-1] == lines[1][-1] == ("marker", "…")
