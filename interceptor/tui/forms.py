"""Cookies, queries and forms as rows of a grid, and back. Pure.

Rows that nobody touched come back as they were as far as the format allows: a query is percent-encoded anew, a multipart body
keeps its boundary, its order and the four things shown of each part. Empty rows are left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.message import Message as EmailMessage
from typing import Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote_to_bytes

from interceptor.model.http import Headers
from interceptor.specs.errors import UserError
from interceptor.tui.escaped_text import escaped, unescaped

Row = tuple[str, ...]

_KEPT_IN_VALUE: Final = "\n\t"
_KEPT_IN_PATH: Final = "!$&'()*+,;=:@"
_PARAMETER: Final = re.compile(r';\s*([\w*-]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^;\s]*))')


def read_pairs(text: str) -> list[Row]:
    """`a=1&b=2`, decoded."""
    pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape")
    return [(escaped(_raw(name)), escaped(_raw(value))) for name, value in pairs]


def written_pairs(rows: Sequence[Row]) -> str:
    return "&".join(f"{quote_plus(unescaped(name))}={quote_plus(unescaped(value))}" for name, value in rows if name or value)


def read_path(path: str) -> list[Row]:
    """Each component, decoded; a / at the end is not shown and stays. UserError for `a//b`: a grid has no empty rows."""
    components = _components(path)
    if not all(components):
        raise UserError("this path has an empty component; edit it as path")
    return [(escaped(unquote_to_bytes(component.encode("utf-8", "surrogateescape"))),) for component in components]


def written_path(rows: Sequence[Row], before: str) -> str:
    """Components that were in `before` stay spelt as they were there; a / in one becomes %2F."""
    spelt = {row[0]: component for row, component in zip(read_path(before), _components(before), strict=True)}
    written = [spelt.get(row[0]) or quote(unescaped(row[0]), safe=_KEPT_IN_PATH) for row in rows]
    return "/" + "/".join(written) + ("/" if written and before.endswith("/") and before != "/" else "")


def _components(path: str) -> list[str]:
    return path.removesuffix("/").split("/")[1:]


def read_cookies(headers: Headers) -> list[Row]:
    rows: list[Row] = []
    for value in headers.get_all("cookie"):
        for cookie in value.split(";"):
            name, _, content = cookie.strip().partition("=")
            if name or content:
                rows.append((escaped(_raw(name)), escaped(_raw(content))))
    return rows


def write_cookies(headers: Headers, rows: Sequence[Row]) -> None:
    cookies = [_one_line(f"{name}={value}") for name, value in rows if name or value]
    headers.set_all("Cookie", [b"; ".join(cookies)] if cookies else [])


def read_set_cookies(headers: Headers) -> list[Row]:
    rows: list[Row] = []
    for value in headers.get_all("set-cookie"):
        cookie, _, attributes = value.partition(";")
        name, _, content = cookie.strip().partition("=")
        rows.append((escaped(_raw(name)), escaped(_raw(content)), escaped(_raw(attributes.strip()))))
    return rows


def write_set_cookies(headers: Headers, rows: Sequence[Row]) -> None:
    cookies = []
    for name, value, attributes in rows:
        if name or value:
            cookies.append(_one_line(f"{name}={value}" + (f"; {attributes.lstrip('; ')}" if attributes.strip("; ") else "")))
    headers.set_all("Set-Cookie", cookies)


def read_multipart(content: bytes, content_type: str) -> list[Row]:
    """Name, file name, type and value of each part. UserError if there is no boundary."""
    rows: list[Row] = []
    for piece in (b"\r\n" + content).split(b"\r\n--" + _boundary(content_type))[1:]:
        if piece.startswith(b"--"):
            break
        head, _, value = piece.partition(b"\r\n\r\n")
        fields = [line.partition(b":") for line in head.split(b"\r\n") if b":" in line]
        named = {name.strip().lower(): text.strip().decode("utf-8", "surrogateescape") for name, _, text in fields}
        parameters = {name.lower(): quoted or plain for name, quoted, plain in _parameters(named)}
        shown = (parameters.get("name", ""), parameters.get("filename", ""), named.get(b"content-type", ""))
        rows.append((*(escaped(_raw(text)) for text in shown), escaped(value, _KEPT_IN_VALUE)))
    return rows


def _parameters(named: dict[bytes, str]) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = _PARAMETER.findall(named.get(b"content-disposition", ""))
    return found


def written_multipart(rows: Sequence[Row], content_type: str) -> bytes:
    boundary = _boundary(content_type)
    pieces: list[bytes] = []
    for name, file_name, kind, value in rows:
        if not (name or file_name or value):
            continue
        head = b'Content-Disposition: form-data; name="' + _quoted(name) + b'"'
        if file_name:
            head += b'; filename="' + _quoted(file_name) + b'"'
        if kind:
            head += b"\r\nContent-Type: " + _one_line(kind)
        content = unescaped(value)
        if b"--" + boundary in content:
            raise UserError(f"the value of {name!r} holds the boundary of the form; change the boundary in Content-Type first")
        pieces.append(b"--" + boundary + b"\r\n" + head + b"\r\n\r\n" + content + b"\r\n")
    return b"".join(pieces) + b"--" + boundary + b"--\r\n"


def _boundary(content_type: str) -> bytes:
    message = EmailMessage()
    message["Content-Type"] = content_type.replace("\r", "").replace("\n", "")
    boundary = message.get_boundary()
    if not boundary:
        raise UserError("the Content-Type of this form names no boundary")
    return _raw(boundary)


def _quoted(text: str) -> bytes:
    return _one_line(text).replace(b'"', b"%22")


def _one_line(text: str) -> bytes:
    raw = unescaped(text)
    if any(byte in raw for byte in (b"\r", b"\n", b"\0")):
        raise UserError(f"{text!r} holds a line break or NUL; here it must be one line")
    return raw


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
