"""Clients must log in (HTTP Basic, RFC 7617): with one name and password, with anything at all, or as a password file says.

    http_connect, requestheaders ─▸ right credentials: taken out of the request, which goes on   otherwise ─▸ Respond(407 or 401)

As a proxy we ask with 407 and Proxy-Authenticate; where clients do not know that we are one (reverse), with 401 and
WWW-Authenticate. A client that has logged in with a CONNECT, or by SOCKS, is known by its connection, and asked no more for what
it sends inside the tunnel. Requests that we make ourselves have no client and are not asked.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from weakref import WeakSet

from interceptor.addons.htpasswd import HtpasswdFile
from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, StreamConnection
from interceptor.model.flow import HttpFlow
from interceptor.model.hooks import Kill, Respond
from interceptor.model.http import Headers, Response
from interceptor.options import Options
from interceptor.specs.errors import UserError

REALM: Final = "interceptor"

_Check = Callable[[str, str, str], bool]  # user, password, address of the client


class ProxyAuth:
    """An addon. A value of the option that cannot work is a UserError: from the constructor, or from `options.update`."""

    def __init__(self, options: Options, wall_clock: Callable[[], float] = time.time) -> None:
        self._wall_clock = wall_clock
        self._known: WeakSet[Connection] = WeakSet()
        self._check = _checker(options.proxyauth)
        options.subscribe(self._options_changed)

    def _options_changed(self, options: Options, names: set[str]) -> None:
        """Whoever had logged in must do so again if the rule is another."""
        if "proxyauth" in names:
            self._check = _checker(options.proxyauth)
            self._known = WeakSet()

    @property
    def hooks(self) -> Sequence[str]:
        return ("socks5_auth", "http_connect", "requestheaders") if self._check is not None else ()

    def socks5_auth(self, client: Connection, user: str, password: str) -> Kill | None:
        address = client.peer[0] if client.peer is not None else ""
        if self._check is None or self._check(user, password, address):
            self._known.add(client)
            return None
        return Kill("wrong user or password (proxyauth).")

    def http_connect(self, flow: HttpFlow) -> Respond | None:
        if self._check is None:
            return None
        refusal = self._decide(flow)
        if refusal is None and flow.client is not None:
            self._known.add(flow.client)
        return refusal

    def requestheaders(self, flow: HttpFlow) -> Respond | None:
        if self._check is None:
            return None
        return self._decide(flow)

    def _decide(self, flow: HttpFlow) -> Respond | None:
        if flow.client is None or self._is_known(flow.client):
            return None
        is_proxy = not flow.mode.startswith(("reverse", "transparent"))
        name = "Proxy-Authorization" if is_proxy else "Authorization"
        user, password = _credentials(flow.request.headers.get_all(name)) or (None, "")
        address = flow.client.peer[0] if flow.client.peer is not None else ""
        if user is None or self._check is None or not self._check(user, password, address):
            return Respond(self._refusal(is_proxy))
        flow.request.headers.remove(name)
        flow.metadata["proxyauth"] = user
        return None

    def _is_known(self, client: Connection | None) -> bool:
        """Also by the connection that carries it: a tunnel in HTTP/2 is a stream of the one that logged in."""
        while client is not None:
            if client in self._known:
                return True
            client = client.parent if isinstance(client, StreamConnection) else None
        return False

    def _refusal(self, is_proxy: bool) -> Response:
        if is_proxy:
            status, reason, header = 407, b"Proxy Authentication Required", b"Proxy-Authenticate"
        else:
            status, reason, header = 401, b"Unauthorized", b"WWW-Authenticate"
        content = b"Log in to go on.\n"
        headers = Headers(
            [
                (header, f'Basic realm="{REALM}"'.encode()),
                (b"Content-Type", b"text/plain; charset=utf-8"),
                (b"Content-Length", str(len(content)).encode()),
            ]
        )
        now = self._wall_clock()
        return Response(status, reason, headers=headers, body=MemoryBody(content), timestamp_start=now, timestamp_end=now)


def _checker(spec: str | None) -> _Check | None:
    """None: nobody needs to log in."""
    if not spec:
        return None
    if spec == "any":
        return lambda user, password, address: True
    if spec.startswith("@"):
        return HtpasswdFile(Path(spec[1:])).is_right
    if spec.startswith(("ldap:", "ldaps:")):
        raise UserError("proxyauth cannot ask an LDAP server: use user:password, any, or @path of an htpasswd file.")
    name, colon, secret = spec.partition(":")
    if not colon or not name:
        raise UserError(f"proxyauth is user:password, any, or @path of an htpasswd file, not {spec!r}.")
    wanted = _digestible(name, secret)
    return lambda user, password, address: hmac.compare_digest(wanted, _digestible(user, password))


def _digestible(user: str, password: str) -> bytes:
    return f"{user}:{password}".encode("utf-8", "surrogateescape")


def _credentials(values: list[str]) -> tuple[str, str] | None:
    """User and password of the one Authorization field there is; None if there is none, several, or another scheme."""
    if len(values) != 1:
        return None
    scheme, _, token = values[0].strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        raw = base64.b64decode(token.strip().encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")  # what clients sent before RFC 7617
    user, colon, password = text.partition(":")
    return (user, password) if colon else None
