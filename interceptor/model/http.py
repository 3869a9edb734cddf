"""HTTP messages as they were on the wire, independent of the version that carried them.

Names, values, targets and reason phrases are raw bytes; the properties beside them decode for people (UTF-8 with
surrogateescape, so that nothing is lost on the way back). Order, case and duplicates of fields are kept.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

from interceptor.model.arrivals import Arrivals
from interceptor.model.body import Body, MemoryBody
from interceptor.model.connection import DEFAULT_PORTS, Origin, bracketed

Field = tuple[bytes, bytes]
M = TypeVar("M", bound="Message")


def _to_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


@lru_cache(maxsize=256)
def _folded(name: str | bytes) -> bytes:
    """As names are compared. The few that we ask for are asked for again and again."""
    return _to_bytes(name).lower()


def _to_text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


class Headers:
    """An ordered list of (name, value) with duplicates; looked up without regard to case. `fields` is the raw list."""

    __slots__ = ("fields",)

    def __init__(self, fields: Iterable[Field] = ()) -> None:
        self.fields: list[Field] = list(fields)

    def get(self, name: str | bytes, default: str | None = None) -> str | None:
        """The values of that name, joined by ", " (RFC 9110 §5.3), or `default` if there is none."""
        wanted = _folded(name)
        values = [value for key, value in self.fields if key.lower() == wanted]
        return _to_text(values[0] if len(values) == 1 else b", ".join(values)) if values else default

    def get_all(self, name: str | bytes) -> list[str]:
        wanted = _folded(name)
        return [_to_text(value) for key, value in self.fields if key.lower() == wanted]

    def __getitem__(self, name: str | bytes) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str | bytes, value: str | bytes) -> None:
        self.set_all(name, [value])

    def set_all(self, name: str | bytes, values: Iterable[str | bytes]) -> None:
        """Replaces the values of that name, the first in its old place and spelling, the rest behind it; new ones at the end."""
        raw = _to_bytes(name)
        wanted, new = raw.lower(), [_to_bytes(value) for value in values]
        kept: list[Field] = []
        is_placed = False
        for key, value in self.fields:
            if key.lower() != wanted:
                kept.append((key, value))
            elif not is_placed:
                kept.extend((key, each) for each in new)
                is_placed = True
        if not is_placed:
            kept.extend((raw, each) for each in new)
        self.fields = kept

    def add(self, name: str | bytes, value: str | bytes) -> None:
        self.fields.append((_to_bytes(name), _to_bytes(value)))

    def remove(self, name: str | bytes) -> None:
        """All fields of that name; nothing if there is none."""
        wanted = _folded(name)
        self.fields = [item for item in self.fields if item[0].lower() != wanted]

    __delitem__ = remove

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, (str, bytes)):
            return False
        wanted = _folded(name)
        for key, _ in self.fields:  # noqa: SIM110 - a generator costs as much as the whole search
            if key.lower() == wanted:
                return True
        return False

    def __len__(self) -> int:
        return len(self.fields)

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.fields == other.fields

    __hash__ = None  # type: ignore[assignment]

    def __bytes__(self) -> bytes:
        return b"".join(b"%b: %b\r\n" % item for item in self.fields)

    def __repr__(self) -> str:
        return f"Headers({self.fields!r})"


@dataclass(eq=False, slots=True)
class Message:
    """What requests and responses have in common. `timestamp_end` is set when the last byte has been seen."""

    headers: Headers = field(default_factory=Headers, kw_only=True)
    body: Body = field(default_factory=MemoryBody, kw_only=True)
    trailers: Headers | None = field(default=None, kw_only=True)
    http_version: str = field(default="HTTP/1.1", kw_only=True)
    timestamp_start: float = field(default=0.0, kw_only=True)
    timestamp_end: float | None = field(default=None, kw_only=True)
    not_sent: tuple[bytes, ...] = field(default=(), kw_only=True)  # names of fields that the version it was sent in forbids
    arrivals: Arrivals | None = field(default=None, kw_only=True)  # when its bytes came, where they are told as they happen

    def set_content(self, content: bytes) -> None:
        """A new body, as given (content coding is the caller's); Content-Length follows unless the message is chunked."""
        self.body = MemoryBody(content)
        if "transfer-encoding" not in self.headers:
            self.headers["Content-Length"] = str(len(content))


@dataclass(eq=False, slots=True)
class Request(Message):
    """`target` is the raw path and query in origin-form (or `*`); for CONNECT it is the authority. `scheme`, `host`, `port` say
    where it goes, and may be edited; `authority` is what the client named, if it named one in the target. `protocol` is what an
    extended CONNECT asked for (RFC 8441): the request is then the GET that asks for the same in HTTP/1, without its fields."""

    method: str
    scheme: str
    host: str
    port: int
    target: bytes
    authority: str = ""
    is_absolute: bool = False  # came in absolute-form
    protocol: str = ""

    @property
    def path(self) -> str:
        return _to_text(self.target)

    @path.setter
    def path(self, path: str | bytes) -> None:
        self.target = _to_bytes(path)

    @property
    def origin(self) -> Origin:
        return Origin(self.scheme, self.host, self.port)

    @property
    def host_header(self) -> str | None:
        return self.headers.get("host")

    @property
    def url(self) -> str:
        """With the host that is connected to; the port only where it is not the scheme's own."""
        return self._url(self.host, self.port)

    @property
    def pretty_host(self) -> str:
        """The host as the client named it: in the Host field, else where it goes."""
        name = self.host_header or self.authority
        if not name:
            return self.host
        host, colon, port = name.rpartition(":")
        return (host if colon and port.isdigit() else name).strip("[]")

    @property
    def pretty_url(self) -> str:
        return self._url(self.pretty_host, self.port)

    def _url(self, host: str, port: int) -> str:
        if self.method == "CONNECT":
            return f"{bracketed(host)}:{port}"
        shown = "" if DEFAULT_PORTS.get(self.scheme) == port else f":{port}"
        return f"{self.scheme}://{bracketed(host)}{shown}{self.path if self.target != b'*' else ''}"

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.path.partition("?")[2], keep_blank_values=True)

    def set_url(self, url: str) -> None:
        """Scheme, host, port and path from a URL; the Host field and the authority follow the new host if there are any.
        ValueError if malformed."""
        parts = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"not an http or https URL: {url!r}")
        self.scheme, self.host = parts.scheme, parts.hostname
        self.port = parts.port or DEFAULT_PORTS[parts.scheme]
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if self.authority:
            self.authority = self.host_field()
        if "host" in self.headers:
            self.headers["Host"] = self.host_field()
        if self.authority:
            self.authority = self.host_field()

    def host_field(self) -> str:
        """What a Host field that names this request's destination says (RFC 9110 §7.2)."""
        return bracketed(self.host) if DEFAULT_PORTS.get(self.scheme) == self.port else f"{bracketed(self.host)}:{self.port}"

    def copy(self) -> Request:
        """An independent one; the body handle is shared, since handles do not change."""
        return _copied(self)


@dataclass(eq=False, slots=True)
class Response(Message):
    status_code: int
    reason: bytes = b""

    @property
    def reason_text(self) -> str:
        return _to_text(self.reason)

    def copy(self) -> Response:
        return _copied(self)


def _copied(message: M) -> M:
    twin = copy.copy(message)
    twin.headers = Headers(message.headers.fields)
    twin.trailers = Headers(message.trailers.fields) if message.trailers is not None else None
    return twin
