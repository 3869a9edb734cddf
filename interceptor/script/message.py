"""What requests and responses have in common for scripts: header fields, content in its several forms, times.

    raw_content   as sent                content   without its content coding               text   decoded by its charset

While the body is still to come (in `requestheaders`, `responseheaders`), or if it was not to be kept, all three are None. Writing
any of them puts another body in the place of the one that was received.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from interceptor.contentviews.charset import to_utf8
from interceptor.contentviews.rendered import ContentFacts
from interceptor.model.body import MemoryBody, UnkeptBody
from interceptor.model.encoding import decode_content, encode_content
from interceptor.model.http import Message as Record
from interceptor.script.headers import Headers, fields_from

DECODED_LIMIT: Final = 1 << 30
"""No content is decoded to more than that: it is what a small hostile body can be made to unfold to."""


def unchanged() -> None:
    """Before an edit of a message that belongs to no flow."""


class Message:
    """`record` is what is read and written; `before_edit` is called before each change."""

    def __init__(self, record: Any, before_edit: Callable[[], None] = unchanged) -> None:
        self._record: Any = record
        self._before_edit = before_edit
        self.is_to_come = False
        """The script is asked before the body has arrived. Set by whoever asks."""
        self.stream: bool | Callable[[bytes], Iterable[bytes] | bytes] = False
        """Set in `requestheaders` or `responseheaders`: True passes the body on as it comes; a function gets each piece, and b""
        at the end, and gives what is sent instead."""

    @property
    def record(self) -> Record:
        """What stands behind the facade."""
        message: Record = self._record
        return message

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self._record is other._record

    def __hash__(self) -> int:
        return id(self._record)

    def _set(self, name: str, value: object) -> None:
        if getattr(self._record, name) != value:
            self._before_edit()
            setattr(self._record, name, value)

    # Header fields, version, times

    @property
    def headers(self) -> Headers:
        return Headers.of(self._record.headers, self._before_edit)

    @headers.setter
    def headers(self, headers: Headers | Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> None:
        self._before_edit()
        self._record.headers = fields_from(headers)

    @property
    def trailers(self) -> Headers | None:
        fields = self._record.trailers
        return None if fields is None else Headers.of(fields, self._before_edit)

    @trailers.setter
    def trailers(self, trailers: Headers | None) -> None:
        self._before_edit()
        self._record.trailers = None if trailers is None else fields_from(trailers)

    @property
    def http_version(self) -> str:
        version: str = self._record.http_version
        return version

    @http_version.setter
    def http_version(self, version: str | bytes) -> None:
        self._set("http_version", version.decode("ascii") if isinstance(version, bytes) else version)

    @property
    def is_http10(self) -> bool:
        return self.http_version == "HTTP/1.0"

    @property
    def is_http11(self) -> bool:
        return self.http_version == "HTTP/1.1"

    @property
    def is_http2(self) -> bool:
        return self.http_version in ("HTTP/2", "HTTP/2.0")

    @property
    def is_http3(self) -> bool:
        return self.http_version == "HTTP/3"

    @property
    def timestamp_start(self) -> float:
        seconds: float = self._record.timestamp_start
        return seconds

    @timestamp_start.setter
    def timestamp_start(self, seconds: float) -> None:
        self._record.timestamp_start = seconds

    @property
    def timestamp_end(self) -> float | None:
        seconds: float | None = self._record.timestamp_end
        return seconds

    @timestamp_end.setter
    def timestamp_end(self, seconds: float | None) -> None:
        self._record.timestamp_end = seconds

    # Content

    @property
    def raw_content(self) -> bytes | None:
        if self.is_to_come and self._record.timestamp_end is None:
            return None
        if isinstance(self._record.body, UnkeptBody):
            return None
        content: bytes = self._record.body.read()
        return content

    @raw_content.setter
    def raw_content(self, content: bytes | None) -> None:
        self._before_edit()
        self.is_to_come = False
        self._record.body = MemoryBody(_checked(content))

    @property
    def content(self) -> bytes | None:
        """ValueError if it cannot be decoded; `get_content(strict=False)` gives it as sent then."""
        return self.get_content()

    @content.setter
    def content(self, content: bytes | None) -> None:
        self.set_content(content)

    def get_content(self, strict: bool = True) -> bytes | None:
        raw = self.raw_content
        coding = self._record.headers.get("content-encoding")
        if raw is None or not coding:
            return raw
        try:
            return decode_content(raw, coding, DECODED_LIMIT)
        except ValueError:
            if strict:
                raise
            return raw

    def set_content(self, content: bytes | None) -> None:
        """Content-Encoding is applied, or dropped if it is not known; Content-Length follows."""
        raw = _checked(content)
        self._before_edit()
        self.is_to_come = False
        try:
            raw = encode_content(raw, self._record.headers.get("content-encoding") or "")
        except ValueError:
            self._record.headers.remove("content-encoding")
        self._record.set_content(raw)

    @property
    def text(self) -> str | None:
        """ValueError if it cannot be decoded."""
        return self.get_text()

    @text.setter
    def text(self, text: str | None) -> None:
        self.set_text(text)

    def get_text(self, strict: bool = True) -> str | None:
        content = self.get_content(strict)
        if content is None:
            return None
        return to_utf8(content, self._facts)[0].decode("utf-8", "surrogateescape")

    def set_text(self, text: str | None) -> None:
        """In the charset of the content type, else in that of the content so far; in UTF-8, and the content type says so, where
        that has no room for the text."""
        if text is None:
            return self.set_content(None)
        facts = self._facts
        charset = facts.parameter("charset") or to_utf8(self.get_content(strict=False) or b"", facts)[1]
        try:
            content = text.encode(charset, "surrogateescape")
        except (LookupError, UnicodeEncodeError):
            content = text.encode("utf-8", "surrogateescape")
            self.headers["content-type"] = f"{facts.media_type or 'text/plain'}; charset=utf-8"
        self.set_content(content)

    def json(self, **settings: Any) -> Any:
        """TypeError if there is no content yet, ValueError if it is not JSON."""
        content = self.get_content(strict=False)
        if content is None:
            raise TypeError("the content is not there yet")
        return json.loads(content, **settings)

    def decode(self, strict: bool = True) -> None:
        """Takes the content coding off. ValueError if it cannot be, and `strict`."""
        content = self.get_content(strict)
        self.headers.pop("content-encoding", None)
        self.content = content

    def encode(self, encoding: str) -> None:
        """Applies a content coding: gzip, deflate, br, zstd or identity. ValueError if it is none of these."""
        content = encode_content(self.raw_content or b"", encoding)
        self.headers["content-encoding"] = encoding
        self._record.set_content(content)

    @property
    def _facts(self) -> ContentFacts:
        return ContentFacts(content_type=self._record.headers.get("content-type") or "")


def _checked(content: object) -> bytes:
    if content is None:
        return b""
    if not isinstance(content, (bytes, bytearray)):
        raise TypeError(f"content is bytes, not {type(content).__name__}; for text there is `text`")
    return bytes(content)
