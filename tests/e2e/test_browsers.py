"""What a page does in real browsers, through the proxy: 200 resources over HTTP/2, a chat, ticking events, large files both ways.

The page works by itself and tells the origin what it saw. The browser verifies the proxy's certificates, the proxy the origins'.
In each browser once with all other tests: Chromium by TLS to the proxy, so that all is HTTP/2, Firefox by CONNECT; `make matrix`
has the other two. The file is larger than the windows of either browser; in `make matrix` it has a hundred megabytes.
"""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartProxy
from tests.support.browsers import Browser
from tests.support.certificates import ServerCertificate
from tests.support.hypercorn import Hypercorn
from tests.support.nginx import Nginx, content, sha256
from tests.support.programs import wait_for_file
from tests.support.proxy import Flow, Proxy

PAGE = """<!doctype html><meta charset="utf-8"><title>everything</title>
<script>performance.setResourceTimingBufferSize(1000)</script>
{tags}
<form><input type="file" name="attachment"><input name="note" value="ä note"></form>
<script>
const folder = {folder}, chat = {chat}, room = {room}, names = {names};
const report = {{said: [], digests: {{}}}};

async function sha256(bytes) {{
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, byte => byte.toString(16).padStart(2, '0')).join('');
}}

async function resources() {{
  await Promise.all(names.map(async name => {{
    report.digests[name] = await sha256(await (await fetch(name, {{cache: 'force-cache'}})).arrayBuffer());
  }}));
  report.pictures = Array.from(document.images).filter(image => image.naturalWidth > 0).length;
  report.styles = document.styleSheets.length;
  report.scripts = window.counted;
  const entries = performance.getEntriesByType('resource').filter(entry => entry.name.includes(folder));
  report.protocols = Array.from(new Set(entries.map(entry => entry.nextHopProtocol)));
}}

async function talk() {{
  // With credentials, since WebSockets have them: browsers keep those that have none on a connection of their own.
  const events = new EventSource(chat + '/ticks?room=' + room, {{withCredentials: true}});
  await new Promise((resolve, reject) => {{ events.onopen = resolve; events.onerror = reject; }});
  const socket = new WebSocket(chat.replace('https', 'wss') + '/chat?room=' + room);
  socket.binaryType = 'arraybuffer';
  await new Promise((resolve, reject) => {{
    socket.onopen = () => socket.send('hello');
    socket.onerror = reject;
    socket.onclose = event => {{ report.closed = [event.wasClean, event.code, event.reason]; resolve(); }};
    events.addEventListener('tick', event => {{
      report.said.push('tick ' + event.data + ' id ' + event.lastEventId);
      if (event.data !== '5') {{
        socket.send('heard ' + event.data);
      }} else {{
        events.close();
        socket.send(Uint8Array.from({{length: 70000}}, (_, index) => index * 7));
      }}
    }});
    socket.onmessage = async event => {{
      if (typeof event.data === 'string') {{
        report.said.push(event.data);
      }} else {{
        report.echo = await sha256(event.data);
        socket.close(3001, 'enough');
      }}
    }};
  }});
}}

async function downloadAndUpload() {{
  const response = await fetch(folder + '/large.bin');
  const all = new Uint8Array(Number(response.headers.get('content-length')));
  let size = 0;
  for (const reader = response.body.getReader(), next = () => reader.read();;) {{
    const {{done, value}} = await next();
    if (done) break;
    all.set(value, size);
    size += value.length;
  }}
  report.download = [size, await sha256(all)];
  const chosen = new DataTransfer();
  chosen.items.add(new File([all.subarray(1000, 5001000)], 'five megabytes ü.bin', {{type: 'application/x-five'}}));
  document.forms[0].attachment.files = chosen.files;
  const answer = await fetch('/upload/' + room + '.form', {{method: 'PUT', body: new FormData(document.forms[0])}});
  report.upload = answer.status;
}}

addEventListener('load', async () => {{
  try {{
    await resources();
    await talk();
    await downloadAndUpload();
  }} catch (error) {{
    report.failed = String(error) + ' ' + (error.stack || error.type);
  }}
  await fetch('/upload/' + room + '.json', {{method: 'PUT', body: JSON.stringify(report)}});
}});
</script>
"""
DOWNLOAD_SIZE, DOWNLOAD_SIZE_OF_MATRIX = 30_000_000, 100_000_000
MATRIX = {
    "chromium": [pytest.mark.needs_chromium, pytest.mark.matrix],
    "firefox": [pytest.mark.needs_firefox, pytest.mark.matrix],
}
TICKS = [f"tick {number} id {number}" for number in range(1, 6)]
CHAT = ["hello", "welcome", *(f"{verb} {number}" for number in range(1, 5) for verb in ("heard", "noted"))]
BINARY = bytes(index * 7 & 255 for index in range(70000))


def resources(folder: str) -> tuple[dict[str, bytes], str]:
    """Pictures, style sheets and scripts, 200 in all; by path and the tags that load them, which say the hash where they can. The
    style sheets are sent with a content coding."""
    bodies: dict[str, bytes] = {}
    tags = []
    for number in range(200):
        padding = content(str(number), 100 + number * 100).hex()
        match number % 3:
            case 0:
                path = f"/{folder}/{number}.svg"
                body = f'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><!--{padding}--></svg>'.encode()
                tags.append(f'<img src="{path}">')
            case 1:
                path = f"/gzip/{folder}/{number}.css"
                body = f"/*{padding}*/ .c{number} {{ color: red }}".encode()
                tags.append(f'<link rel="stylesheet" href="{path}" integrity="{integrity(body)}">')
            case _:
                path = f"/{folder}/{number}.js"
                body = f"/*{padding}*/ window.counted = (window.counted || 0) + 1;".encode()
                tags.append(f'<script src="{path}" integrity="{integrity(body)}"></script>')
        bodies[path] = body
    return bodies, "\n".join(tags)


def integrity(body: bytes) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(body).digest()).decode()


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory, certificate: ServerCertificate) -> Iterator[Hypercorn]:
    server = Hypercorn(tmp_path_factory.mktemp("chat"), certificate, "chat:application", alpn=("h2", "http/1.1"))
    yield server
    server.stop()


@dataclass
class Visit:
    """What was there, what the page said, and what the proxy has of it."""

    proxy: Proxy
    room: str
    bodies: dict[str, bytes]
    large: bytes
    uploaded: bytes
    report: dict[str, Any]

    def flow(self, path: str) -> Flow:
        """One that was carried out to its end: browsers may give up others."""
        flow = self.proxy.flow_where(lambda flow: flow.get("request", {}).get("path") == path and flow["error"] is None)
        assert flow["request"]["http_version"] == flow["response"]["http_version"] == "HTTP/2.0"
        assert flow["client"]["tls"]["alpn"] == flow["server"]["tls"]["alpn"] == "h2"
        return flow


@pytest.mark.parametrize(
    ("browser", "tls_to_proxy", "size"),
    [
        pytest.param("chromium", True, DOWNLOAD_SIZE, marks=pytest.mark.needs_chromium, id="chromium-tls"),
        pytest.param("firefox", False, DOWNLOAD_SIZE, marks=pytest.mark.needs_firefox, id="firefox-connect"),
        pytest.param("chromium", False, DOWNLOAD_SIZE_OF_MATRIX, marks=MATRIX["chromium"], id="chromium-connect"),
        pytest.param("firefox", True, DOWNLOAD_SIZE_OF_MATRIX, marks=MATRIX["firefox"], id="firefox-tls"),
    ],
)
@pytest.mark.needs_nginx
def test_everything_that_a_page_does(
    browser: str, tls_to_proxy: bool, size: int, start_proxy: StartProxy, nginx: Nginx, chat: Hypercorn, tmp_path: Path
) -> None:
    room, large = f"{browser}-{tls_to_proxy}", content("large", size)
    bodies, tags = resources(room)
    for path, body in bodies.items():
        nginx.serve(path.removeprefix("/gzip").removeprefix("/"), body)
    nginx.serve(f"{room}/large.bin", large)
    said = {"folder": f"/{room}", "chat": chat.https_url, "room": room, "names": list(bodies)}
    nginx.serve(f"{room}.html", PAGE.format(tags=tags, **{name: json.dumps(each) for name, each in said.items()}).encode())
    proxy = start_proxy("--set", "flow_detail=3")
    with Browser(browser, tmp_path / "browser", proxy, f"{nginx.http2_url}/{room}.html", tls_to_proxy=tls_to_proxy) as running:
        report = wait_for_file(
            nginx.folder / "upload" / f"{room}.json",
            lambda: running.is_running,
            lambda: f"{running.log.read_text()[-3000:]}\n{proxy.log.read_text()[-3000:]}",
        )
    (nginx.www / room / "large.bin").unlink()
    visit = Visit(proxy, room, bodies, large, nginx.uploaded(f"{room}.form"), json.loads(report))
    assert "failed" not in visit.report, visit.report["failed"]
    resources_came_through(visit)
    talk_came_through(visit, chat)
    download_and_upload_came_through(visit)
    nobody_else_was_asked(visit, nginx, chat)


def resources_came_through(visit: Visit) -> None:
    report = visit.report
    assert (report["pictures"], report["styles"], report["scripts"]) == (67, 67, 66)
    assert report["protocols"] == ["h2"]
    assert report["digests"] == {path: sha256(body) for path, body in visit.bodies.items()}
    for path, body in visit.bodies.items():
        kept = visit.flow(path)["response"]
        assert (kept["status_code"], kept["body"]["text"].encode()) == (200, body)
        assert kept["body"]["is_decoded"] is path.startswith("/gzip/")


def talk_came_through(visit: Visit, chat: Hypercorn) -> None:
    """Order is that of each kind: events and messages come on streams of their own."""
    report = visit.report
    assert [line for line in report["said"] if line.startswith("tick")] == TICKS
    assert [line for line in report["said"] if not line.startswith("tick")] == CHAT[1::2]
    assert report["echo"] == sha256(BINARY)
    assert report["closed"] == [True, 3001, "enough"]

    flow = visit.flow(f"/chat?room={visit.room}")
    socket = flow["websocket"]
    messages = [each for each in socket["messages"] if each["type"] in ("text", "binary")]
    assert [each["text"] for each in messages[: len(CHAT)]] == CHAT
    assert [each["from_client"] for each in messages[: len(CHAT)]] == [True, False] * 5
    assert [(each["from_client"], each["base64"]) for each in messages[len(CHAT) :]] == [
        (from_client, base64.b64encode(BINARY[: 64 * 1024]).decode()) for from_client in (True, False)
    ]
    assert (socket["close_code"], socket["close_reason"], socket["closed_by_client"]) == (3001, "enough", True)

    ticks = visit.proxy.flow(f"/ticks?room={visit.room}")
    expected = ": in the room\n\n" + "".join(f"event: tick\nid: {number}\ndata: {number}\n\n" for number in range(1, 6))
    assert (ticks["response"]["status_code"], ticks["response"]["body"]["text"]) == (200, expected)
    assert ticks["request"]["http_version"] == ticks["response"]["http_version"] == "HTTP/2.0"


def download_and_upload_came_through(visit: Visit) -> None:
    report, large = visit.report, visit.large
    assert report["download"] == [len(large), sha256(large)]
    kept = visit.flow(f"/{visit.room}/large.bin")["response"]
    assert (kept["size"], kept["is_truncated"]) == (len(large), False)
    assert base64.b64decode(kept["body"]["base64"]) == large[: 64 * 1024]

    assert report["upload"] == 201
    request = visit.flow(f"/upload/{visit.room}.form")["request"]
    head = f"Content-Type: {dict(request['headers'])['content-type']}\r\n\r\n"
    attachment, note = email.message_from_bytes(head.encode() + visit.uploaded, policy=email.policy.HTTP).iter_parts()
    assert (attachment.get_filename(), attachment.get_content_type()) == ("five megabytes ü.bin", "application/x-five")
    assert attachment.get_payload(decode=True) == large[1000:5001000]
    assert note.get_payload(decode=True) == "ä note".encode()
    assert request["size"] == len(visit.uploaded)
    assert base64.b64decode(request["body"]["base64"]) == visit.uploaded[: 64 * 1024]


def nobody_else_was_asked(visit: Visit, nginx: Nginx, chat: Hypercorn) -> None:
    """What browsers ask of their own accord is not on the list of a browser that is to show what a page does."""
    # A Chromium that starts drops its first connections when it has read which CAs it is to trust.
    dropped = re.compile("TLS handshake with the client failed for [^:]+: the client closed the connection without saying why")
    ports = (nginx.http2_port, chat.https_port)
    others = [
        (flow.get("request", {}).get("url"), flow["server"] and flow["server"]["address"], flow["error"])
        for flow in visit.proxy.flows()
        if flow.get("request", {}).get("port") not in ports and not dropped.match((flow["error"] or {}).get("message", ""))
    ]
    assert others == [], "\n".join(map(str, others))
