"""Policy: from what a client's first bytes are, and from where it came, what reads them next. A pure function.

Protocols are told by their bytes, never by the port.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, TypeVar

from interceptor.model.connection import Connection
from interceptor.model.dns import looks_like_query
from interceptor.proxy.client_hello import HelloError, looks_like_tls, read_client_hello
from interceptor.proxy.datagram_hello import HelloFragments, looks_like_datagram_hello
from interceptor.proxy.ingress import Ingress, is_let_through, matches, origin_names
from interceptor.proxy.settings import Settings

_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}\Z")
_REQUEST_LINE: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32} +[^\x00-\x20\x7f]+ +HTTP/\d")
_KNOWN_METHODS: Final = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"TRACE ")
_LINE_LIMIT: Final = 16 * 1024
HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_QUIC_BYTES: Final = 1200
_QUIC_VERSIONS: Final = (b"\0\0\0\1", b"\x6b\x33\x43\xcf")
Choice = TypeVar("Choice", "Next", None)


class Next(Enum):
    """What reads on."""

    MORE = "more bytes are needed"
    TLS = "TLS"
    HTTP1 = "HTTP/1"
    HTTP2 = "HTTP/2"
    DNS = "DNS"
    DTLS = "DTLS"
    QUIC = "QUIC"
    RELAY = "raw bytes"
    IGNORE = "raw bytes, not recorded"


def choose_unheard(ingress: Ingress, client: Connection, settings: Settings) -> Next | None:
    """Before anything has come: where the way in has said what is spoken; None if the first bytes shall."""
    if ingress.is_dns:
        return Next.DNS
    if client.transport == "udp":
        if is_let_through(origin_names(ingress), settings):
            return Next.IGNORE
        if ingress.is_tls:
            return Next.RELAY  # and the server may speak first
    return None


def choose_datagrams(first: bytes, ingress: Ingress, settings: Settings) -> Next:
    """`first` is the client's first datagram."""
    if looks_like_datagram_hello(first):
        return Next.IGNORE if is_let_through(_hello_names(first, ingress), settings) else Next.DTLS
    if ingress.is_reverse or matches(settings.udp_hosts, origin_names(ingress)):  # it has been said what it is
        return Next.RELAY
    if looks_like_query(first):
        return Next.DNS
    return Next.QUIC if _looks_like_quic(first) else Next.RELAY


def _hello_names(first: bytes, ingress: Ingress) -> list[str]:
    names, origin = origin_names(ingress), ingress.origin
    try:
        found = HelloFragments().feed(first)
    except HelloError:
        return names
    return [*names, f"{found[0].server_name}:{origin.port}"] if found and found[0].server_name and origin else names


def _looks_like_quic(first: bytes) -> bool:
    """The first datagram of a connection: a long header of a version that is in use, padded (RFC 9000 §14.1, §17.2; RFC 9369)."""
    return len(first) >= _QUIC_BYTES and first[0] & 0xC0 == 0xC0 and (first[1:5] in _QUIC_VERSIONS or first[1:4] == b"\xff\0\0")


def choose(first: bytes, ingress: Ingress, settings: Settings) -> Next:
    """`first` is all that the client has said, not empty."""
    is_tls = looks_like_tls(first)
    if ingress.origin is None:  # it speaks to us: what is not TLS must be HTTP, and is told so if it is not
        return Next.MORE if is_tls is None else Next.TLS if is_tls else _http2_or(Next.HTTP1, first, settings)
    if is_tls is None:
        return Next.MORE
    by_host = _by_host(first, is_tls, ingress, settings)
    if by_host is not None:
        return by_host
    if is_tls:
        return Next.TLS
    if ingress.is_reverse:  # the mode has said what it is
        return _http2_or(Next.HTTP1, first, settings) if ingress.origin.scheme in ("http", "https") else Next.RELAY
    return _http2_or(None, first, settings) or _http_or_raw(first, settings)


def _http2_or(other: Choice, first: bytes, settings: Settings) -> Next | Choice:
    """HTTP/2 begins with a preface, with TLS (where ALPN has chosen it) and without."""
    if not settings.http2 or not HTTP2_PREFACE.startswith(first[: len(HTTP2_PREFACE)]):
        return other
    return Next.HTTP2 if len(first) >= len(HTTP2_PREFACE) else Next.MORE


def _http_or_raw(first: bytes, settings: Settings) -> Next:
    if first.startswith(_KNOWN_METHODS):
        return Next.HTTP1
    if looks_like_query(first[2:]) and len(first) == 2 + int.from_bytes(first[:2], "big"):
        return Next.DNS
    raw = Next.RELAY if settings.rawtcp else Next.HTTP1
    line, newline, _ = first.partition(b"\n")
    if newline:
        return Next.HTTP1 if _REQUEST_LINE.match(line) else raw
    method, space, _ = line.partition(b" ")
    if len(line) > _LINE_LIMIT or not (_METHOD.match(method) if space or len(method) <= 32 else False):
        return raw
    return Next.MORE


def _by_host(first: bytes, is_tls: bool, ingress: Ingress, settings: Settings) -> Next | None:
    """What ignore_hosts, allow_hosts and tcp_hosts say; they match `host:port` and, in TLS, `name:port`."""
    if not (settings.ignore_hosts or settings.allow_hosts or settings.tcp_hosts) or ingress.origin is None:
        return None
    names = [ingress.origin.authority]
    if is_tls:
        try:
            hello = read_client_hello(first)
            if hello is None:
                return Next.MORE
            if hello.server_name:
                names.append(f"{hello.server_name}:{ingress.origin.port}")
        except HelloError:
            return None
    if is_let_through(names, settings):
        return Next.IGNORE
    if not is_tls and matches(settings.tcp_hosts, names):
        return Next.RELAY
    return None
