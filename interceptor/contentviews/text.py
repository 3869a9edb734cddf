"""Text as it is, with colour where the content type says what language it is."""

from __future__ import annotations

from interceptor.contentviews.charset import to_utf8
from interceptor.contentviews.highlight import highlighted
from interceptor.contentviews.rendered import Cancelled, ContentFacts, Rendered
from interceptor.contentviews.source_lines import PlainLines


def show_text(body: bytes, facts: ContentFacts, cancelled: Cancelled) -> Rendered:
    """With colour if it can be had cheaply."""
    text, charset = to_utf8(body, facts)
    coloured = highlighted(text, facts.media_type, cancelled)
    description = "Text" if charset == "utf-8" else f"Text, {charset}"
    return Rendered("raw", description, PlainLines(text) if coloured is None else coloured)


def show_language(name: str, title: str, media_type: str, body: bytes, facts: ContentFacts, cancelled: Cancelled) -> Rendered:
    """As the language of that media type, whatever the content type says."""
    text, _ = to_utf8(body, facts)
    coloured = highlighted(text, media_type, cancelled)
    description = title if coloured is not None else f"{title}, too large to colour"
    return Rendered(name, description, PlainLines(text) if coloured is None else coloured)
