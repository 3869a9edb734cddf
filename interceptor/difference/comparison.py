"""Two flows compared, part by part: heads by the names of their fields, bodies as what they are, messages one by one.

    Compared, Compared ─▸ head ─▸ fields of one name beside each other
                          body ─┬▸ JSON on both sides ─▸ json_tree
                                ├▸ text, or what a content view makes of it ─▸ lines
                                └▸ anything else ─▸ hex_rows
                          messages ─▸ a line each, aligned                                  ─▸ Difference

Pure, and made for a worker: `cancelled` is asked now and then. What is too large is compared as far as `TEXT_LIMIT` and
`BYTES_LIMIT` go, and a note says so; so does one where the best alignment would have taken too long to find.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from interceptor.contentviews.registry import render_body
from interceptor.contentviews.rendered import Cancelled, ContentFacts, NotThisView, RenderCancelled, Rendered, never, text_of
from interceptor.difference.hex_rows import compare_bytes
from interceptor.difference.json_tree import NotComparable, compare_json, parse
from interceptor.difference.lines import changed, compare_lines
from interceptor.difference.parts import MOST_MESSAGES, Compared
from interceptor.difference.rows import Row, added, count_of, heading, note, removed, same
from interceptor.model.body import Body, passed_size
from interceptor.model.dns import DnsMessage
from interceptor.model.encoding import credible_size, decode_content
from interceptor.model.flow import Opcode, TcpMessage, WebSocketMessage
from interceptor.model.http import Field, Headers, Message, Request, Response
from interceptor.specs.sizes import format_size

JSON_LIMIT: Final = 2 << 20
TEXT_LIMIT: Final = 4 << 20
BYTES_LIMIT: Final = 1 << 18
MOST_LINES: Final = 100_000
_LONGEST_MESSAGE: Final = 64 * 1024
_PIECE: Final = 1 << 20
_APPROXIMATE: Final = (
    "These are so different that the best alignment would take too long to find: there may be more that is the same."
)

_NO_TEXT: Final = frozenset(("hex dump", "hex stream", "image"))

Check = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Difference:
    """`left` and `right` are the names of what was compared, `count` how many differences there are."""

    left: str
    right: str
    rows: Sequence[Row]
    count: int


def compare(left: Compared, right: Compared, *, counts_key_order: bool = False, cancelled: Cancelled = never) -> Difference:
    """RenderCancelled if it was called off."""
    comparison = _Comparison(counts_key_order, cancelled)
    rows = comparison.rows_of(left, right)
    return Difference(left.name, right.name, rows, count_of(rows))


class _Comparison:
    def __init__(self, counts_key_order: bool, cancelled: Cancelled) -> None:
        self._counts_key_order, self._cancelled = counts_key_order, cancelled

    def _check(self) -> None:
        if self._cancelled():
            raise RenderCancelled

    def rows_of(self, left: Compared, right: Compared) -> list[Row]:
        rows: list[Row] = []
        if left.request is not None or right.request is not None:
            rows.append(heading("Request", "Request"))
            rows += self._messages_of_http(left.request, right.request, left.request, right.request)
        if left.response is not None or right.response is not None:
            rows.append(heading(_titled("Response", left), _titled("Response", right)))
            rows += self._messages_of_http(left.response, right.response, left.request, right.request)
        if left.query is not None or right.query is not None:
            rows += [heading("Query", "Query"), *self._dns(left.query, right.query)]
        if left.answer is not None or right.answer is not None:
            rows += [heading("Answer", "Answer"), *self._dns(left.answer, right.answer)]
        if left.messages or right.messages:
            rows += [heading("Messages", "Messages"), *self._messages(left.messages, right.messages)]
        if left.error or right.error:
            rows += [heading("Failed", "Failed"), *_optional(left.error, right.error)]
        return rows

    # --- HTTP -------------------------------------------------------------------------------------------------

    def _messages_of_http(
        self, left: Message | None, right: Message | None, asked: Request | None, also_asked: Request | None
    ) -> list[Row]:
        rows = _optional(_first_line(left), _first_line(right))
        rows += _fields(left.headers if left else Headers(), right.headers if right else Headers())
        if left is not None and right is not None:
            if isinstance(left, Request) and isinstance(right, Request) and left.target != right.target:
                rows += _query(left, right)
            rows += self._body(left, right, asked or Request("GET", "http", "", 80, b"/"), also_asked or asked)
        elif (message := left or right) is not None and message.body.size:
            text = f"A body of {format_size(message.body.size)}"
            rows.append(removed(text) if left is not None else added(text))
        one, other = left.trailers if left else None, right.trailers if right else None
        if one or other:
            rows += [heading("Trailers", "Trailers"), *_fields(one or Headers(), other or Headers())]
        return rows

    def _body(self, left: Message, right: Message, asked: Request, also_asked: Request | None) -> list[Row]:
        if not left.body.size and not right.body.size:
            return []
        rows = [heading(f"Body  {format_size(passed_size(left.body))}", f"Body  {format_size(passed_size(right.body))}")]
        if left.headers.get("content-encoding") == right.headers.get("content-encoding") and self._is_same(left.body, right.body):
            return [*rows, note("The same on both sides.")]
        facts = ContentFacts.of(asked, left), ContentFacts.of(also_asked or asked, right)
        return rows + self._content(left.body, right.body, _coding(left), _coding(right), facts)

    def _is_same(self, left: Body, right: Body) -> bool:
        if left is right:
            return True
        if left.size != right.size:
            return False
        at = 0
        while at < left.size:
            self._check()
            piece = left.read(at, _PIECE)
            if not piece or piece != right.read(at, _PIECE):
                return False
            at += len(piece)
        return True

    def _content(
        self, left: Body, right: Body, coding: str, other_coding: str, facts: tuple[ContentFacts, ContentFacts]
    ) -> list[Row]:
        notes = [
            note(f"Only the first {format_size(body.size)} of the {side} side were kept.")
            for side, body in (("left", left), ("right", right))
            if body.is_truncated
        ]
        one, other = self._json(left, coding), self._json(right, other_coding)
        if one is not None and other is not None:
            try:
                nodes = parse(one, self._counts_key_order), parse(other, self._counts_key_order)
            except NotComparable:
                pass
            else:
                rows, is_best = compare_json(*nodes, self._check)
                if not any(row.kind.is_difference for row in rows):
                    notes.append(note("The same JSON on both sides, written otherwise."))
                return [*notes, *_judged(rows, is_best)]
        texts = self._text(left, coding, facts[0]), self._text(right, other_coding, facts[1])
        if texts[0] is not None and texts[1] is not None:
            rows, is_best = self._lines(texts[0], texts[1], notes)
            return [*notes, *_judged(rows, is_best)]
        raw = left.read(0, BYTES_LIMIT), right.read(0, BYTES_LIMIT)
        if left.size > BYTES_LIMIT or right.size > BYTES_LIMIT:
            notes.append(note(f"Only the first {format_size(BYTES_LIMIT)} are compared."))
        rows, is_best = compare_bytes(*raw, self._check)
        return [*notes, *_judged(rows, is_best)]

    def _lines(self, left: Rendered, right: Rendered, notes: list[Row]) -> tuple[list[Row], bool]:
        if len(left.lines) > MOST_LINES or len(right.lines) > MOST_LINES:
            notes.append(note(f"Only the first {MOST_LINES:,} lines are compared."))
        sides: list[list[str]] = []
        for rendered in (left, right):
            lines: list[str] = []
            for at in range(min(len(rendered.lines), MOST_LINES)):
                lines.append(text_of(rendered.lines[at]))
                if not at % 1000:
                    self._check()
            sides.append(lines)
        rows, is_best = compare_lines(sides[0], sides[1], self._check)
        if not any(row.kind.is_difference for row in rows):
            notes.append(note("The bytes differ, and nothing that can be read."))
        return rows, is_best

    def _json(self, body: Body, coding: str) -> str | None:
        """Its text, if it may be JSON."""
        if not 0 < body.size <= JSON_LIMIT:
            return None
        raw = body.read()
        if coding:
            try:
                raw = decode_content(raw, coding, credible_size(len(raw), JSON_LIMIT))
            except ValueError:
                return None
        start = raw[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if start not in (b"{", b"["):
            return None
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            return None

    def _text(self, body: Body, coding: str, facts: ContentFacts) -> Rendered | None:
        """What can be read of it; None if it is not for reading."""
        rendered = render_body(body, coding, "auto", facts, cancelled=self._cancelled, limit=TEXT_LIMIT)
        return rendered if rendered.view_name not in _NO_TEXT or not body.size else None

    # --- messages, DNS ----------------------------------------------------------------------------------------

    def _messages(
        self, left: Sequence[TcpMessage | WebSocketMessage], right: Sequence[TcpMessage | WebSocketMessage]
    ) -> list[Row]:
        sides = [[_message(each) for each in side[:MOST_MESSAGES]] for side in (left, right)]
        rows, is_best = compare_lines(sides[0], sides[1], self._check)
        notes = (
            [note(f"Only the first {MOST_MESSAGES:,} messages are compared.")]
            if max(len(left), len(right)) > MOST_MESSAGES
            else []
        )
        return [*notes, *_judged(rows, is_best)]

    def _dns(self, left: DnsMessage | None, right: DnsMessage | None) -> list[Row]:
        from interceptor.contentviews.dns_view import dns_text

        wires = [each.wire if each is not None else b"" for each in (left, right)]
        try:
            texts = [dns_text(wire).splitlines() if wire else [] for wire in wires]
        except NotThisView:
            return compare_bytes(wires[0], wires[1], self._check)[0]
        return compare_lines(texts[0], texts[1], self._check)[0]


def _judged(rows: list[Row], is_best: bool) -> list[Row]:
    return rows if is_best else [note(_APPROXIMATE), *rows]


def _titled(title: str, compared: Compared) -> str:
    return title if compared.seconds is None else f"{title}  after {compared.seconds * 1000:,.0f} ms"


def _first_line(message: Message | None) -> str:
    match message:
        case Request():
            return f"{message.method} {message.url} {message.http_version}"
        case Response():
            return f"{message.http_version} {message.status_code} {message.reason_text}".rstrip()
        case _:
            return ""


def _optional(left: str, right: str) -> list[Row]:
    if left == right:
        return [same(left)] if left else []
    if not left:
        return [added(right)]
    return [removed(left)] if not right else [changed(left, right)]


def _query(left: Request, right: Request) -> list[Row]:
    """By the names of its parameters."""
    sides = [
        [(name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape")) for name, value in each.query]
        for each in (left, right)
    ]
    if not sides[0] and not sides[1]:
        return []
    return [heading("Query", "Query"), *_fields(Headers(sides[0]), Headers(sides[1]), " = ")]


def _fields(left: Headers, right: Headers, between: str = ": ") -> list[Row]:
    """Those of one name beside each other, in the order of the left side; what only the right has stands behind the field that it
    follows there. The order of fields with different names does not count."""
    where: dict[bytes, list[int]] = {}
    for at, (name, _) in enumerate(right.fields):
        where.setdefault(name.lower(), []).append(at)
    match: dict[int, int] = {}
    taken: set[int] = set()
    for is_exact in (True, False):  # equal fields first: of several with one name, the others are the ones that changed
        for at, field in enumerate(left.fields):
            if at in match:
                continue
            for other in where.get(field[0].lower(), ()):
                if other not in taken and (not is_exact or right.fields[other][1] == field[1]):
                    match[at] = other
                    taken.add(other)
                    break
    following: dict[int, list[int]] = {}
    anchor = -1
    for at in range(len(right.fields)):
        if at in taken:
            anchor = at
        else:
            following.setdefault(anchor, []).append(at)

    def only_right(behind: int) -> list[Row]:
        return [added(_field(right.fields[at], between)) for at in following.get(behind, ())]

    rows = only_right(-1)
    for at, field in enumerate(left.fields):
        text = _field(field, between)
        if at not in match:
            rows.append(removed(text))
            continue
        other_field = right.fields[match[at]]
        other_text = _field(other_field, between)
        rows.append(same(text, other_text) if field[1] == other_field[1] else changed(text, other_text))
        rows += only_right(match[at])
    return rows


def _field(field: Field, between: str) -> str:
    name, value = (part.decode("utf-8", "backslashreplace") for part in field)
    return f"{name}{between}{value}"


def _coding(message: Message) -> str:
    return message.headers.get("content-encoding") or ""


def _message(message: TcpMessage | WebSocketMessage) -> str:
    """A line: whither, and what."""
    arrow = "→" if message.from_client else "←"
    raw = message.body.read(0, _LONGEST_MESSAGE)
    more = f" … {format_size(message.body.size)}" if message.body.size > len(raw) else ""
    kind = ""
    if isinstance(message, WebSocketMessage) and message.opcode is not Opcode.TEXT:
        kind = f"{message.opcode.name.lower()} "
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.hex(" ")
    return f"{arrow} {kind}{text}{more}{'  (dropped)' if message.is_dropped else ''}"
