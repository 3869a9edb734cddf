"""Lines that may be longer than the screen is wide: made drawable, wrapped, cut out of, marked.

    line as made ─ drawable() ─▸ the same without control characters, tabs expanded ─┬─ plain() ─▸ text that is searched
                                                                                     └─ marked() ─▸ wrapped() ─▸ screen rows

Places in a line count characters of the drawable one, so that what a search finds is what gets marked. Wrapping cuts anywhere:
addresses, tokens and minified code have no words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import wcwidth

from interceptor.contentviews.visible import escape_control
from interceptor.tui.present.text import TAB, Line, Piece, cut, readable, shorten, to_width, width


@runtime_checkable
class Unfinished(Protocol):
    """A sequence of lines that may get longer."""

    @property
    def is_finished(self) -> bool: ...

    @property
    def source(self) -> Sequence[Line]:
        """The lines that it shows the beginning of: the same when they are complete."""
        ...

    def want_all(self) -> None:
        """Its end is to be seen, or all of it is to be searched."""
        ...


class Paragraph(NamedTuple):
    """A line, and how far its continuation is indented when it is wrapped; prose is wrapped between words."""

    line: Line
    indent: int = 0
    is_prose: bool = False


_OF_A_BODY = Paragraph([])


@dataclass(frozen=True, slots=True)
class Document:
    """What one tab shows: paragraphs of ours, then the lines of a body, of which there may be millions, made when looked at."""

    head: Sequence[Paragraph]
    body: Sequence[Line] = field(default=())

    def __len__(self) -> int:
        return len(self.head) + len(self.body)

    def line(self, index: int) -> Line:
        """Drawable."""
        count = len(self.head)
        return drawable(self.head[index].line if index < count else self.body[index - count])

    @property
    def is_growing(self) -> bool:
        """More lines are being made; a later document will have them."""
        return isinstance(self.body, Unfinished) and not self.body.is_finished

    def want_all(self) -> None:
        if isinstance(self.body, Unfinished):
            self.body.want_all()

    def goes_on_with(self, other: Document) -> bool:
        """Whether every line of `other` has the same place here; where that was still growing, there may be more."""
        before = other.body
        if self.body is before and self.head == other.head:
            return True
        if not isinstance(before, Unfinished) or len(self.head) != len(other.head):
            return False
        return self.body is before or (self.body.source if isinstance(self.body, Unfinished) else self.body) is before.source

    def breaks(self, index: int, columns: int) -> list[int]:
        """Where each row of the line begins when it is wrapped."""
        paragraph = self.head[index] if index < len(self.head) else _OF_A_BODY
        text = plain(self.line(index))
        return word_breaks(text, columns) if paragraph.is_prose else breaks(text, columns, paragraph.indent)

    def indent(self, index: int) -> int:
        return self.head[index].indent if index < len(self.head) else 0


def drawable(line: Line) -> Line:
    """No control characters; tabs go to the next multiple of eight columns of the line."""
    if all(text.isascii() and text.isprintable() for _, text in line):
        return line
    pieces: Line = []
    column = 0
    for style, text in line:
        first, *others = escape_control(text).split("\t")
        shown = first
        column += width(first)
        for other in others:
            gap = TAB - column % TAB
            shown += " " * gap + other
            column += gap + width(other)
        pieces.append((style, shown))
    return pieces


def plain(line: Line) -> str:
    return "".join([text for _, text in line])


def sliced(line: Line, start: int, end: int) -> Line:
    """The characters from `start` to `end`."""
    pieces: Line = []
    position = 0
    for style, text in line:
        following = position + len(text)
        if following > start and position < end:
            pieces.append((style, text[max(start - position, 0) : end - position]))
        position = following
        if position >= end:
            break
    return pieces


def marked(line: Line, marks: Iterable[tuple[int, int, str]]) -> Line:
    """With the characters of each mark (start, end, style) in that style; the marks in order, none over another."""
    pieces: Line = []
    position = 0
    for start, end, style in marks:
        pieces += sliced(line, position, start)
        pieces.append((style, plain(sliced(line, start, end))))
        position = end
    return pieces + sliced(line, position, len(plain(line)))


def breaks(text: str, columns: int, indent: int) -> list[int]:
    """Where each row of the wrapped text begins; the first is 0. Rows but the first have `indent` columns less."""
    later = columns - indent if indent < columns // 2 else columns
    if text.isascii():
        return [0, *range(columns, len(text), max(later, 1))] if columns else [0]
    starts = [0]
    room = columns
    position = 0
    for grapheme in wcwidth.iter_graphemes(text):
        taken = wcwidth.width(grapheme, control_codes="ignore")
        if taken > room and position > starts[-1]:
            starts.append(position)
            room = later
        room -= taken
        position += len(grapheme)
    return starts


def word_breaks(text: str, columns: int) -> list[int]:
    """The same for a sentence of ours: between words where they fit. The space before a break stays at the end of its row."""
    starts = [0]
    while width(text[starts[-1] :]) > columns:
        row = cut(text[starts[-1] :], columns)
        space = row.rfind(" ")
        starts.append(starts[-1] + (space + 1 if space > 0 else max(len(row), 1)))
    return starts


def row_of(line: Line, starts: Sequence[int], number: int, columns: int, indent: int) -> Line:
    """One screen row of a wrapped line."""
    end = starts[number + 1] if number + 1 < len(starts) else len(plain(line))
    row = sliced(line, starts[number], end)
    return [("text", " " * indent), *row] if number and indent < columns // 2 else row


def from_column(line: Line, left: int) -> Line:
    """The line without its first `left` columns; half a wide character at the edge becomes a space."""
    text = plain(line)
    if text.isascii():
        return sliced(line, left, len(text))
    column = position = 0
    for grapheme in wcwidth.iter_graphemes(text):
        if column >= left:
            break
        column += wcwidth.width(grapheme, control_codes="ignore")
        position += len(grapheme)
    rest = sliced(line, position, len(text))
    return [("text", " " * (column - left)), *rest] if column > left else rest


def section(title: str, note: str = "") -> list[Paragraph]:
    """A heading with an empty line before it."""
    return [Paragraph([]), Paragraph([("section", title), *([("note", f"  {note}")] if note else [])])]


def fields(pairs: Iterable[tuple[str, Line | str]], name_style: str = "field name", widest: int = 28) -> list[Paragraph]:
    """Names and values in two columns; a name longer than `widest` pushes its value to the right."""
    listed = [(readable(name), value) for name, value in pairs]
    column = min(max((width(name) for name, _ in listed), default=0), widest) + 2
    paragraphs = []
    for name, value in listed:
        pieces: Line = value if isinstance(value, list) else [("field value", readable(value))]
        shown = to_width(name, column) if width(name) < column else f"{name}  "
        paragraphs.append(Paragraph([(name_style, shown), *pieces], min(column, width(shown))))
    return paragraphs


def note(text: str, style: str = "note") -> Paragraph:
    return Paragraph([(style, readable(text))], is_prose=True)


def spread(left: Line, right: Line, columns: int, style: str) -> Line:
    """`left` and `right` at the two ends; the left one is cut if there is no room for both."""
    room = columns - sum(width(text) for _, text in right)
    pieces: Line = []
    for name, text in left:
        text = shorten(text, room)
        room -= width(text)
        pieces.append((name, text))
    gap: Piece = (style, " " * max(room, 0))
    return [*pieces, gap, *right]
