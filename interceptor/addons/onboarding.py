"""The page from which devices get the CA: asked for through the proxy, answered by the proxy itself.

    request for http://interceptor.test/ or http://mitm.it/ ─▸ Respond(page, or the certificate in the form asked for)
    any other host                                          ─▸ None

Nothing is read from disk and nothing goes upstream. The page is one piece of HTML without scripts or anything from elsewhere, so
it works on a device that can reach nothing but us. All text that is not ours goes through `escape`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from html import escape
from typing import Final

from interceptor.certs.authority import CERT_CER_FILE, CERT_P12_FILE, CERT_PEM_FILE, Authority
from interceptor.certs.trust import Guide, guides
from interceptor.model.body import MemoryBody
from interceptor.model.flow import HttpFlow
from interceptor.model.hooks import Respond
from interceptor.model.http import Headers, Response

HOSTS: Final = ("interceptor.test", "mitm.it")
"""Names that always lead to the page: one that can belong to nobody (RFC 6761 reserves .test), and the one that people know."""

_CERTIFICATE_TYPE: Final = "application/x-x509-ca-cert"
_SECURITY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Onboarding:
    """`hosts` tells, at each request, what other names lead to the page (option onboarding_host), or None while there is to be no
    page at all."""

    def __init__(self, authority: Authority, hosts: Callable[[], Sequence[str] | None] = tuple) -> None:
        self._authority = authority
        self._hosts = hosts
        self._pages: dict[tuple[str, bool], bytes] = {}  # by platform, and whether the CA has expired: written once

    def concerns(self, flow: HttpFlow) -> bool:
        hosts = self._hosts()
        if hosts is None:
            return False
        name = flow.request.pretty_host.lower().rstrip(".")
        return name in HOSTS or name in hosts

    def requestheaders(self, flow: HttpFlow) -> Respond | None:
        if not self.concerns(flow):
            return None
        request = flow.request
        if request.method not in ("GET", "HEAD"):
            response = _response(405, b"Method Not Allowed", "text/plain; charset=utf-8", b"Only GET and HEAD.\n")
            response.headers.add("Allow", "GET, HEAD")
        else:
            response = self._answer(request.path.partition("?")[0], request.headers.get("user-agent", "") or "")
        if request.method == "HEAD":
            response.body = MemoryBody()
        return Respond(response)

    def _answer(self, path: str, user_agent: str) -> Response:
        authority = self._authority
        match path:
            case "/" | "/index.html":
                platform, is_expired = _platform_of(user_agent), authority.is_expired
                if (page := self._pages.get((platform, is_expired))) is None:
                    page = self._pages[platform, is_expired] = _page(authority, platform).encode("utf-8", "replace")
                return _response(200, b"OK", "text/html; charset=utf-8", page)
            case "/cert/pem":
                return _download(CERT_PEM_FILE, _CERTIFICATE_TYPE, authority.certificate_pem)
            case "/cert/cer":
                return _download(CERT_CER_FILE, _CERTIFICATE_TYPE, authority.certificate_der)
            case "/cert/p12":
                return _download(CERT_P12_FILE, "application/x-pkcs12", authority.certificate_p12)
            case _:
                text = b"There is nothing here. The certificate is at /cert/pem, /cert/cer and /cert/p12, the guides are at /.\n"
                return _response(404, b"Not Found", "text/plain; charset=utf-8", text)


def _download(name: str, content_type: str, content: bytes) -> Response:
    response = _response(200, b"OK", content_type, content)
    response.headers.add("Content-Disposition", f'attachment; filename="{name}"')
    return response


def _response(status: int, reason: bytes, content_type: str, content: bytes) -> Response:
    now = time.time()
    fields = {
        "Content-Type": content_type,
        "Content-Length": str(len(content)),
        "Cache-Control": "no-store",
        "Content-Security-Policy": _SECURITY,
        "X-Content-Type-Options": "nosniff",
    }
    headers = Headers((name.encode(), value.encode()) for name, value in fields.items())
    return Response(status, reason, headers=headers, body=MemoryBody(content), timestamp_start=now, timestamp_end=now)


_PLATFORMS: Final = (
    ("iphone", "ios"),
    ("ipad", "ios"),
    ("android", "android"),
    ("firefox", "firefox"),
    ("windows", "windows"),
    ("macintosh", "macos"),
    ("linux", "chrome"),
    ("curl", "curl"),
)


def _platform_of(user_agent: str) -> str:
    """The guide that whoever asks most likely wants; "" if that cannot be told."""
    lowered = user_agent.lower()
    return next((platform for mark, platform in _PLATFORMS if mark in lowered), "")


def _page(authority: Authority, platform: str) -> str:
    shown = "\n".join(_guide(guide, guide.name == platform) for guide in guides(authority, is_download=True))
    fingerprint = escape(authority.fingerprint_sha256).replace(":", ":<wbr>")
    warning = '<p class="warning">This certificate has expired: make a new one on the computer.</p>'
    return _TEMPLATE.format(
        style=_STYLE,
        name=escape(authority.common_name),
        until=f"{authority.not_after:%Y-%m-%d}",
        fingerprint=fingerprint,
        warning=warning if authority.is_expired else "",
        guides=shown,
    )


def _guide(guide: Guide, is_open: bool) -> str:
    steps = []
    for step in guide.steps:
        command = f"<pre>{escape(step.command)}</pre>" if step.command else ""
        steps.append(f"<li>{escape(step.text)}{command}</li>")
    opened = " open" if is_open else ""
    return f"<details{opened}><summary>{escape(guide.title)}</summary><ol>{''.join(steps)}</ol></details>"


_TEMPLATE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Trust this proxy</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>This device goes through interceptor</h1>
<p>To read HTTPS too, the proxy shows certificates of its own. Trust its authority on this device, and sites open without
warnings. Do so only if you, or somebody you trust, runs the proxy: it can read all that this device sends.</p>
{warning}
<nav>
<a href="/cert/cer"><b>.cer</b> phones, Windows</a>
<a href="/cert/pem"><b>.pem</b> Linux, macOS, Firefox, programs</a>
<a href="/cert/p12"><b>.p12</b> what wants PKCS #12</a>
</nav>
<h2>How to trust it</h2>
{guides}
<h2>Is it the right one?</h2>
<p>Compare it with what <code>interceptor ca</code> prints on the computer.</p>
<dl>
<dt>Name</dt><dd>{name}</dd>
<dt>Valid until</dt><dd>{until}</dd>
<dt>SHA-256</dt><dd><code>{fingerprint}</code></dd>
</dl>
<p>Remove it from the device when you no longer need it.</p>
</main>
</body>
</html>
"""

_STYLE: Final = """
:root{color-scheme:light dark;--back:#fafaf8;--text:#1c1d20;--soft:#5d616b;--card:#fff;--line:#dcdde1;--accent:#0b5cad}
@media(prefers-color-scheme:dark){:root{--back:#15171b;--text:#e6e7ea;--soft:#a2a7b2;--card:#1e2127;--line:#343841;--accent:#7cb7ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:1rem/1.5 system-ui,sans-serif}
main{max-width:42rem;margin:0 auto;padding:1.25rem 1rem 3rem}
h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0 1rem}
h2{font-size:1.1rem;margin:2rem 0 .75rem}
nav{display:grid;gap:.6rem;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));margin:1.25rem 0}
nav a{display:block;padding:.8rem 1rem;min-height:3rem;border:1px solid var(--accent);border-radius:.6rem;
color:var(--text);background:var(--card);text-decoration:none}
nav a b{color:var(--accent);display:block}
nav a:focus-visible,summary:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
details{background:var(--card);border:1px solid var(--line);border-radius:.6rem;margin:.5rem 0}
summary{padding:.75rem 1rem;cursor:pointer;font-weight:600}
ol{margin:0;padding:0 1rem .75rem 2.25rem}
li{margin:.4rem 0}
pre,code{font:.85rem/1.45 ui-monospace,monospace}
pre{overflow-x:auto;padding:.6rem .75rem;border-radius:.4rem;background:var(--back);border:1px solid var(--line);user-select:all}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:.5rem 0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.warning{padding:.75rem 1rem;border-radius:.6rem;border:1px solid #c4451c;background:var(--card)}
"""
