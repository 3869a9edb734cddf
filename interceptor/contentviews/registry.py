"""The content views by name, and the choice among them.

    render_body: body handle ─▸ content codings off ─▸ render: bytes ─▸ the view that was asked for, or for "auto"
                                                                       what the content type says, if it is true,
                                                                       else what the bytes look like

Every function here is pure and may run in a worker thread; `cancelled` is asked every few thousand tokens. Whatever the bytes,
there is a result: a view that cannot show them says why in the description, and text or a hex dump takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from interceptor.contentviews.cbor_view import read_cbor, show_cbor
from interceptor.contentviews.certificate_view import show_certificate
from interceptor.contentviews.charset import from_utf8, looks_binary, to_utf8
from interceptor.contentviews.dns_view import dns_text, read_dns, show_dns
from interceptor.contentviews.event_stream_view import show_event_stream
from interceptor.contentviews.form import show_form
from interceptor.contentviews.graphql_view import show_graphql
from interceptor.contentviews.grpc_view import read_grpc, show_grpc
from interceptor.contentviews.hexdump import HexLines, hex_text, read_hex, show_hex
from interceptor.contentviews.hexstream import read_hex_stream, show_hex_stream
from interceptor.contentviews.image_facts import show_image
from interceptor.contentviews.json_view import json_text, read_json, show_json
from interceptor.contentviews.jwt_view import show_jwt
from interceptor.contentviews.markup import show_markup
from interceptor.contentviews.mqtt_view import show_mqtt
from interceptor.contentviews.msgpack_view import read_msgpack, show_msgpack
from interceptor.contentviews.multipart import show_multipart
from interceptor.contentviews.notation import MOST_EDITED, editable_text
from interceptor.contentviews.protobuf_text import read_protobuf
from interceptor.contentviews.protobuf_view import show_protobuf
from interceptor.contentviews.query import show_query
from interceptor.contentviews.recognised import candidates, view_for_type
from interceptor.contentviews.rendered import (
    Cancelled,
    ContentFacts,
    JoinedLines,
    NotThisView,
    Onlooker,
    RenderCancelled,
    Rendered,
    never,
)
from interceptor.contentviews.socketio_view import show_socketio
from interceptor.contentviews.text import show_css, show_javascript, show_text
from interceptor.contentviews.visible import escape_control
from interceptor.contentviews.wbxml_view import show_wbxml
from interceptor.contentviews.zip_view import show_zip
from interceptor.model.body import Body
from interceptor.model.encoding import PartialContent, TooLarge, codings, credible_size, decode_content
from interceptor.specs.errors import UserError
from interceptor.specs.sizes import format_size

PRETTY_LIMIT: Final = 2 * 1024 * 1024
"""Larger content is indented only for who asks for that view, or looks on while it is done."""

SHOWN_LIMIT: Final = 64 * 1024 * 1024
"""More of a body is not looked at, before and after decoding."""

_Show = Callable[[bytes, ContentFacts, Cancelled], Rendered]

_VIEWS: Final[dict[str, _Show]] = {
    "raw": show_text,
    "json": lambda body, facts, cancelled: show_json(to_utf8(body, facts)[0], cancelled),
    "xml/html": lambda body, facts, cancelled: show_markup(to_utf8(body, facts)[0], facts.media_type, cancelled),
    "javascript": show_javascript,
    "css": show_css,
    "graphql": lambda body, facts, cancelled: show_graphql(
        to_utf8(body, facts)[0], facts.media_type == "application/graphql", cancelled
    ),
    "url-encoded": lambda body, facts, cancelled: show_form(body, cancelled),
    "multipart form": show_multipart,
    "query": lambda body, facts, cancelled: show_query(facts, cancelled),
    "image": lambda body, facts, cancelled: show_image(body, cancelled),
    "protobuf": lambda body, facts, cancelled: show_protobuf(body, cancelled),
    "grpc": show_grpc,
    "event stream": show_event_stream,
    "msgpack": lambda body, facts, cancelled: show_msgpack(body, cancelled),
    "cbor": lambda body, facts, cancelled: show_cbor(body, cancelled),
    "dns": lambda body, facts, cancelled: show_dns(body),
    "jwt": show_jwt,
    "mqtt": lambda body, facts, cancelled: show_mqtt(body, cancelled),
    "socket.io": lambda body, facts, cancelled: show_socketio(body, cancelled),
    "wbxml": lambda body, facts, cancelled: show_wbxml(body, cancelled),
    "certificate": lambda body, facts, cancelled: show_certificate(body),
    "zip archive": lambda body, facts, cancelled: show_zip(body),
    "hex dump": lambda body, facts, cancelled: show_hex(body),
    "hex stream": lambda body, facts, cancelled: show_hex_stream(body),
}


def _read_json(text: str, original: bytes, facts: ContentFacts) -> bytes:
    utf8, charset = to_utf8(original, facts)
    return from_utf8(read_json(text, utf8), charset, original)


_READERS: Final[dict[str, Callable[[str, bytes, ContentFacts], bytes]]] = {
    "json": _read_json,
    "protobuf": lambda text, original, facts: read_protobuf(text),
    "grpc": lambda text, original, facts: read_grpc(text, facts),
    "msgpack": lambda text, original, facts: read_msgpack(text),
    "cbor": lambda text, original, facts: read_cbor(text),
    "dns": lambda text, original, facts: read_dns(text, original),
    "hex dump": lambda text, original, facts: read_hex(text),
    "hex stream": lambda text, original, facts: read_hex_stream(text),
}
_ALIASES: Final = {"viewcss": "css", "hex": "hex dump", "xml": "xml/html", "html": "xml/html", "multipart": "multipart form"}
_PACKED: Final = ((b"\x1f\x8b\x08", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))
_HEX_WIDTH: Final = 5
_RECOGNISED: Final = 64 * 1024
_SAMPLE: Final = 8192
_PRETTY: Final = frozenset({"json", "xml/html", "url-encoded", "protobuf", "msgpack", "cbor"})
_SEEN_MEANWHILE: Final = frozenset({"json", "xml/html", "protobuf", "msgpack", "cbor"})
"""Views that show their first lines at once, and make no more of them than are looked at, if somebody looks."""
_BINARY: Final = frozenset(
    {"", "image", "multipart form", "protobuf", "grpc", "msgpack", "cbor", "dns", "zip archive", "wbxml", "certificate"}
)
"""Views whose content is nothing to be wondered at if it is binary."""


def names() -> Sequence[str]:
    """What a person can choose, "auto" first."""
    return ["auto", *_VIEWS]


def render(
    body: bytes, view: str, metadata: ContentFacts, *, cancelled: Cancelled = never, pretty_limit: int = PRETTY_LIMIT
) -> Rendered:
    """Decoded content under the view of that name. UserError if there is no such view; RenderCancelled if `cancelled` says so."""
    view = _ALIASES.get(view.lower(), view.lower())
    if view != "auto" and view not in _VIEWS:
        raise UserError(f"there is no content view {view!r}; there are {', '.join(names())}.")
    if not body and view not in ("query", "jwt"):
        return _beside_no_body(metadata, cancelled) if view == "auto" else Rendered(view, "No content", [])
    if view != "auto":
        try:
            return _shown(view, body, metadata, cancelled)
        except NotThisView as reason:
            return _plain(body, metadata, cancelled, str(reason))
    note = ""
    typed = view_for_type(metadata.media_type)
    if typed not in _BINARY and _is_binary(body, metadata):
        typed, note = "", f"binary, although sent as {escape_control(metadata.media_type)}"
    if not typed and (packed := _packed(body)):
        return _unpacked(body, packed, metadata, cancelled, pretty_limit)
    for name in candidates(body, typed, metadata):
        is_seen_meanwhile = isinstance(cancelled, Onlooker) and name in _SEEN_MEANWHILE
        if name in _PRETTY and len(body) > (SHOWN_LIMIT if is_seen_meanwhile else pretty_limit):
            note = f"too large to pretty-print ({format_size(len(body))}); press m to choose a view"
            continue
        try:
            return _shown(name, body, metadata, cancelled)
        except NotThisView as reason:
            if name == typed:
                note = str(reason)
    return _plain(body, metadata, cancelled, note)


def has_more_than_body(facts: ContentFacts) -> bool:
    """Whether a message without a body has something that a view shows: a query, or a token in its header fields."""
    return (facts.is_request and bool(facts.query)) or any(b"eyJ" in value for _, value in facts.headers or ())


def _beside_no_body(facts: ContentFacts, cancelled: Cancelled) -> Rendered:
    found: list[Rendered] = []
    for name in ("query", "jwt") if facts.is_request else ("jwt",):
        with suppress(NotThisView):
            found.append(_shown(name, b"", facts, cancelled))
    if len(found) < 2:
        return found[0] if found else Rendered("raw", "No content", [])
    parts = [found[0].lines, [[]], found[1].lines]
    return Rendered(found[0].view_name, " · ".join(each.description for each in found), JoinedLines(parts))


def _packed(body: bytes) -> str:
    """The coding that content of no known type is in, "" if it is in none."""
    return next((coding for magic, coding in _PACKED if body.startswith(magic)), "")


def _unpacked(body: bytes, coding: str, facts: ContentFacts, cancelled: Cancelled, pretty_limit: int) -> Rendered:
    """What is in a gzip or zstd file, once: what is packed again in there stays so."""
    content, what = _decoded(body, coding, credible_size(len(body), SHOWN_LIMIT))
    inner = _plain(body, facts, cancelled, "") if content is body or _packed(content) else None
    if inner is None:
        inner = render(content, "auto", replace(facts, content_type=""), cancelled=cancelled, pretty_limit=pretty_limit)
    return _described(inner, [what])


def render_body(
    body: Body,
    content_encoding: str,
    view: str,
    facts: ContentFacts,
    *,
    cancelled: Cancelled = never,
    limit: int = SHOWN_LIMIT,
    pretty_limit: int = PRETTY_LIMIT,
) -> Rendered:
    """A body as it was sent: its content codings are undone first, and the description says so. Raises as `render` does."""
    notes: list[str] = []
    size = body.size
    if body.is_truncated:
        notes.append("not all of it could be kept")
    is_coded = bool(codings(content_encoding))
    if view == "hex dump" and not is_coded and size:
        return _described(Rendered(view, "Hex dump", HexLines(body.read, size)), notes)
    raw = body.read(0, min(size, limit))
    if size > limit:
        notes.append(f"only the first {format_size(limit)} of {format_size(size)} shown")
    content = raw
    if is_coded and raw:
        content, what = _decoded(raw, content_encoding, limit)
        notes.insert(0, what)
    if isinstance(cancelled, Onlooker):
        cancelled = _Describing(cancelled, notes)
    return _described(render(content, view, facts, cancelled=cancelled, pretty_limit=pretty_limit), notes)


class _Describing(Onlooker):
    """Adds to what is published what was done before."""

    def __init__(self, onlooker: Onlooker, notes: list[str]) -> None:
        self._onlooker, self._notes = onlooker, notes

    def __call__(self) -> bool:
        return self._onlooker()

    def publish(self, rendered: Rendered) -> None:
        self._onlooker.publish(_described(rendered, self._notes))


def editable() -> Sequence[str]:
    """The views whose text can be edited and written back; all others are edited as what they are, text."""
    return list(_READERS)


def edit_text(view: str, body: bytes, facts: ContentFacts) -> str:
    """Decoded content under an editable view, as text for an editor. UserError if it cannot be shown so, or is too much."""
    _reader(view)
    if view == "hex dump":
        if len(body) > MOST_EDITED // _HEX_WIDTH:
            raise UserError("this is too much to edit as a hex dump.")
        return hex_text(body)
    if not body:
        return ""
    facts = replace(facts, arrivals=None)  # times are no part of what is edited
    try:
        if view == "json":
            return json_text(to_utf8(body, facts)[0])
        return dns_text(body) + "\n" if view == "dns" else editable_text(_shown(view, body, facts, never).lines)
    except NotThisView as reason:
        raise UserError(f"this cannot be edited as {view}: {reason}.") from None


def reencode(view: str, edited_text: str, original: bytes, facts: ContentFacts) -> bytes:
    """The content that an edited text of that view means; `original` itself if nothing was edited. UserError names the line."""
    read = _reader(view)
    if len(edited_text) > 2 * MOST_EDITED:
        raise UserError("this is too much text.")
    try:
        if edited_text.rstrip() == edit_text(view, original, facts).rstrip():
            return original
    except UserError:
        pass  # what cannot be shown so can still be replaced
    return read(edited_text, original, facts)


def views_to_edit(content: bytes, chosen: str, facts: ContentFacts) -> list[str]:
    """The views through which decoded content may well be edited, the best first: the one that was chosen, else what it is; and
    as bytes, if it is not text."""
    found = chosen
    if chosen == "auto":
        found = view_for_type(facts.media_type)
        if found not in _READERS and 0 < len(content) <= _RECOGNISED:
            found = render(content, "auto", facts).view_name
    found = "json" if found == "graphql" else found
    views = [found] if found in _READERS else []
    if "hex dump" not in views and content and _is_binary(content, facts):
        views.append("hex dump")
    return views


def _reader(view: str) -> Callable[[str, bytes, ContentFacts], bytes]:
    if view not in _READERS:
        raise UserError(f"the view {view!r} cannot be edited; those that can are {', '.join(_READERS)}.")
    return _READERS[view]


def _decoded(raw: bytes, content_encoding: str, limit: int) -> tuple[bytes, str]:
    """The content, and what was done to get it."""
    label = ", ".join(codings(content_encoding))
    try:
        content, rest = decode_content(raw, content_encoding, limit), ""
    except TooLarge as error:
        content, rest = error.partial, f", only the first {format_size(len(error.partial))} shown"
    except PartialContent as error:
        content, rest = error.content, f" ({error})"
    except ValueError as error:
        return raw, f"shown as sent: {escape_control(str(error))}"
    return content, f"{label}, {format_size(len(raw))} → {format_size(len(content))}{rest}"


def _described(rendered: Rendered, notes: list[str]) -> Rendered:
    if not notes:
        return rendered
    return Rendered(rendered.view_name, " · ".join([rendered.description, *notes]), rendered.lines)


def _shown(name: str, body: bytes, facts: ContentFacts, cancelled: Cancelled) -> Rendered:
    """Raises nothing but NotThisView and RenderCancelled."""
    try:
        return _VIEWS[name](body, facts, cancelled)
    except (NotThisView, RenderCancelled, MemoryError):
        raise
    except Exception as error:  # a mistake of ours must not take the body from who wants to see it
        raise NotThisView(f"the view {name} failed: {type(error).__name__}: {error}") from error


def _plain(body: bytes, facts: ContentFacts, cancelled: Cancelled, note: str) -> Rendered:
    rendered = show_hex(body) if _is_binary(body, facts) else show_text(body, facts, cancelled)
    return _described(rendered, [note] if note else [])


def _is_binary(body: bytes, facts: ContentFacts) -> bool:
    return looks_binary(to_utf8(body[:_SAMPLE], facts)[0])
