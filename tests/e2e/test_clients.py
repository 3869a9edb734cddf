"""What else people point at a proxy: wget, git, requests, aiohttp, Node's undici. Each trusts the proxy's CA alone."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from pathlib import Path

import aiohttp
import pytest
import requests

from tests.conftest import NODE_MODULES
from tests.e2e.conftest import run
from tests.support.hypercorn import Hypercorn
from tests.support.nginx import Nginx, content, sha256
from tests.support.proxy import Proxy

SCHEMES = pytest.mark.parametrize("scheme", ["http", "https"])


@SCHEMES
@pytest.mark.needs_wget
@pytest.mark.needs_nginx
def test_wget(proxy: Proxy, nginx: Nginx, tmp_path: Path, scheme: str) -> None:
    body = nginx.serve("wget.bin", content("wget", 500_000))
    for part in ("whole", "half"):
        if part == "half":  # what a broken download left: wget asks for the rest
            (tmp_path / "got").write_bytes(body[:200_000])
        run(
            [
                "wget",
                "--no-config",
                "-nv",
                "-c",
                "-e",
                "use_proxy=yes",
                "-e",
                f"{scheme}_proxy={proxy.url}",
                f"--ca-certificate={proxy.ca_file}",
                "-O",
                tmp_path / "got",
                f"{nginx.url(scheme)}/wget.bin?{part}",
            ]
        )
        assert sha256((tmp_path / "got").read_bytes()) == sha256(body)
    assert proxy.flow("/wget.bin?half")["response"]["status_code"] == 206


@pytest.mark.needs_git
def test_git_clone_and_push(proxy: Proxy, hypercorn: Hypercorn, tmp_path: Path) -> None:
    bare = hypercorn.repositories / "project.git"
    work, clone = tmp_path / "work", tmp_path / "clone"
    git = [
        "git",
        "-c",
        "user.name=A",
        "-c",
        "user.email=a@example.com",
        "-c",
        "init.defaultBranch=main",
        "-c",
        "commit.gpgsign=false",
    ]
    through = ["-c", f"http.proxy={proxy.url}", "-c", f"http.sslCAInfo={proxy.ca_file}"]
    run([*git, "init", "-q", "--bare", bare], home=tmp_path)
    run([*git, "-C", bare, "config", "http.receivepack", "true"], home=tmp_path)
    run([*git, "init", "-q", work], home=tmp_path)
    (work / "large.bin").write_bytes(content("git", 2_000_000))
    run([*git, "-C", work, "add", "."], home=tmp_path)
    run([*git, "-C", work, "commit", "-q", "-m", "first"], home=tmp_path)
    url = f"{hypercorn.https_url}/git/project.git"
    run([*git, *through, "-C", work, "push", "-q", url, "main"], home=tmp_path)
    run([*git, *through, "clone", "-q", url, clone], home=tmp_path)
    assert (clone / "large.bin").read_bytes() == (work / "large.bin").read_bytes()
    assert run([*git, "-C", clone, "rev-parse", "HEAD"], home=tmp_path) == run(
        [*git, "-C", work, "rev-parse", "HEAD"], home=tmp_path
    )


@SCHEMES
def test_requests(proxy: Proxy, hypercorn: Hypercorn, scheme: str) -> None:
    body = content("requests", 400_000)
    with requests.Session() as session:
        session.proxies = {"http": proxy.url, "https": proxy.url}
        session.verify = str(proxy.ca_file)
        session.trust_env = False
        url = hypercorn.url(scheme)
        assert session.post(f"{url}/mirror", data=body, timeout=30).content == body
        chunked = session.post(f"{url}/digest", data=(body[at : at + 50_000] for at in range(0, len(body), 50_000)), timeout=30)
        assert chunked.json() == {"size": len(body), "sha256": sha256(body)}
        for number in range(20):
            assert session.get(f"{url}/seen?requests={number}", timeout=30).json()["query"] == f"requests={number}"


@SCHEMES
def test_aiohttp(proxy: Proxy, hypercorn: Hypercorn, scheme: str) -> None:
    body = content("aiohttp", 300_000)
    trust = ssl.create_default_context(cafile=str(proxy.ca_file))

    async def visit() -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30)) as session:
            url = hypercorn.url(scheme)

            async def one(number: int) -> None:
                async with session.post(f"{url}/mirror?{number}", data=body, proxy=proxy.url, ssl=trust) as response:
                    assert await response.read() == body

            await asyncio.gather(*(one(number) for number in range(12)))
            async with session.get(f"{url}/count?n=100000", proxy=proxy.url, ssl=trust) as response:
                assert len(await response.read()) == 100_000

    asyncio.run(visit())


UNDICI = """
const { ProxyAgent, fetch, request } = require('undici');
const { createHash } = require('crypto');
const fs = require('fs');
const [url, proxy, caFile, bodyFile] = process.argv.slice(2);
const ca = fs.readFileSync(caFile);
const dispatcher = new ProxyAgent({ uri: proxy, requestTls: { ca }, proxyTls: { ca } });
(async () => {
  const body = fs.readFileSync(bodyFile);
  const mirrored = await fetch(url + '/mirror', { method: 'POST', body, dispatcher });
  const digest = createHash('sha256').update(Buffer.from(await mirrored.arrayBuffer())).digest('hex');
  const many = await Promise.all(Array.from({ length: 20 }, async (_, number) => {
    const response = await request(url + '/seen?undici=' + number, { dispatcher });
    return (await response.body.json()).query === 'undici=' + number;
  }));
  console.log(JSON.stringify({ status: mirrored.status, digest, many: many.every(Boolean) }));
  await dispatcher.close();
})().catch(error => { console.error(error); process.exit(1); });
"""


@SCHEMES
@pytest.mark.parametrize("to_proxy", ["plain", "tls"])
@pytest.mark.needs_undici
def test_undici(proxy: Proxy, hypercorn: Hypercorn, tmp_path: Path, scheme: str, to_proxy: str) -> None:
    body = content("undici", 300_000)
    (tmp_path / "body").write_bytes(body)
    (tmp_path / "client.cjs").write_text(UNDICI)
    url = proxy.url if to_proxy == "plain" else proxy.tls_url
    printed = run(
        ["node", tmp_path / "client.cjs", hypercorn.url(scheme), url, proxy.ca_file, tmp_path / "body"],
        NODE_PATH=os.fspath(NODE_MODULES),
    )
    assert json.loads(printed) == {"status": 200, "digest": sha256(body), "many": True}
