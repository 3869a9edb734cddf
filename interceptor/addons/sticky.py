"""What servers and clients have said once, said again by us: the options `stickycookie` and `stickyauth`.

    response ─ Set-Cookie ─▸ jar            request that the filter matches ─▸ cookies of its host, port and path join its own
    request with Authorization ─▸ per host  request that the filter matches, without one ─▸ the last one of its host

The jars live as long as the program, and are emptied when their option is unset. A cookie of the jar goes before one that the
client sends under its name; those that only the client has stay.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import ClassVar, Final

from interceptor.addons.cookies import SetCookie, read_cookies, read_set_cookie, write_cookies
from interceptor.addons.rule_addon import COLLECT, note
from interceptor.model.flow import HttpFlow
from interceptor.model.hooks import Forward
from interceptor.options import Options
from interceptor.specs.filter import Filter, parse

_Place = tuple[str, int, str]  # domain, port, path


class _Sticky(ABC):
    """`option` is a filter for requests."""

    option: ClassVar[str]
    collects_itself: Final = True
    hooks: Collection[str] = ()

    def __init__(self, options: Options) -> None:
        self._filter: Filter | None = None
        self._options_changed(options, {self.option})
        options.subscribe(self._options_changed)

    def requestheaders(self, flow: HttpFlow) -> Forward | None:
        if self._filter is None:
            return None
        if self._filter.needs_body:
            return COLLECT
        self._complete(flow, self._filter)
        return None

    def request(self, flow: HttpFlow) -> None:
        if self._filter is not None and self._filter.needs_body:
            self._complete(flow, self._filter)

    @abstractmethod
    def _complete(self, flow: HttpFlow, wanted: Filter) -> None:
        """Takes from the request what it says, and gives it what it lacks if `wanted` matches."""

    @abstractmethod
    def _forget(self) -> None: ...

    def _options_changed(self, options: Options, names: set[str]) -> None:
        if self.option not in names:
            return
        text = getattr(options, self.option)
        self._filter = parse(text) if text else None
        self.hooks = ()
        if self._filter is None:
            self._forget()
        else:
            self.hooks = ("requestheaders", "responseheaders") + (("request",) if self._filter.needs_body else ())


class StickyAuth(_Sticky):
    option = "stickyauth"

    def __init__(self, options: Options) -> None:
        self._seen: dict[tuple[str, int], str] = {}
        super().__init__(options)

    def _complete(self, flow: HttpFlow, wanted: Filter) -> None:
        request = flow.request
        said = request.headers.get("authorization")
        if said is not None:
            self._seen[request.host, request.port] = said
        elif (known := self._seen.get((request.host, request.port))) is not None and wanted.matches(flow):
            flow.backup()
            request.headers["Authorization"] = known
            note(flow, "stickyauth")

    def _forget(self) -> None:
        self._seen.clear()


class StickyCookie(_Sticky):
    option = "stickycookie"

    def __init__(self, options: Options, clock: Callable[[], float] = time.time) -> None:
        self._jar: dict[_Place, dict[str, str]] = {}
        self._clock = clock
        super().__init__(options)

    def responseheaders(self, flow: HttpFlow) -> None:
        if flow.response is None or self._filter is None:
            return
        for field in flow.response.headers.get_all("set-cookie"):
            if (cookie := read_set_cookie(field)) is not None:
                self._keep(flow, cookie)

    def _keep(self, flow: HttpFlow, cookie: SetCookie) -> None:
        host = flow.request.pretty_host.lower()
        domain = (cookie.get("domain") or "").lower().lstrip(".") or host
        if not _is_within(host, domain) or ("." not in domain and domain != host):
            return  # a server speaks for itself and the domains above it, but not for all of .com
        path = cookie.get("path") or ""
        place = domain, flow.request.port, path if path.startswith("/") else _folder_of(flow.request.path)
        if not cookie.is_expired(self._clock()):
            self._jar.setdefault(place, {})[cookie.name] = cookie.value
        elif (cookies := self._jar.get(place)) is not None:
            cookies.pop(cookie.name, None)

    def _complete(self, flow: HttpFlow, wanted: Filter) -> None:
        cookies = self._for(flow)
        if not cookies or not wanted.matches(flow):
            return
        own = [pair for field in flow.request.headers.get_all("cookie") for pair in read_cookies(field)]
        joined = [pair for pair in own if pair[0] not in cookies] + list(cookies.items())
        if sorted(joined) == sorted(own):
            return
        flow.backup()
        flow.request.headers["Cookie"] = write_cookies(joined)
        flow.metadata["stickycookie"] = True
        note(flow, "stickycookie")

    def _for(self, flow: HttpFlow) -> dict[str, str]:
        host, path = flow.request.pretty_host.lower(), flow.request.path.partition("?")[0]
        found: dict[str, str] = {}
        for (domain, port, folder), cookies in sorted(self._jar.items(), key=lambda item: len(item[0][2])):
            if port == flow.request.port and _is_within(host, domain) and _is_below(path, folder):
                found.update(cookies)  # those of longer paths count more
        return found

    def _forget(self) -> None:
        self._jar.clear()


def _is_within(host: str, domain: str) -> bool:
    """RFC 6265 §5.1.3."""
    return host == domain or (host.endswith(f".{domain}") and not host.replace(".", "").isdecimal())


def _is_below(path: str, folder: str) -> bool:
    """RFC 6265 §5.1.4."""
    return path == folder or path.startswith(folder if folder.endswith("/") else f"{folder}/")


def _folder_of(path: str) -> str:
    """The path of a cookie that names none."""
    return path.partition("?")[0].rpartition("/")[0] or "/"
