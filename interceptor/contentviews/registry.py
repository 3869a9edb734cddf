"""The content views by name, and the choice among them.

    render_body: body handle ─▸ content codings off ─▸ render: bytes ─▸ the view that was asked for, or for "auto"
                                                                       what the content type says, if it is true,
                                                                       else what the bytes look like

Every function here is pure and may run in a worker thread; `cancelled` is asked every few thousand tokens. Whatever the bytes,
there is a result: a view that cannot show them says why in the description, and text or a hex dump takes its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from interceptor.contentviews.cbor_view import read_cbor, show_cbor
from interceptor.contentviews.charset import from_utf8, looks_binary, to_utf8
from interceptor.contentviews.dns_view import dns_text, read_dns, show_dns
from interceptor.contentviews.form import show_form
from interceptor.contentviews.graphql_view import looks_like_graphql, show_graphql
from interceptor.contentviews.grpc_view import read_grpc, show_grpc
from interceptor.contentviews.hexdump import HexLines, hex_text, read_hex, show_hex
from interceptor.contentviews.highlight import JAVASCRIPT_TYPES
from interceptor.contentviews.image_facts import image_facts, show_image
from interceptor.contentviews.json_view import json_text, read_json, show_json
from interceptor.contentviews.jwt_view import is_jwt, show_jwt
from interceptor.contentviews.markup import show_markup
from interceptor.contentviews.msgpack_view import read_msgpack, show_msgpack
from interceptor.contentviews.multipart import show_multipart
from interceptor.contentviews.notation import MOST_EDITED, editable_text
from interceptor.contentviews.protobuf_text import read_protobuf
from interceptor.contentviews.protobuf_view import show_protobuf
from interceptor.contentviews.query import show_query
from interceptor.contentviews.rendered import Cancelled, ContentFacts, NotThisView, RenderCancelled, Rendered, never
from interceptor.contentviews.text import show_css, show_javascript, show_text
from interceptor.contentviews.visible import escape_control
from interceptor.contentviews.zip_view import show_zip
from interceptor.model.body import Body
from interceptor.model.encoding import PartialContent, TooLarge, codings, decode_content
from interceptor.specs.errors import UserError
from interceptor.specs.sizes import format_size

PRETTY_LIMIT: Final = 2 * 1024 * 1024
"""Larger content is indented only for who asks for that view."""

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
    "msgpack": lambda body, facts, cancelled: show_msgpack(body, cancelled),
    "cbor": lambda body, facts, cancelled: show_cbor(body, cancelled),
    "dns": lambda body, facts, cancelled: show_dns(body),
    "jwt": show_jwt,
    "zip archive": lambda body, facts, cancelled: show_zip(body),
    "hex dump": lambda body, facts, cancelled: show_hex(body),
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
}
_HEX_WIDTH: Final = 5
_RECOGNISED: Final = 64 * 1024
_SAMPLE: Final = 8192
_PRETTY: Final = frozenset({"json", "xml/html", "url-encoded", "protobuf", "msgpack", "cbor"})
_BINARY: Final = frozenset({"", "image", "multipart form", "protobuf", "grpc", "msgpack", "cbor", "dns", "zip archive"})
"""Views whose content is nothing to be wondered at if it is binary."""
_BY_TYPE: Final = {
    **dict.fromkeys(JAVASCRIPT_TYPES, "javascript"),
    "text/css": "css",
    "application/x-www-form-urlencoded": "url-encoded",
    "text/json": "json",
    "application/x-json": "json",
    "application/json-rpc": "json",
    "application/json-seq": "json",
    "application/jsonl": "json",
    "application/ndjson": "json",
    "application/x-ndjson": "json",
    "application/csp-report": "json",
    "image/svg+xml": "xml/html",
    "text/html": "xml/html",
    "application/graphql": "graphql",
    "application/jwt": "jwt",
    "application/dns-message": "dns",
    "application/zip": "zip archive",
    "application/x-zip-compressed": "zip archive",
    "application/java-archive": "zip archive",
    "application/vnd.android.package-archive": "zip archive",
    **dict.fromkeys(
        ("application/protobuf", "application/x-protobuf", "application/x-protobuffer", "application/vnd.google.protobuf"),
        "protobuf",
    ),
    **dict.fromkeys(("application/msgpack", "application/x-msgpack", "application/vnd.msgpack"), "msgpack"),
    **dict.fromkeys(("application/cbor", "application/cose", "application/cbor-seq", "application/dns+cbor"), "cbor"),
}
_BY_SUFFIX: Final = {"json": "json", "xml": "xml/html", "cbor": "cbor", "cbor-seq": "cbor", "zip": "zip archive", "jwt": "jwt"}
_BY_SUFFIX_ONLY: Final = {"proto": "protobuf", "protobuf": "protobuf", "msgpack": "msgpack"}
_MAY_BE_JSON: Final = frozenset({"json", "url-encoded", "xml/html", "javascript"})
_LOOKS_LIKE_MARKUP: Final = re.compile(rb"\s*<(?:\?xml|!doctype|html|svg|!--|[A-Za-z_][^<>]*+>)", re.IGNORECASE)
_LOOKS_LIKE_MULTIPART: Final = re.compile(rb"--[^\r\n]{1,200}\r?\ncontent-disposition:", re.IGNORECASE)


def names() -> Sequence[str]:
    """What a person can choose, "auto" first."""
    return ["auto", *_VIEWS]


def render(
    body: bytes, view: str, metadata: ContentFacts, *, cancelled: Cancelled = never, pretty_limit: int = PRETTY_LIMIT
) -> Rendered:
    """Decoded content under the view of that name. UserError if there is no such view; RenderCancelled if `cancelled` says so."""
    if view != "auto" and view not in _VIEWS:
        raise UserError(f"there is no content view {view!r}; there are {', '.join(names())}.")
    if not body and view not in ("query", "jwt"):
        if view == "auto" and metadata.is_request and metadata.query:
            return _shown("query", body, metadata, cancelled)
        return Rendered("raw" if view == "auto" else view, "No content", [])
    if view != "auto":
        try:
            return _shown(view, body, metadata, cancelled)
        except NotThisView as reason:
            return _plain(body, metadata, cancelled, str(reason))
    note = ""
    typed = _typed(metadata.media_type)
    if typed not in _BINARY and _is_binary(body, metadata):
        typed, note = "", f"binary, although sent as {escape_control(metadata.media_type)}"
    for name in _candidates(body, typed):
        if name in _PRETTY and len(body) > pretty_limit:
            note = f"too large to pretty-print ({format_size(len(body))}); press m to choose a view"
            continue
        try:
            return _shown(name, body, metadata, cancelled)
        except NotThisView as reason:
            if name == typed:
                note = str(reason)
    return _plain(body, metadata, cancelled, note)


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
    return _described(render(content, view, facts, cancelled=cancelled, pretty_limit=pretty_limit), notes)


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
        found = _typed(facts.media_type)
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


def _typed(media_type: str) -> str:
    """The view for a content type, "" if none is made for it."""
    found = _BY_TYPE.get(media_type, "")
    if found:
        return found
    top, _, subtype = media_type.partition("/")
    if subtype.startswith("grpc"):  # grpc+proto, grpc-web+json, grpc-web-text
        return "grpc"
    suffix = subtype.rpartition("+")[2]
    if suffix in _BY_SUFFIX or (suffix != subtype and suffix in _BY_SUFFIX_ONLY):
        return _BY_SUFFIX.get(suffix) or _BY_SUFFIX_ONLY[suffix]
    return {"multipart": "multipart form", "image": "image"}.get(top, "")


def _candidates(body: bytes, typed: str) -> Iterator[str]:
    """Views in the order in which to try them, those of a lying content type too."""
    if (not typed or typed in _MAY_BE_JSON) and body[:4096].lstrip()[:1] in (b"{", b"["):
        if looks_like_graphql(body):
            yield "graphql"
        yield "json"
    if typed:
        yield typed
    if image_facts(body) is not None:
        yield "image"
    if body.startswith(b"PK\3\4") and typed != "zip archive":
        yield "zip archive"
    if not typed and is_jwt(body):
        yield "jwt"
    if not typed or typed == "image":
        if _LOOKS_LIKE_MARKUP.match(body[:4096]) and body[-64:].rstrip().endswith(b">"):
            yield "xml/html"
        if _LOOKS_LIKE_MULTIPART.match(body):
            yield "multipart form"
