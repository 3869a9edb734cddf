"""curl through the proxy: plain and TLS, down and up, HEAD, ranges, 100 MB both ways, and TLS to the proxy itself."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from tests.e2e.conftest import run
from tests.support.hypercorn import Hypercorn
from tests.support.nginx import Nginx, content, sha256
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.needs_curl, pytest.mark.needs_nginx]

SCHEMES = pytest.mark.parametrize("scheme", ["http", "https"])
HUNDRED_MB = 100_000_000


def curl(proxy: Proxy, *arguments: str | Path) -> bytes:
    """Trusts the proxy's CA and nothing else."""
    return run(["curl", "-sS", "--fail", "--proxy", proxy.url, "--cacert", proxy.ca_file, "--capath", "/nowhere", *arguments])


@SCHEMES
def test_get(proxy: Proxy, nginx: Nginx, scheme: str) -> None:
    body = nginx.serve("curl-get.bin", content("get", 70_000))
    assert sha256(curl(proxy, f"{nginx.url(scheme)}/curl-get.bin?{scheme}")) == sha256(body)
    flow = proxy.flow(f"/curl-get.bin?{scheme}")
    assert flow["request"]["method"] == "GET"
    assert flow["request"]["scheme"] == scheme
    assert flow["response"]["status_code"] == 200


@pytest.mark.needs_nginx
def test_without_the_ca_curl_refuses(proxy: Proxy, nginx: Nginx, authority_file: Path) -> None:
    """The counter-proof: the certificate that a client sees is ours, not the origin's."""
    with pytest.raises(AssertionError, match="certificate"):
        run(["curl", "-sS", "--proxy", proxy.url, "--cacert", authority_file, f"{nginx.https_url}/curl-refuses"])


@SCHEMES
def test_head(proxy: Proxy, nginx: Nginx, scheme: str) -> None:
    body = nginx.serve("curl-head.bin", content("head", 5000))
    head = curl(proxy, "--head", f"{nginx.url(scheme)}/curl-head.bin").decode().lower()
    assert f"content-length: {len(body)}" in head


@SCHEMES
def test_keep_alive_over_head_and_get(proxy: Proxy, nginx: Nginx, scheme: str) -> None:
    """A HEAD's answer has no body, whatever its Content-Length says: the next response is not eaten."""
    body = nginx.serve("curl-mixed.bin", content("mixed", 5000))
    url = f"{nginx.url(scheme)}/curl-mixed.bin"
    got = curl(
        proxy, "--head", "-o", "/dev/null", url, "--next", "--fail", "-sS", "--cacert", proxy.ca_file, "--proxy", proxy.url, url
    )
    assert got == body


@SCHEMES
def test_ranges(proxy: Proxy, nginx: Nginx, scheme: str) -> None:
    body = nginx.serve("curl-range.bin", content("range", 50_000))
    url = f"{nginx.url(scheme)}/curl-range.bin"
    assert curl(proxy, "--range", "1000-1999", url) == body[1000:2000]
    assert curl(proxy, "--range", "-100", url) == body[-100:]
    several = curl(proxy, "--range", "0-9,100-109", url)
    assert body[:10] in several
    assert body[100:110] in several


@SCHEMES
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_upload(proxy: Proxy, nginx: Nginx, tmp_path: Path, scheme: str, framing: str) -> None:
    body = content("upload" + framing, 300_000)
    (tmp_path / "body").write_bytes(body)
    chunked = ["-H", "Transfer-Encoding: chunked"] if framing == "chunked" else []
    name = f"curl-{scheme}-{framing}"
    curl(proxy, *chunked, "--upload-file", tmp_path / "body", f"{nginx.url(scheme)}/upload/{name}")
    assert sha256(nginx.uploaded(name)) == sha256(body)


@SCHEMES
def test_post_and_mirrored(proxy: Proxy, hypercorn: Hypercorn, tmp_path: Path, scheme: str) -> None:
    """Bytes go up and come down at the same time."""
    body = content("mirror", 3_000_000)
    (tmp_path / "body").write_bytes(body)
    assert sha256(curl(proxy, "--data-binary", f"@{tmp_path / 'body'}", f"{hypercorn.url(scheme)}/mirror")) == sha256(body)


@SCHEMES
def test_chunked_response(proxy: Proxy, hypercorn: Hypercorn, scheme: str) -> None:
    assert curl(proxy, f"{hypercorn.url(scheme)}/count?n=1000003") == (b"0123456789abcdef" * 62501)[:1000003]


@SCHEMES
def test_100_mb_down_and_up(proxy: Proxy, nginx: Nginx, tmp_path: Path, scheme: str) -> None:
    body = nginx.serve("curl-100mb.bin", content("100 MB", HUNDRED_MB))
    curl(proxy, "-o", tmp_path / "down", f"{nginx.url(scheme)}/curl-100mb.bin")
    is_same = (tmp_path / "down").read_bytes() == body
    assert is_same, "not told apart here: that would take long"
    curl(proxy, "-H", "Expect:", "--upload-file", tmp_path / "down", f"{nginx.url(scheme)}/upload/curl-100mb-{scheme}")
    is_same = nginx.uploaded(f"curl-100mb-{scheme}") == body
    assert is_same


@SCHEMES
def test_tls_to_the_proxy_itself(proxy: Proxy, nginx: Nginx, scheme: str) -> None:
    """`https://127.0.0.1:port` as proxy: TLS outside, and for an https origin TLS again inside."""
    body = nginx.serve("curl-tls-proxy.bin", content("tls proxy", 200_000))
    got = run(
        [
            "curl",
            "-sS",
            "--fail",
            "--proxy",
            proxy.tls_url,
            "--proxy-cacert",
            proxy.ca_file,
            "--cacert",
            proxy.ca_file,
            f"{nginx.url(scheme)}/curl-tls-proxy.bin",
        ]
    )
    assert sha256(got) == sha256(body)


def test_tunnel_to_a_plain_port(proxy: Proxy, nginx: Nginx) -> None:
    """CONNECT, then plain HTTP: told by its first bytes, not by the port."""
    body = nginx.serve("curl-tunnel.bin", content("tunnel", 1000))
    assert curl(proxy, "--proxytunnel", f"{nginx.http_url}/curl-tunnel.bin?tunnel") == body
    assert proxy.flow("/curl-tunnel.bin?tunnel")["response"]["status_code"] == 200


def test_headers_arrive_as_sent(proxy: Proxy, hypercorn: Hypercorn) -> None:
    seen = json.loads(
        curl(
            proxy,
            "-H",
            "X-B: 1",
            "-H",
            "x-a: 2",
            "-H",
            "X-B: 3",
            "-A",
            "own",
            "--path-as-is",
            f"{hypercorn.https_url}/a/../b%2f?q=%20",
        )
    )
    fields = [tuple(field) for field in seen["headers"]]
    assert (seen["path"], seen["query"]) == ("/a/../b%2f", "q=%20")
    assert [field for field in fields if field[0].startswith("x-")] == [("x-b", "1"), ("x-a", "2"), ("x-b", "3")]
    names = {name for name, _ in fields}
    assert not names & {"via", "x-forwarded-for", "proxy-connection"}, "the proxy added something, or passed on what was for it"


def test_address_instead_of_name(proxy: Proxy, nginx: Nginx) -> None:
    """A client that names only an address gets a certificate with that address in it."""
    body = nginx.serve("curl-address.bin", b"by address")
    assert curl(proxy, f"https://127.0.0.1:{nginx.https_port}/curl-address.bin") == body


def test_many_in_parallel(proxy: Proxy, nginx: Nginx, tmp_path: Path) -> None:
    body = nginx.serve("curl-parallel.bin", content("parallel", 20_000))
    urls = [f"{nginx.https_url}/curl-parallel.bin?{number}" for number in range(60)]
    outputs: list[str | Path] = []
    for number, url in enumerate(urls):
        outputs += ["-o", tmp_path / str(number), url]
    curl(proxy, "--parallel", "--parallel-max", "20", *outputs)
    assert all((tmp_path / str(number)).read_bytes() == body for number in range(60))


def test_which_program_it_was(proxy: Proxy, nginx: Nginx) -> None:
    nginx.serve("which.txt", b"x")
    for agent in ("one", "two"):  # a process each
        curl(proxy, "--user-agent", agent, f"{nginx.http_url}/which.txt?{agent}")
    first, second = (proxy.flow(f"/which.txt?{agent}")["client"]["process"] for agent in ("one", "two"))
    assert first["name"] == second["name"] == "curl" and first["pid"] != second["pid"]
    assert "one" in first["command"] and "two" in second["command"] and first["executable"].endswith("/curl")


def test_a_rule_knows_the_program_before_it_decides(nginx: Nginx, tmp_path: Path, confdir: Path) -> None:
    nginx.serve("decided.txt", b"x")
    rules = ("--set", "block_list=|~process decided.by.curl|418", "--set", "block_list=|~process decided.by.nobody|444")
    with Proxy(tmp_path, *rules, confdir=confdir, trusted_ca=None) as proxy:
        for number in range(5):
            url = f"{nginx.http_url}/decided.txt?{number}"
            said = run(["curl", "-sS", "-o", "-", "-w", "%{http_code}", "-A", "decided by curl", "-x", proxy.url, url])
            assert said.endswith(b"418"), said


def test_a_program_that_sends_datagrams(tmp_path: Path, confdir: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        modes = ("--mode", "regular", "--mode", f"reverse:udp://127.0.0.1:{server.getsockname()[1]}")
        with Proxy(tmp_path, *modes, "--set", "udp_timeout=0.2", confdir=confdir, trusted_ca=None) as proxy:
            client.sendto(b"hello", ("127.0.0.1", proxy.port))
            server.recvfrom(99)
            flow = proxy.flow_where(lambda flow: flow["type"] == "udp")
            assert flow["client"]["process"]["pid"] == os.getpid()
