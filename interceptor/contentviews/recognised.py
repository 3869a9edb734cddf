"""Which content view suits content: by its type, if that is true, else by what its first bytes are.

    view_for_type(media type) ─▸ "json", …, "" if no view is made for it       candidates(body, …) ─▸ views in the order to try

Only what can be told safely is told without a type: a wrong guess hides the content behind nonsense. Binary formats that any
bytes may look like are recognised if all of the content is one map, list or message that makes sense.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from interceptor.contentviews.cbor_view import is_cbor
from interceptor.contentviews.certificate_view import looks_like_certificate
from interceptor.contentviews.charset import looks_binary
from interceptor.contentviews.graphql_view import looks_like_graphql
from interceptor.contentviews.highlight import JAVASCRIPT_TYPES
from interceptor.contentviews.image_facts import image_facts
from interceptor.contentviews.jwt_view import is_jwt
from interceptor.contentviews.msgpack_view import is_msgpack
from interceptor.contentviews.protobuf_view import is_protobuf
from interceptor.contentviews.rendered import ContentFacts

_BY_TYPE: Final = {
    **dict.fromkeys(JAVASCRIPT_TYPES, "javascript"),
    "text/css": "css",
    "text/event-stream": "event stream",
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
    "application/vnd.ms-sync.wbxml": "wbxml",
    "application/vnd.wap.wbxml": "wbxml",
    "application/vnd.syncml+wbxml": "wbxml",
    "application/vnd.syncml.dm+wbxml": "wbxml",
    "application/x-x509-ca-cert": "certificate",
    "application/pkix-cert": "certificate",
    "application/pem-certificate-chain": "certificate",
    "application/x-pem-file": "certificate",
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
_BY_SUFFIX: Final = {
    **{name: name for name in ("json", "cbor", "jwt", "wbxml")},
    "xml": "xml/html",
    "cbor-seq": "cbor",
    "zip": "zip archive",
}
_BY_SUFFIX_ONLY: Final = {"proto": "protobuf", "protobuf": "protobuf", "msgpack": "msgpack"}
_MAY_BE_JSON: Final = frozenset({"json", "url-encoded", "xml/html", "javascript"})
_LOOKS_LIKE_MARKUP: Final = re.compile(rb"\s*<(?:\?xml|!doctype|html|svg|!--|[A-Za-z_][^<>]*+>)", re.IGNORECASE)
_LOOKS_LIKE_MULTIPART: Final = re.compile(rb"--[^\r\n]{1,200}\r?\ncontent-disposition:", re.IGNORECASE)
_MEANS_NOTHING: Final = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/unknown"})
_GUESSED_UP_TO: Final = 256 * 1024


def view_for_type(media_type: str) -> str:
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


def candidates(body: bytes, typed: str, facts: ContentFacts) -> Iterator[str]:
    """Views in the order in which to try them, those of a lying content type too."""
    if (not typed or typed in _MAY_BE_JSON) and body[:4096].lstrip()[:1] in (b"{", b"["):
        if looks_like_graphql(body):
            yield "graphql"
        yield "json"
    if typed:
        yield typed
    if facts.url and "/socket.io/" in facts.url and typed in ("", "javascript"):
        yield "socket.io"
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
        if looks_like_certificate(body):
            yield "certificate"
    if not typed and facts.media_type in _MEANS_NOTHING and 4 <= len(body) <= _GUESSED_UP_TO and looks_binary(body):
        yield from (name for name, is_it in _BINARY_FORMATS if is_it(body))


_BINARY_FORMATS: Final = (("msgpack", is_msgpack), ("cbor", is_cbor), ("protobuf", is_protobuf))
