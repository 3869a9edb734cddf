"""The query of the URL, as a form is shown: what there is to see of a request without a body."""

from __future__ import annotations

from interceptor.contentviews.form import count_fields, pairs
from interceptor.contentviews.rendered import Cancelled, ContentFacts, NotThisView, Rendered


def show_query(facts: ContentFacts, cancelled: Cancelled) -> Rendered:
    """The body does not matter. Raises NotThisView if there is no query."""
    lines = pairs(facts.query.encode("utf-8", "surrogateescape"), cancelled)
    if not len(lines):
        raise NotThisView("the URL has no query")
    return Rendered("query", f"Query of the URL, {count_fields(lines)}", lines)
