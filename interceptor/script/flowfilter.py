"""Filter expressions for scripts: `parse` once, `match` flows against it."""

from __future__ import annotations

from interceptor.script.flow import Flow
from interceptor.specs.filter import Filter
from interceptor.specs.filter import parse as parse_filter

TFilter = Filter


def parse(text: str) -> Filter:
    """ValueError if the text is no filter."""
    from interceptor.specs.errors import UserError

    try:
        return parse_filter(text)
    except UserError as error:
        raise ValueError(f"{text!r}: {error.message}") from None


def match(filter: str | Filter | None, flow: Flow) -> bool:
    """Whether the flow matches; all do if there is no filter."""
    wanted = parse(filter) if isinstance(filter, str) else filter
    return wanted is None or wanted.matches(flow.record)
