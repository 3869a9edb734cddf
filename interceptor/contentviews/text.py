"""Text as it is, with colour where the content type says what language it is; minified CSS and JavaScript in lines."""

from __future__ import annotations

from collections.abc import Callable

from interceptor.contentviews.charset import to_utf8
from interceptor.contentviews.code_layout import MOST_LAID_OUT, is_laid_out, laid_out_css, laid_out_javascript
from interceptor.contentviews.highlight import highlighted
from interceptor.contentviews.rendered import Cancelled, ContentFacts, Rendered
from interceptor.contentviews.source_lines import PlainLines


def show_text(body: bytes, facts: ContentFacts, cancelled: Cancelled) -> Rendered:
    """With colour if it can be had cheaply."""
    text, charset = to_utf8(body, facts)
    coloured = highlighted(text, facts.media_type, cancelled)
    description = "Text" if charset == "utf-8" else f"Text, {charset}"
    return Rendered("raw", description, PlainLines(text) if coloured is None else coloured)


def show_css(body: bytes, facts: ContentFacts, cancelled: Cancelled) -> Rendered:
    return _show_code("css", "CSS", "text/css", laid_out_css, body, facts, cancelled)


def show_javascript(body: bytes, facts: ContentFacts, cancelled: Cancelled) -> Rendered:
    return _show_code("javascript", "JavaScript", "text/javascript", laid_out_javascript, body, facts, cancelled)


def _show_code(
    name: str,
    title: str,
    media_type: str,
    lay_out: Callable[[bytes, Cancelled], bytes],
    body: bytes,
    facts: ContentFacts,
    cancelled: Cancelled,
) -> Rendered:
    """As that language, whatever the content type says; minified text is broken into lines."""
    text, _ = to_utf8(body, facts)
    notes = [title]
    if not is_laid_out(text):
        if len(text) <= MOST_LAID_OUT:
            text = lay_out(text, cancelled)
            notes.append("indented")
        else:
            notes.append("too large to indent")
    coloured = highlighted(text, media_type, cancelled)
    if coloured is None and text:
        notes.append("too large to colour")
    return Rendered(name, ", ".join(notes), PlainLines(text) if coloured is None else coloured)
