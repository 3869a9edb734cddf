"""Fields of requests that one switch changes: the options `anticache`, `anticomp` and `upstream_auth`.

anticache      conditions are removed, so that servers send whole responses instead of 304
anticomp       servers are asked for bodies as they are, not compressed
upstream_auth  in reverse mode the server is sent this user and password (HTTP Basic, RFC 7617)
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Final

from interceptor.addons.rule_addon import note
from interceptor.model.flow import HttpFlow
from interceptor.options import Options

CONDITIONS: Final = ("If-None-Match", "If-Modified-Since")


class Anticache:
    def __init__(self, options: Options) -> None:
        self._options = options

    @property
    def hooks(self) -> Collection[str]:
        return ("requestheaders",) if self._options.anticache else ()

    def requestheaders(self, flow: HttpFlow) -> None:
        headers = flow.request.headers
        for name in CONDITIONS:
            if name in headers:
                flow.backup()
                headers.remove(name)
                note(flow, "anticache")


class Anticomp:
    def __init__(self, options: Options) -> None:
        self._options = options

    @property
    def hooks(self) -> Collection[str]:
        return ("requestheaders",) if self._options.anticomp else ()

    def requestheaders(self, flow: HttpFlow) -> None:
        if flow.request.headers.get("accept-encoding") != "identity":
            flow.backup()
            flow.request.headers["Accept-Encoding"] = "identity"
            note(flow, "anticomp")


class UpstreamAuth:
    def __init__(self, options: Options) -> None:
        self._options = options

    @property
    def hooks(self) -> Collection[str]:
        return ("requestheaders",) if self._options.upstream_auth else ()

    def requestheaders(self, flow: HttpFlow) -> None:
        if flow.mode.startswith("reverse") and self._options.upstream_auth:
            credentials = base64.b64encode(self._options.upstream_auth.encode("utf-8", "surrogateescape")).decode()
            flow.backup()
            flow.request.headers["Authorization"] = f"Basic {credentials}"
            note(flow, "upstream_auth")
