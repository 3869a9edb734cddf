"""TLS to the proxy itself, with HTTP/2 in it: requests and tunnels side by side on one connection; a thousand streams at once."""

from __future__ import annotations

import pytest

from tests.support.http2_client import Http2Client
from tests.support.nginx import Nginx, content
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.needs_nginx]


def test_requests_and_tunnels_on_one_connection(proxy: Proxy, nginx: Nginx) -> None:
    body = nginx.serve("h2-proxy.bin", content("h2-proxy", 200_000))
    client = Http2Client(proxy.port, proxy.ca_file)
    authority = f"localhost:{nginx.http_port}".encode()
    tunnel = client.peer.ask(b"CONNECT", authority=authority, ends=False)
    plain = client.peer.ask(path=b"/h2-proxy.bin?plain", authority=authority)
    secure = client.peer.ask(path=b"/h2-proxy.bin?secure", scheme=b"https", authority=f"localhost:{nginx.http2_port}".encode())
    while tunnel not in client.peer.heard:
        client.step()
    assert client.peer.heard[tunnel].status == 200
    client.peer.say(tunnel, b"GET /h2-proxy.bin?tunnel HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    client.wait_for(plain, secure, tunnel)
    assert client.peer.heard[plain].body == client.peer.heard[secure].body == body
    assert client.peer.heard[tunnel].body.endswith(b"\r\n\r\n" + body)
    versions = [
        (flow["request"]["http_version"], flow["response"]["http_version"])
        for flow in (proxy.flow(f"/h2-proxy.bin?{name}") for name in ("plain", "secure", "tunnel"))
    ]
    assert versions == [("HTTP/2.0", "HTTP/1.1"), ("HTTP/2.0", "HTTP/2.0"), ("HTTP/1.1", "HTTP/1.1")]
    client.socket.close()


def test_a_thousand_streams_and_one_that_waits(proxy: Proxy, nginx: Nginx) -> None:
    """The one is an upload that does not go on; all others are answered meanwhile, by one connection to the server."""
    nginx.serve("many.bin", b"x" * 1000)
    client = Http2Client(proxy.port, proxy.ca_file)
    authority = f"localhost:{nginx.http2_port}".encode()
    held = client.peer.ask(b"PUT", path=b"/upload/held", scheme=b"https", authority=authority, body=b"begin", ends=False)
    streams = []
    while len(streams) < 999:
        streams.append(client.peer.ask(path=b"/many.bin?%d" % len(streams), scheme=b"https", authority=authority))
        if len(streams) == 99:
            client.step()  # by now the proxy has said how many it takes
            while client.peer.h2.remote_settings.max_concurrent_streams < 1000:
                client.step()
    client.wait_for(*streams)
    assert all(client.peer.heard[stream].body == b"x" * 1000 for stream in streams)
    client.peer.say(held, b" and end", ends=True)
    client.wait_for(held)
    assert client.peer.heard[held].status in (201, 204) and nginx.uploaded("held") == b"begin and end"
    proxy.flow("/upload/held")  # which ended last: the program has said the others by then
    flows = [flow for flow in proxy.flows() if flow.get("request", {}).get("path", "").startswith("/many.bin?")]
    assert len(flows) == 999 and len({str(flow["server"]["local_address"]) for flow in flows}) == 1
    client.socket.close()
