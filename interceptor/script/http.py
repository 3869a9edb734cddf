"""HTTP flows, requests and responses as scripts see them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from email.utils import formatdate, mktime_tz, parsedate_tz
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from interceptor.model.flow import HttpFlow
from interceptor.model.http import Request as RequestRecord
from interceptor.model.http import Response as ResponseRecord
from interceptor.script import forms
from interceptor.script.flow import Flow
from interceptor.script.headers import Headers, fields_from, to_bytes
from interceptor.script.host import Host
from interceptor.script.message import Message
from interceptor.script.multidict import MultiDict, MultiDictView, Pairs
from interceptor.script.websocket import WebSocketData

__all__ = ["HTTPFlow", "Headers", "Message", "Request", "Response"]

HeadersLike = Headers | Mapping[Any, Any] | Iterable[tuple[Any, Any]]


class Request(Message):
    """`host`, `port` and `scheme` say where it goes, whatever the Host field says; setting `host` or `port` has the Host field
    follow."""

    @classmethod
    def make(cls, method: str, url: str, content: bytes | str = "", headers: HeadersLike = ()) -> Request:
        """A request of one's own. ValueError if the URL is not an http or https one."""
        now = time.time()
        record = RequestRecord(method, "http", "", 80, b"/", timestamp_start=now, timestamp_end=now)
        record.headers = fields_from(headers)
        record.set_url(url)
        if "host" not in record.headers:
            record.headers.fields.insert(0, (b"Host", record.host_field().encode("utf-8", "surrogateescape")))
        request = cls(record)
        _fill(request, content)
        return request

    def copy(self) -> Request:
        return Request(self._record.copy())

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url})"

    @property
    def method(self) -> str:
        method: str = self._record.method
        return method

    @method.setter
    def method(self, method: str | bytes) -> None:
        self._set("method", method.decode("ascii") if isinstance(method, bytes) else method)

    @property
    def scheme(self) -> str:
        scheme: str = self._record.scheme
        return scheme

    @scheme.setter
    def scheme(self, scheme: str | bytes) -> None:
        self._set("scheme", scheme.decode("ascii") if isinstance(scheme, bytes) else scheme)

    @property
    def host(self) -> str:
        host: str = self._record.host
        return host

    @host.setter
    def host(self, host: str | bytes) -> None:
        self._set("host", host.decode("idna") if isinstance(host, bytes) else host)
        self._host_field_follows()

    @property
    def port(self) -> int:
        port: int = self._record.port
        return port

    @port.setter
    def port(self, port: int) -> None:
        self._set("port", int(port))
        self._host_field_follows()

    def _host_field_follows(self) -> None:
        record = self._record
        if "host" in record.headers and record.headers["host"] != record.host_field():
            self._before_edit()
            record.headers["Host"] = record.host_field()
        if record.authority:
            self._set("authority", record.host_field())

    @property
    def authority(self) -> str:
        """What the client named in the target: of CONNECT, of HTTP/2 and 3, of absolute URLs."""
        authority: str = self._record.authority
        return authority

    @authority.setter
    def authority(self, authority: str | bytes) -> None:
        self._set("authority", authority.decode("idna") if isinstance(authority, bytes) else authority)

    @property
    def host_header(self) -> str | None:
        host: str | None = self._record.host_header
        return host or self.authority or None

    @host_header.setter
    def host_header(self, host: str | None) -> None:
        if host is None:
            self.headers.pop("Host", None)
        else:
            self.headers["Host"] = host

    @property
    def path(self) -> str:
        """With the query; `*` or a host and port where the method wants that."""
        path: str = self._record.path
        return path

    @path.setter
    def path(self, path: str | bytes) -> None:
        self._set("target", to_bytes(path))

    @property
    def url(self) -> str:
        url: str = self._record.url
        return url

    @url.setter
    def url(self, url: str | bytes) -> None:
        self._before_edit()
        self._record.set_url(url.decode("utf-8", "surrogateescape") if isinstance(url, bytes) else url)
        if self._record.authority:
            self._record.authority = self._record.host_field()

    @property
    def pretty_host(self) -> str:
        """As the client named it, which is not what an IP address in transparent mode says."""
        host: str = self._record.pretty_host
        return host

    @property
    def pretty_url(self) -> str:
        url: str = self._record.pretty_url
        return url

    @property
    def first_line_format(self) -> str:
        """ "relative", "absolute" or "authority"."""
        if self.method == "CONNECT":
            return "authority"
        return "absolute" if self._record.is_absolute else "relative"

    # Parts of the URL and of the content, as pairs

    @property
    def path_components(self) -> tuple[str, ...]:
        return tuple(unquote(part) for part in urlsplit(self.path).path.split("/") if part)

    @path_components.setter
    def path_components(self, components: Iterable[str]) -> None:
        path = "/" + "/".join(quote(part, safe="") for part in components)
        _, mark, query = self.path.partition("?")
        self.path = path + mark + query

    @property
    def query(self) -> MultiDict[str, str]:
        return MultiDictView(lambda: forms.read_pairs(self.path.partition("?")[2]), self._write_query)

    @query.setter
    def query(self, pairs: Any) -> None:
        self._write_query(_pairs(pairs))

    def _write_query(self, pairs: Pairs) -> None:
        query = forms.written_pairs(pairs)
        self.path = self.path.partition("?")[0] + (f"?{query}" if query else "")

    @property
    def cookies(self) -> MultiDict[str, str]:
        return MultiDictView(lambda: forms.read_cookies(self.headers.get_all("Cookie")), self._write_cookies)

    @cookies.setter
    def cookies(self, pairs: Any) -> None:
        self._write_cookies(_pairs(pairs))

    def _write_cookies(self, pairs: Pairs) -> None:
        self.headers.set_all("Cookie", [forms.written_cookies(pairs)] if pairs else [])

    @property
    def urlencoded_form(self) -> MultiDict[str, str]:
        """Empty if the content is no such form; setting it makes it one."""
        return MultiDictView(self._read_form, self._write_form)

    @urlencoded_form.setter
    def urlencoded_form(self, pairs: Any) -> None:
        self._write_form(_pairs(pairs))

    def _read_form(self) -> Pairs:
        if "application/x-www-form-urlencoded" not in self.headers.get("content-type", "").lower():
            return ()
        return forms.read_pairs(self.get_text(strict=False) or "")

    def _write_form(self, pairs: Pairs) -> None:
        self.headers["content-type"] = "application/x-www-form-urlencoded"
        self.content = forms.written_pairs(pairs).encode()

    @property
    def multipart_form(self) -> MultiDict[bytes, bytes]:
        """Names and contents; empty if the content is no such form. Types and file names of parts are lost when it is written."""
        return MultiDictView(self._read_multipart, self._write_multipart)

    @multipart_form.setter
    def multipart_form(self, pairs: Any) -> None:
        self._write_multipart(_pairs(pairs))

    def _read_multipart(self) -> Pairs:
        content_type = self.headers.get("content-type", "")
        boundary = forms.boundary_of(content_type) if content_type.lower().startswith("multipart/form-data") else None
        return forms.read_multipart(self.get_content(strict=False) or b"", boundary) if boundary else ()

    def _write_multipart(self, pairs: Pairs) -> None:
        boundary = forms.boundary_of(self.headers.get("content-type", ""))
        if boundary is None:
            boundary = b"----------------------------interceptor"
            self.headers["content-type"] = f"multipart/form-data; boundary={boundary.decode()}"
        self.content = forms.written_multipart(pairs, boundary)

    # What it asks for

    def anticache(self) -> None:
        """Takes out what may be answered by "not modified"."""
        for name in ("if-modified-since", "if-none-match"):
            self.headers.pop(name, None)

    def anticomp(self) -> None:
        """Asks for an answer without content coding."""
        self.headers["accept-encoding"] = "identity"

    def constrain_encoding(self) -> None:
        """Takes out the content codings that we cannot undo."""
        if accepted := self.headers.get("accept-encoding"):
            known = ("gzip", "identity", "deflate", "br", "zstd")
            self.headers["accept-encoding"] = ", ".join(each for each in known if each in accepted)


class Response(Message):
    @classmethod
    def make(cls, status_code: int = 200, content: bytes | str = b"", headers: HeadersLike = ()) -> Response:
        """A response of one's own."""
        now = time.time()
        record = ResponseRecord(status_code, _phrase(status_code), timestamp_start=now, timestamp_end=now)
        record.headers = fields_from(headers)
        response = cls(record)
        _fill(response, content)
        return response

    def copy(self) -> Response:
        return Response(self._record.copy())

    def __repr__(self) -> str:
        return f"Response({self.status_code}, {self.headers.get('content-type', 'no content type')})"

    @property
    def status_code(self) -> int:
        status: int = self._record.status_code
        return status

    @status_code.setter
    def status_code(self, status_code: int) -> None:
        self._set("status_code", int(status_code))

    @property
    def reason(self) -> str:
        reason: str = self._record.reason_text
        return reason

    @reason.setter
    def reason(self, reason: str | bytes) -> None:
        self._set("reason", to_bytes(reason))

    @property
    def cookies(self) -> MultiDict[str, Any]:
        """Names to (value, attributes)."""
        return MultiDictView(lambda: forms.read_set_cookies(self.headers.get_all("Set-Cookie")), self._write_cookies)

    @cookies.setter
    def cookies(self, pairs: Any) -> None:
        self._write_cookies(_pairs(pairs))

    def _write_cookies(self, pairs: Pairs) -> None:
        texts = [forms.written_set_cookie(name, *(value if isinstance(value, tuple) else (value, ()))) for name, value in pairs]
        self.headers.set_all("Set-Cookie", texts)

    def refresh(self, now: float | None = None) -> None:
        """Moves the times in Date, Expires, Last-Modified and cookies on by the age of this response, for giving it again."""
        delta = (time.time() if now is None else now) - (self.timestamp_start or time.time())
        for name in ("date", "expires", "last-modified"):
            if moved := _moved(self.headers.get(name, ""), delta):
                self.headers[name] = moved
        cookies = []
        for name, (value, attributes) in self.cookies.items(multi=True):
            if moved := _moved(attributes.get("expires") or "", delta):
                attributes["expires"] = moved
            cookies.append((name, (value, attributes)))
        if cookies:
            self.cookies = cookies


class HTTPFlow(Flow):
    """A request and its response. Setting `response` before the server was asked answers in its place."""

    record: HttpFlow

    def __init__(self, record: HttpFlow, host: Host | None = None) -> None:
        super().__init__(record, host)
        self._request: Request | None = None
        self._response: Response | None = None
        self.owed: list[str] = []
        """The hooks that are to be called when the body has passed; set by whoever asks."""
        self.is_websocket = False
        """Whether `websocket_start` was called."""

    @property
    def request(self) -> Request:
        facade = self._request
        if facade is None or facade.record is not self.record.request:  # a person may have edited it meanwhile
            facade = self._request = Request(self.record.request, self.before_edit)
        return facade

    @request.setter
    def request(self, request: Request) -> None:
        self.before_edit()
        self.record.request = request.copy()._record

    @property
    def response(self) -> Response | None:
        record = self.record.response
        if record is None:
            return None
        facade = self._response
        if facade is None or facade.record is not record:
            facade = self._response = Response(record, self.before_edit)
        return facade

    @response.setter
    def response(self, response: Response | None) -> None:
        self.before_edit()
        self.record.response = None if response is None else response._record
        self._response = response
        if response is not None:
            response._before_edit = self.before_edit

    @property
    def timestamp_start(self) -> float:
        return self.request.timestamp_start

    @property
    def websocket(self) -> WebSocketData | None:
        """What is said in it, if it has become a WebSocket."""
        record = self.record.websocket
        return None if record is None else WebSocketData(record, self.asked, self.replayed)

    def __repr__(self) -> str:
        return f"<HTTPFlow {self.request!r} {self.response!r}>"


def _fill(message: Message, content: bytes | str) -> None:
    if isinstance(content, str):
        message.text = content
    elif isinstance(content, bytes):
        message.content = content
    else:
        raise TypeError(f"content is text or bytes, not {type(content).__name__}")


def _pairs(given: Any) -> Pairs:
    if isinstance(given, MultiDict):
        return given.fields
    return tuple(given.items()) if isinstance(given, Mapping) else tuple(given)


def _phrase(status_code: int) -> bytes:
    try:
        return HTTPStatus(status_code).phrase.encode()
    except ValueError:
        return b""


def _moved(date: str, seconds: float) -> str:
    parsed = parsedate_tz(date)
    return formatdate(mktime_tz(parsed) + seconds, usegmt=True) if parsed else ""
