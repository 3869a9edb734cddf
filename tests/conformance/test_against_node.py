"""What our reader takes and Node's server takes too, both read the same: nothing is smuggled from one to the other."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.mutations import mutations
from tests.conformance.test_against_h11 import ours
from tests.support.raw_server import connect

pytestmark = [pytest.mark.conformance, pytest.mark.needs_node]

SERVER = """
const server = require('http').createServer({ requireHostHeader: true }, (request, response) => {
  const pieces = [];
  request.on('data', piece => pieces.push(piece));
  request.on('end', () => {
    const body = JSON.stringify({ method: request.method, url: request.url, fields: request.rawHeaders,
                                  body: Buffer.concat(pieces).toString('latin1') });
    response.setHeader('Connection', 'close');
    response.end(body);
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


@pytest.fixture(scope="module")
def node_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    script: Path = tmp_path_factory.mktemp("node") / "server.cjs"
    script.write_text(SERVER)
    process = subprocess.Popen(["node", str(script)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_same_is_read(node_port: int) -> None:
    compared = 0
    for text in mutations(99, 20_000):
        mine = ours(text)
        if mine is None:
            continue
        with connect(node_port) as peer:
            peer.send(text)
            peer.socket.shutdown(1)
            try:
                head, _, answer = peer.read_to_end().partition(b"\r\n\r\n")
            except ConnectionError:
                continue
        if not head.startswith(b"HTTP/1.1 200"):
            continue
        compared += 1
        seen = json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])
        fields = sorted(zip([name.lower() for name in seen["fields"][::2]], seen["fields"][1::2], strict=True))
        method, target, my_fields, body, _ = mine
        assert (seen["method"].encode(), seen["url"].encode("latin-1")) == (method, target), text
        assert seen["body"].encode("latin-1") == body, text
        assert [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields] == my_fields, text
    assert compared > 500
