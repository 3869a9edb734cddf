"""What a content view makes of bytes: lines of styled text, produced when somebody looks at them.

A `Line` is a list of (style, text). The styles are names, `STYLES`; what colour they have is the console's affair. Text is safe
to show: control characters, bidi controls and undecodable bytes have become visible escapes (visible.py), only tabs are left.
No line stands for more than `LONGEST_LINE` bytes of content: longer ones are cut into pieces, each but the last ending in
`CUT_MARK`, in style "marker".

    body ─▸ view ─▸ Rendered.lines: Sequence[Line] ─▸ the console asks for the fifty that are visible

Sequences of this package can be read from several threads.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, overload
from urllib.parse import urlsplit

from interceptor.model.arrivals import Arrivals
from interceptor.model.http import Headers, Message, Request

Line = list[tuple[str, str]]

STYLES: Final = (
    "text",
    "key",
    "string",
    "number",
    "keyword",
    "comment",
    "tag",
    "attribute",
    "error",
    "offset",
    "header",
    "marker",
    "punctuation",
    "operator",
    "name",
    "function",
)

COLOURS: Final = re.compile(r"fg:(#[0-9a-f]{6}|default) bg:(#[0-9a-f]{6}|default)")
"""Pictures need colours rather than meanings: styles of this form stand beside those of `STYLES`."""

LONGEST_LINE: Final = 20_000
CUT_MARK: Final = ("marker", "…")

Cancelled = Callable[[], bool]
"""Asked now and then by a view that takes long; True makes it raise `RenderCancelled`."""


class Onlooker:
    """A `Cancelled` that may be shown lines while they are being made: those that are there stay. It may take its time before it
    answers, if there are enough of them for now."""

    def __call__(self) -> bool:
        return False

    def publish(self, rendered: Rendered) -> None:
        """The result as far as it goes; its lines are still added to."""


class RenderCancelled(Exception):
    """The caller no longer wants the result."""


class NotThisView(Exception):
    """The content is not what the view shows; the message says why, for people."""


def never() -> bool:
    return False


def publish(cancelled: Cancelled, rendered: Rendered) -> None:
    """For a view whose lines come one after the other from a long walk, before it begins."""
    if isinstance(cancelled, Onlooker):
        cancelled.publish(rendered)


def check(cancelled: Cancelled) -> None:
    if cancelled():
        raise RenderCancelled


@dataclass(frozen=True, slots=True)
class ContentFacts:
    """What is known of content from around it. `content_type` is the field value with parameters, `url` the request's; `began` is
    the time from which its `arrivals` are counted."""

    content_type: str = ""
    is_request: bool = False
    url: str = ""
    headers: Headers | None = None
    arrivals: Arrivals | None = None
    began: float = 0.0

    @classmethod
    def of(cls, request: Request, message: Message) -> ContentFacts:
        """Of a request or of its response."""
        content_type = message.headers.get("content-type", "") or ""
        is_coded = "content-encoding" in message.headers  # positions in what is shown are not those in what came
        arrivals = None if is_coded else message.arrivals
        return cls(content_type, message is request, request.pretty_url, message.headers, arrivals, message.timestamp_start)

    def seconds_at(self, position: int) -> float | None:
        """How long after the message began this byte came, where that is known."""
        time = self.arrivals.time_of(position) if self.arrivals is not None else None
        return None if time is None else max(time - self.began, 0.0)

    @property
    def media_type(self) -> str:
        """Lower case, without parameters: "text/html"; "" if there is none."""
        return self.content_type.partition(";")[0].strip().lower()

    def parameter(self, name: str) -> str:
        """A parameter of the content type, unquoted; "" if it is not there."""
        for part in self.content_type.split(";")[1:]:
            key, _, value = part.partition("=")
            if key.strip().lower() == name:
                return value.strip().strip('"')
        return ""

    @property
    def query(self) -> str:
        try:
            return urlsplit(self.url).query
        except ValueError:
            return self.url.partition("#")[0].partition("?")[2]


@dataclass(frozen=True, slots=True)
class Rendered:
    """`view_name` is the view that was used in the end (never "auto"); `description` says what was found and what was done."""

    view_name: str
    description: str
    lines: Sequence[Line]


class LazyLines(Sequence[Line]):
    """A sequence whose lines are made on demand. Subclasses give `__len__` and `line(index)` for 0 <= index < len."""

    def line(self, index: int) -> Line:
        raise IndexError(index)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | Sequence[Line]:
        if isinstance(index, slice):
            return [self.line(each) for each in range(*index.indices(len(self)))]
        return self.line(index if index >= 0 else index + len(self))


class JoinedLines(LazyLines):
    """Several sequences, one after the other."""

    def __init__(self, parts: Iterable[Sequence[Line]]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._ends = list(accumulate(len(part) for part in self._parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def line(self, index: int) -> Line:
        if not 0 <= index < len(self):
            raise IndexError(index)
        part = bisect_right(self._ends, index)
        return self._parts[part][index - (self._ends[part - 1] if part else 0)]


def text_of(line: Line) -> str:
    return "".join([text for _, text in line])


def piece_end(source: bytes, start: int, end: int) -> int:
    """Where a piece of the line source[start:end] that begins at `start` ends: at `end`, or before a UTF-8 character."""
    if end - start <= LONGEST_LINE:
        return end
    cut = start + LONGEST_LINE
    for back in range(4):
        if source[cut - back] & 0xC0 != 0x80:
            return cut - back
    return cut
