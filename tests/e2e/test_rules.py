"""Rules and server replay with curl, nginx and the real program: what servers are sent, what clients get, what flows say."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartProxy, run
from tests.support.certificates import TestAuthority
from tests.support.hypercorn import Hypercorn
from tests.support.nginx import Nginx, content, sha256
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.needs_curl, pytest.mark.needs_nginx]


def curl(proxy: Proxy, *arguments: str | Path) -> bytes:
    return run(["curl", "-sS", "--proxy", proxy.url, "--cacert", proxy.ca_file, "--capath", "/nowhere", *arguments])


def status_of(proxy: Proxy, *arguments: str) -> int:
    """In whatever version of HTTP it was said."""
    return int(curl(proxy, "-o", "/dev/null", "-w", "%{http_code}", *arguments))


def seen_by(hypercorn_says: bytes) -> dict[str, str]:
    """The fields that the application says it was sent."""
    return {name.lower(): value for name, value in json.loads(hypercorn_says)["headers"]}


def rules_of(flow: dict[str, Any]) -> list[str]:
    found: list[str] = flow["rules"]
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text("local start")
    (folder / "large.bin").write_bytes(content("large", 3_000_000))
    return folder


@pytest.fixture(scope="module")
def ruled(
    tmp_path_factory: pytest.TempPathFactory,
    confdir: Path,
    authority: TestAuthority,
    nginx: Nginx,
    hypercorn: Hypercorn,
    site: Path,
) -> Iterator[Proxy]:
    """One proxy with a rule of each kind, none of which means the flows of another."""
    rules = [
        *("-H", "/~q & ~u fields/X-Added/by rule", "-H", "/~s & ~u fields/Server/"),
        *("-B", "/~u change-me/secret/[gone]"),
        *("-M", f"|://elsewhere.invalid/|://localhost:{nginx.http_port}/"),
        *("-M", f"|https://secure.invalid/|{nginx.https_url}/"),
        *("--map-local", f"|://local.invalid/|{site}"),
        *("--block-list", ":~u blocked:451", "--block-list", ":~u /hang:444"),
        *("--set", "stream_large_bodies=1m"),
        *("--stickycookie", "~u sticky", "--stickyauth", "~u sticky", "-H", "|~s & ~u log-in|Set-Cookie|sid=7; Path=/"),
    ]
    with Proxy(tmp_path_factory.mktemp("ruled"), *rules, confdir=confdir, trusted_ca=authority.ca_file) as proxy:
        yield proxy


def test_fields(ruled: Proxy, hypercorn: Hypercorn) -> None:
    said = curl(ruled, "-i", f"{hypercorn.https_url}/seen?fields")
    head, _, body = said.decode().rpartition("\r\n\r\n")
    assert seen_by(body.encode())["x-added"] == "by rule"
    assert "\r\nserver:" not in head.lower()
    flow = ruled.flow("/seen?fields")
    assert flow["is_modified"]
    assert rules_of(flow) == ["modify_headers /~q & ~u fields/X-Added/by rule", "modify_headers /~s & ~u fields/Server/"]


@pytest.mark.parametrize("place", ["", "/gzip"])
def test_bodies(ruled: Proxy, nginx: Nginx, place: str) -> None:
    nginx.serve("change-me.txt", b"a secret, " * 100)
    assert curl(ruled, "--compressed", f"{nginx.http_url}{place}/change-me.txt") == b"a [gone], " * 100
    assert rules_of(ruled.flow(f"{place}/change-me.txt")) == ["modify_body /~u change-me/secret/[gone]"]


def test_a_body_that_is_too_large_passes_and_says_so(ruled: Proxy, nginx: Nginx) -> None:
    body = nginx.serve("change-me-large.txt", b"secret " * 300_000)
    assert sha256(curl(ruled, f"{nginx.http_url}/change-me-large.txt")) == sha256(body)
    flow = ruled.flow("/change-me-large.txt")
    assert "larger than stream_large_bodies" in rules_of(flow)[0]
    assert not flow["is_modified"]


@pytest.mark.parametrize("url", ["http://elsewhere.invalid/remote.txt?plain", "https://secure.invalid/remote.txt?secure"])
def test_requests_sent_elsewhere(ruled: Proxy, nginx: Nginx, url: str) -> None:
    """Also through CONNECT and TLS, to a host that does not exist."""
    nginx.serve("remote.txt", b"remote")
    assert curl(ruled, url) == b"remote"
    flow = ruled.flow("/remote.txt?" + url.partition("?")[2])
    assert flow["request"]["host"] == "localhost"
    assert flow["response"]["status_code"] == 200


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_requests_answered_from_files(ruled: Proxy, site: Path, scheme: str) -> None:
    assert curl(ruled, f"{scheme}://local.invalid/") == b"local start"
    assert sha256(curl(ruled, f"{scheme}://local.invalid/large.bin")) == sha256((site / "large.bin").read_bytes())
    head = curl(ruled, "-I", f"{scheme}://local.invalid/large.bin").decode().lower()
    assert "content-length: 3000000" in head
    assert status_of(ruled, "--path-as-is", f"{scheme}://local.invalid/../{site.name}/index.html") == 404


def test_requests_refused(ruled: Proxy, nginx: Nginx) -> None:
    answer = curl(ruled, "-i", f"{nginx.https_url}/blocked").decode()
    assert answer.partition("\r\n\r\n")[2].startswith("HTTP/1.1 451 Unavailable For Legal Reasons\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(AssertionError, match="ended with 52"):
        curl(ruled, f"{nginx.http_url}/hang")
    assert "block_list" in ruled.flow("/hang")["error"]["message"]


def test_cookies_and_credentials_are_said_again(ruled: Proxy, hypercorn: Hypercorn) -> None:
    url = f"{hypercorn.https_url}/seen"
    curl(ruled, "-u", "user:password", f"{url}?log-in")
    fields = seen_by(curl(ruled, f"{url}?sticky"))
    assert fields["cookie"] == "sid=7"
    assert fields["authorization"] == "Basic dXNlcjpwYXNzd29yZA=="
    assert not {"cookie", "authorization"} & set(seen_by(curl(ruled, f"{url}?other")))


def test_what_no_rule_means_streams_as_ever(ruled: Proxy, nginx: Nginx) -> None:
    body = nginx.serve("free.bin", content("free", 2_000_000))
    assert sha256(curl(ruled, f"{nginx.https_url}/free.bin")) == sha256(body)
    flow = ruled.flow("/free.bin")
    assert not flow["is_modified"]
    assert rules_of(flow) == []


def test_reverse_mode(start_proxy: StartProxy, hypercorn: Hypercorn, nginx: Nginx) -> None:
    """Credentials for the server; a part of the site that another server answers; conditions and codings taken out."""
    nginx.serve("moved/x.txt", b"moved")
    proxy = start_proxy(
        *("-m", f"reverse:{hypercorn.https_url}", "--upstream-auth", "user:password", "--anticache", "--anticomp"),
        *("-M", f"|{hypercorn.https_url}/moved/|{nginx.http_url}/moved/"),
    )
    said = run(["curl", "-sS", "--compressed", "-H", "If-None-Match: x", f"{proxy.url}/seen"])
    fields = seen_by(said)
    assert fields["authorization"] == "Basic dXNlcjpwYXNzd29yZA=="
    assert fields["accept-encoding"] == "identity"
    assert "if-none-match" not in fields
    assert run(["curl", "-sS", f"{proxy.url}/moved/x.txt"]) == b"moved"


def test_server_replay_without_a_server(start_proxy: StartProxy, nginx: Nginx, tmp_path: Path) -> None:
    """Recorded from a real server, answered when there is none: the name does not even resolve."""
    nginx.serve("recorded.txt", b"recorded")
    file = tmp_path / "flows.mitm"
    recorder = start_proxy("-w", str(file))
    for scheme in ("http", "https"):
        curl(recorder, f"{nginx.url(scheme)}/recorded.txt", "--data", "a=1&token=one")
        assert curl(recorder, f"{nginx.url(scheme)}/recorded.txt") == b"recorded"
    recorder.flow_where(lambda flow: flow["request"]["method"] == "GET" and flow["request"]["scheme"] == "https")
    recorder.interrupt()
    replay = start_proxy(
        *("-S", str(file), "--server-replay-extra", "404"),
        *("--set", "server_replay_ignore_host", "--set", "server_replay_ignore_port"),
        *("--set", "server_replay_ignore_payload_params=token"),
    )
    for scheme in ("http", "https"):
        gone = f"{scheme}://offline.invalid:1/recorded.txt"
        assert curl(replay, gone) == b"recorded"
        assert status_of(replay, gone) == 404, "each once"
        assert status_of(replay, gone, "--data", "a=1&token=two") == 405
    flow = replay.flow_where(lambda flow: flow["response"]["status_code"] == 200)
    assert rules_of(flow) == ["server_replay: answered with a recorded response"]
    assert flow["server"] is None


def test_a_wrong_rule_is_told_with_its_place(confdir: Path) -> None:
    command = Proxy.command("-H", "/A/1", "-H", "/~nonsense/B/2", confdir=confdir, trusted_ca=None, port=0)
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "modify_headers: rule 2, '/~nonsense/B/2', character 2: There is no operator ~nonsense" in done.stderr
    assert "  /~nonsense/B/2\n   ^" in done.stderr
