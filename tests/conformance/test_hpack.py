"""The test vectors of HPACK (RFC 7541 Appendix C), and blocks of other encoders, read by our engine with either library."""

from __future__ import annotations

import random
from typing import Any

import hpack
import pytest
from jh2.hpack import Encoder as RustEncoder  # type: ignore[import-untyped]

from interceptor.proxy.layers.http.header_blocks import is_whole
from interceptor.proxy.layers.http.http2_engine import PREFACE, Engine
from tests.proxy.layers.http.http2_world import engine  # noqa: F401 - a fixture
from tests.support.http2_peers import Fields, frame

pytestmark = [pytest.mark.conformance, pytest.mark.usefixtures("engine")]

DATE_1, DATE_2 = b"Mon, 21 Oct 2013 20:13:21 GMT", b"Mon, 21 Oct 2013 20:13:22 GMT"
PLACE = (b"location", b"https://www.example.com")
COOKIE = b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
GET: Fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")]
REQUESTS: list[Fields] = [
    GET,
    [*GET, (b"cache-control", b"no-cache")],
    [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/index.html"), GET[3], (b"custom-key", b"custom-value")],
]
RESPONSES: list[Fields] = [
    [(b":status", b"302"), (b"cache-control", b"private"), (b"date", DATE_1), PLACE],
    [(b":status", b"307"), (b"cache-control", b"private"), (b"date", DATE_1), PLACE],
    [(b":status", b"200"), (b"cache-control", b"private"), (b"date", DATE_2), PLACE, (b"content-encoding", b"gzip"),
     (b"set-cookie", COOKIE)],
]  # fmt: skip
TABLE_OF_256 = "3fe101"
"""The examples of responses have so small a table, which makes it forget (C.5, C.6)."""

VECTORS: dict[str, tuple[list[str], list[Fields]]] = {
    "C.2.1 literal, indexed": (
        ["400a637573746f6d2d6b65790d637573746f6d2d686561646572"],
        [[(b"custom-key", b"custom-header")]],
    ),
    "C.2.2 literal, not indexed": (["040c2f73616d706c652f70617468"], [[(b":path", b"/sample/path")]]),
    "C.2.3 literal, never indexed": (["100870617373776f726406736563726574"], [[(b"password", b"secret")]]),
    "C.2.4 indexed": (["82"], [[(b":method", b"GET")]]),
    "C.3 requests": (
        [
            "828684410f7777772e6578616d706c652e636f6d",
            "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        ],
        REQUESTS,
    ),
    "C.4 requests, Huffman": (
        ["828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf", "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"],
        REQUESTS,
    ),
    "C.5 responses": (
        [
            TABLE_OF_256 + "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54"
            "6e1768747470733a2f2f7777772e6578616d706c652e636f6d",
            "4803333037c1c0bf",
            "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a"
            "584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
        ],
        RESPONSES,
    ),
    "C.6 responses, Huffman": (
        [
            TABLE_OF_256 + "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8"
            "e9ae82ae43d3",
            "4883640effc1c0bf",
            "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f36"
            "72c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        ],
        RESPONSES,
    ),
}


class Heads:
    """A `Listener` that keeps heads; whatever else happens is wrong, but for what comes with every connection."""

    def __init__(self) -> None:
        self.heads: list[list[Any]] = []

    def head_received(self, stream_id: int, fields: list[Any], is_last: bool) -> None:
        self.heads.append(fields)

    def settings_received(self) -> None:
        pass

    def window_opened(self, stream_id: int) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


def heads_of(blocks: list[bytes], is_client: bool) -> list[list[Any]]:
    """As one end of a connection that gets these blocks, one on each stream."""
    listener = Heads()
    reader = Engine(listener, is_client=is_client, max_streams=100, stream_window=65_535, list_limit=1 << 20)
    reader.feed((b"" if is_client else PREFACE) + frame(4, 0, 0), 0.0)
    for number, block in enumerate(blocks):
        assert is_whole(block)
        stream = 2 * number + 1
        if is_client:
            reader.head(stream, GET, True)
        half = len(block) // 2  # in two frames, as any block may come
        reader.feed(frame(1, 0x1, stream, block[:half]) + frame(9, 0x4, stream, block[half:]), 0.0)
    return listener.heads


@pytest.mark.parametrize("name", VECTORS)
def test_the_vectors_of_the_rfc(name: str) -> None:
    blocks, wanted = VECTORS[name]
    is_client = name.startswith(("C.5", "C.6"))
    heads = heads_of([bytes.fromhex(block) for block in blocks], is_client)
    assert [list(map(tuple, head)) for head in heads] == wanted
    if "never" in name:
        assert not heads[0][0].indexable


def story(seed: int) -> list[Fields]:
    """Heads as a browser's: much is said again, some of it with other values, some is long, some not Latin."""
    chance = random.Random(seed)
    names = [b"accept", b"cookie", b"x-a", b"user-agent", b"x-b", b"authorization", b"etag"]
    values = [b"", b"*/*", b"a" * 300, b"\xe4\xf6\xfc", bytes(range(33, 127)), b"0123456789"]
    return [
        [*GET, *((chance.choice(names), chance.choice(values) + b"%d" % each) for each in chance.choices(range(5), k=8))]
        for _ in range(30)
    ]


@pytest.mark.parametrize("encoder", [hpack.Encoder, RustEncoder])
@pytest.mark.parametrize("seed", range(20))
def test_what_other_encoders_make(encoder: type[Any], seed: int) -> None:
    """With the table made smaller and larger in between, down to none."""
    chance, writer, heads = random.Random(seed), encoder(), story(seed)
    blocks = []
    for head in heads:
        if chance.random() < 0.2:
            writer.header_table_size = chance.choice([0, 64, 256, 4096])
        blocks.append(bytes(writer.encode([hpack.HeaderTuple(*item) for item in head])))
    assert [list(map(tuple, head)) for head in heads_of(blocks, is_client=False)] == heads
