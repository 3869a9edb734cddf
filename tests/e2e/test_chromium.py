"""A browser loads a page with 100 resources through the proxy, and tells the origin what it got.

With TLS to the proxy everything is HTTP/2: to the proxy, in the tunnel, and to the origin.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.support.chromium import Chromium
from tests.support.nginx import Nginx, content, sha256
from tests.support.programs import with_pause
from tests.support.proxy import Proxy

PAGE = """<!doctype html><meta charset="utf-8"><title>100</title>
{tags}
<script>
addEventListener('load', async () => {{
  const digests = {{}};
  await Promise.all({names}.map(async name => {{
    const body = await (await fetch('{folder}/' + name, {{cache: 'no-store'}})).arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', body));
    digests[name] = Array.from(digest, byte => byte.toString(16).padStart(2, '0')).join('');
  }}));
  const loaded = document.images.length && Array.from(document.images).filter(image => image.naturalWidth > 0).length;
  const report = {{loaded, styles: document.styleSheets.length, scripts: window.counted, digests}};
  await fetch('/upload/{folder}.json', {{method: 'PUT', body: JSON.stringify(report)}});
}});
</script>
"""


def resources(folder: str) -> tuple[dict[str, bytes], str]:
    """34 pictures, 33 style sheets, 33 scripts; some of them large. And the tags that load them."""
    bodies: dict[str, bytes] = {}
    tags = []
    for number in range(100):
        padding = content(str(number), 200 + number * 400).hex()
        kind = ("svg", "css", "js")[number % 3]
        name = f"{number}.{kind}"
        match kind:
            case "svg":
                body = f'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><!--{padding}--></svg>'
                tags.append(f'<img src="{folder}/{name}">')
            case "css":
                body = f"/*{padding}*/ .c{number} {{ color: red }}"
                tags.append(f'<link rel="stylesheet" href="{folder}/{name}">')
            case _:
                body = f"/*{padding}*/ window.counted = (window.counted || 0) + 1;"
                tags.append(f'<script src="{folder}/{name}"></script>')
        bodies[name] = body.encode()
    return bodies, "\n".join(tags)


@pytest.mark.parametrize("to_proxy", ["plain", "tls"])
@pytest.mark.needs_chromium
@pytest.mark.needs_nginx
def test_a_page_with_100_resources(proxy: Proxy, nginx: Nginx, tmp_path: Path, to_proxy: str) -> None:
    folder = f"page-{to_proxy}"
    bodies, tags = resources(folder)
    for name, body in bodies.items():
        nginx.serve(f"{folder}/{name}", body)
    nginx.serve(f"{folder}.html", PAGE.format(tags=tags, names=json.dumps(list(bodies)), folder=folder).encode())
    report = nginx.folder / "upload" / f"{folder}.json"
    url = proxy.url if to_proxy == "plain" else proxy.tls_url
    origin = nginx.https_url if to_proxy == "plain" else nginx.http2_url
    with Chromium(tmp_path, url, proxy.ca_file, f"{origin}/{folder}.html") as browser:
        deadline = time.monotonic() + 60
        while not report.exists() and browser.is_running and time.monotonic() < deadline:
            with_pause(0.05)
        assert report.exists(), (
            f"the page never told what it got:\n{browser.log.read_text()[-3000:]}\n{proxy.log.read_text()[-3000:]}"
        )
    seen = json.loads(report.read_bytes())
    assert (seen["loaded"], seen["styles"], seen["scripts"]) == (34, 33, 33)
    assert seen["digests"] == {name: sha256(body) for name, body in bodies.items()}
    flow = proxy.flow(f"/{folder}.html")
    assert flow["response"]["status_code"] == 200
    version = "HTTP/1.1" if to_proxy == "plain" else "HTTP/2.0"
    assert flow["request"]["http_version"] == flow["response"]["http_version"] == version
