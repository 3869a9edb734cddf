"""Minified code in lines: what it looks like, and that nothing but blank space changes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews.code_layout import is_laid_out, laid_out_css, laid_out_javascript
from interceptor.contentviews.registry import render
from interceptor.contentviews.rendered import ContentFacts, never, text_of
from tests.support.effort import examples, whole

CSS = b'@media (max-width:9px){a:hover,b>c{color:red;background:url(data:x;y,z)}}@import "x;";.a::before{content:";}"}'
JAVASCRIPT = (
    b'!function(a,b){"use strict";var c={a:1,b:[1,2]},d=/[;{]/.test(a);for(var i=0;i<3;i++){if(a){b()}else{c()}}return{}}(1,2);'
)


def test_css() -> None:
    assert laid_out_css(CSS, never).decode().split("\n") == [
        "@media (max-width:9px) {",
        "  a:hover, b>c {",
        "    color: red;",
        "    background: url(data:x;y,z)",
        "  }",
        "}",
        '@import "x;";',
        ".a::before {",
        '  content: ";}"',
        "}",
        "",
    ]


def test_javascript() -> None:
    assert laid_out_javascript(JAVASCRIPT, never).decode().split("\n") == [
        "!function(a, b){",
        '  "use strict";',
        "  var c={",
        "    a:1,",
        "    b:[1, 2]",
        "  },",
        "  d=/[;{]/.test(a);",
        "  for(var i=0; i<3; i++){",
        "    if(a){",
        "      b()",
        "    }else{",
        "      c()",
        "    }",
        "  }",
        "  return{}",
        "}(1, 2);",
        "",
    ]


def test_ends_of_lines_of_the_source_stay() -> None:
    assert laid_out_javascript(b"a\n++b", never) == b"a\n++b\n"


@pytest.mark.parametrize("lay_out", [laid_out_css, laid_out_javascript])
@examples(200)
@given(source=st.binary(max_size=80) | st.text(alphabet="{}();,:/*\"'`\\\n ab@url$", max_size=120).map(str.encode))
def test_nothing_but_blank_space_changes(lay_out, source: bytes) -> None:  # type: ignore[no-untyped-def]
    def solid(text: bytes) -> str:
        return "".join(text.decode("utf-8", "surrogateescape").split())

    assert solid(lay_out(source, never)) == solid(source)


@pytest.mark.whole
@pytest.mark.parametrize("lay_out", [laid_out_css, laid_out_javascript])
def test_hostile_code_takes_time_in_proportion(lay_out) -> None:  # type: ignore[no-untyped-def]
    size = whole(100_000, 30_000)
    started = time.process_time()
    for source in (b"{", b"}", b":", b"(", b"/*", b'"', b"\\", b"} ", b"a:", b"=/[", b"`${", b"url(", b"\t"):
        lay_out(source * (size // len(source)), never)
    assert time.process_time() - started < size / 10_000


def test_code_with_lines_stays_as_it_is() -> None:
    assert is_laid_out(b"a {\n  b: c;\n}\n") and not is_laid_out(b"a{b:c}") and not is_laid_out(b"x" * 900 + b"\n")
    shown = render(b"a {\n      b: c;\n}\n", "css", ContentFacts())
    assert (shown.description, [text_of(line) for line in shown.lines]) == ("CSS", ["a {", "      b: c;", "}"])
    assert render(CSS, "auto", ContentFacts("text/css")).description == "CSS, indented"
    assert len(render(JAVASCRIPT, "auto", ContentFacts("text/javascript")).lines) == 16
