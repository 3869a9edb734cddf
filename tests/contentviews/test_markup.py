"""XML and HTML, good and bad."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews.markup import show_markup
from interceptor.contentviews.rendered import NotThisView, RenderCancelled, never, text_of
from tests.support.effort import whole


def texts(body: bytes, media_type: str = "text/html") -> list[str]:
    return [text_of(line) for line in show_markup(body, media_type, never).lines]


def test_xml() -> None:
    body = b'<?xml version="1.0"?>\n<a>\n\n<b c="1"/><d>text</d><![CDATA[x<y]]><e></e><f>one<g/></f></a>'
    assert texts(body, "text/xml") == [
        '<?xml version="1.0"?>',
        "<a>",
        '  <b c="1"/>',
        "  <d>text</d>",
        "  <![CDATA[x<y]]>",
        "  <e></e>",
        "  <f>",
        "    one",
        "    <g/>",
        "  </f>",
        "</a>",
    ]


def test_html_without_closing_tags() -> None:
    body = b"<!DOCTYPE html><ul><li>a<li>b <br>c</ul><p>d<p>e"
    assert texts(body) == [
        "<!DOCTYPE html>",
        "<ul>",
        "  <li>",
        "    a",
        "  <li>",
        "    b",
        "    <br>",
        "    c",
        "</ul>",
        "<p>",
        "  d",
        "<p>",
        "  e",
    ]


def test_scripts_are_no_markup() -> None:
    body = b"<div><script>\nif (a<b) {\n  c('</div>');\n}\n</SCRIPT></div>"
    assert texts(body) == ["<div>", "  <script>", "if (a<b) {", "  c('</div>');", "}", "  </SCRIPT>", "</div>"]


def test_entities_are_not_expanded() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]><x>&a;&b;&lt;</x>'
    assert texts(bomb, "text/xml")[-1] == "<x>&a;&b;&lt;</x>"


def test_styles() -> None:
    line = show_markup(b"<a href='x' b=1 c>t &amp;</a>", "text/html", never).lines[0]
    assert [piece for piece in line if piece[1].strip()] == [
        ("tag", "<a"),
        ("attribute", "href"),
        ("punctuation", "="),
        ("string", "'x'"),
        ("attribute", "b"),
        ("punctuation", "="),
        ("string", "1"),
        ("attribute", "c"),
        ("tag", ">"),
        ("text", "t &amp;"),
        ("tag", "</a"),
        ("tag", ">"),
    ]
    assert show_markup(b"<a><!-- x\n y --></a>", "", never).lines[1:3] == [
        [("text", "  "), ("comment", "<!-- x")],
        [("text", "  "), ("comment", "y -->")],
    ]


def test_tags_over_several_lines_and_quotes_with_brackets() -> None:
    assert texts(b"<a\n   b='>'\n   c=\"<\">x</a>") == ["<a b='>' c=\"<\">x</a>"]


@pytest.mark.parametrize(
    "body", [b"<a", b"<a b='", b"<!-- x", b"<![CDATA[", b"</a>", b"a < b", b"<script>x", b"<>", b"</>", b"<a></b></a>"]
)
def test_what_is_not_well_formed_is_shown_all_the_same(body: bytes) -> None:
    assert "".join(texts(body)).replace(" ", "") == body.decode().replace(" ", "")


def test_text_is_no_markup_unless_the_type_says_so() -> None:
    with pytest.raises(NotThisView):
        show_markup(b"hello <b>", "", never)
    assert texts(b"hello") == ["hello"]


@given(st.text(alphabet="<>/!?-[]'\"= ab\n&;\xe9", max_size=60), st.sampled_from(["text/html", "text/xml"]))
def test_nothing_but_blanks_is_lost_or_added(text: str, media_type: str) -> None:
    assert "".join("".join(texts(text.encode(), media_type)).split()) == "".join(text.split())


@pytest.mark.whole
@pytest.mark.parametrize(
    "unit",
    [b"<a ", b'<a "', b"<a b='", b"<", b"<!--", b"</a>", b"<a>", b"<p>", b"<script>", b"<a b=\"' ", b"<a>x</b>", b"<![CDATA["],
)
def test_time_is_linear_in_the_size(unit: bytes) -> None:
    size = whole(300_000, 100_000)
    begin = time.process_time()
    lines = show_markup(b"<a>" + unit * (size // len(unit)), "text/html", never).lines
    for index in {0, len(lines) // 2, len(lines) - 1}:
        text_of(lines[index])
    assert time.process_time() - begin < size / 25_000  # a crowded machine takes thrice its time; quadratic would be minutes


def test_it_can_be_cancelled() -> None:
    with pytest.raises(RenderCancelled):
        show_markup(b"<a>" * 10_000, "text/xml", lambda: True)
