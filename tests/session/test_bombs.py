"""Bodies of a few hundred bytes that unpack to a hundred megabytes, and bodies nested without end, wherever flows are written,
printed and filtered: what it costs is in proportion to what was sent."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
from collections.abc import Callable

import pytest

from interceptor.dump_text import FlowText
from interceptor.flow_json import flow_line
from interceptor.model import encoding
from interceptor.model.body import MemoryBody
from interceptor.model.encoding import ALWAYS_DECODED, MOST_GAINED, TooLarge, credible_size, decode_content
from interceptor.model.flow import HttpFlow
from interceptor.options import Options
from interceptor.session.export.cut import cut
from interceptor.session.export.formats import export
from interceptor.session.formats.har import HarWriter
from interceptor.session.formats.mitmproxy_flow import write_flow
from interceptor.specs.errors import UserError
from interceptor.specs.filter import parse
from tests.contentviews.test_hostile import BOMBS, SHALLOWER, bomb
from tests.tui.some_flows import http_flow

MEGABYTE = 1 << 20


def bomb_flow(coding: str) -> HttpFlow:
    flow = http_flow(body=bomb(coding), request_body=bomb(coding), request_fields=[(b"Content-Encoding", coding.encode())])
    assert flow.response is not None
    flow.response.headers.add("Content-Encoding", coding)
    return flow


def to_har(flow: HttpFlow) -> int:
    stream = io.BytesIO()
    writer = HarWriter(stream)
    writer.write(flow)
    writer.close()
    (entry,) = json.loads(stream.getvalue())["log"]["entries"]
    assert entry["response"]["content"]["_isEncoded"] is True, "the bytes that were sent are kept"
    return stream.tell()


def to_flow_file(flow: HttpFlow) -> int:
    stream = io.BytesIO()
    write_flow(stream, flow)
    return stream.tell()


def to_cut(flow: HttpFlow) -> int:
    with pytest.raises(UserError, match="raw_content"):
        cut([flow], ["response.content"])
    return len(cut([flow], ["response.raw_content"]))


def to_filters(flow: HttpFlow) -> int:
    return sum(parse(f"~{name} neverthere").matches(flow) for name in ("b", "bq", "bs"))


DEEDS: dict[str, Callable[[HttpFlow], int]] = {
    "raw": lambda flow: len(export("raw", flow, Options())),
    "HAR": to_har,
    "flow file": to_flow_file,
    "cut": to_cut,
    "filters": to_filters,
    "JSON": lambda flow: len(flow_line(flow, 3)),
    "text": lambda flow: len(FlowText(is_coloured=False, detail=3, lines=50).of(flow)),
}


@pytest.mark.parametrize("coding", BOMBS)
def test_a_bomb_stays_packed(coding: str) -> None:
    flow, sent = bomb_flow(coding), len(bomb(coding))
    for name, deed in DEEDS.items():
        tracemalloc.start()
        try:
            size = deed(flow)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert size < MEGABYTE + 4 * sent, name
        assert peak < 48 * MEGABYTE + 8 * MOST_GAINED * sent, (name, peak)


@pytest.fixture
def always_decoded(monkeypatch: pytest.MonkeyPatch) -> int:
    """How much of whatever it is gets decoded: less than usual, so that its lines are not a quarter of a million."""
    monkeypatch.setattr(encoding, "ALWAYS_DECODED", MEGABYTE)
    return MEGABYTE


def test_who_wants_everything_gets_the_beginning_of_a_bomb(always_decoded: int) -> None:
    flow = bomb_flow("br")
    flow.request.body = MemoryBody()
    started = time.process_time()
    text, line = FlowText(is_coloured=False, detail=4).of(flow), flow_line(flow, 4)
    assert time.process_time() - started < 30
    assert "only the first 1m shown" in text and len(text) < 8 * always_decoded
    body = json.loads(line)["response"]["body"]
    assert body["is_cut"] and len(body["text"]) == always_decoded


def test_a_packed_file_that_is_a_bomb_is_printed_in_part(always_decoded: int) -> None:
    """Without a content coding: its first bytes say what it is."""
    text = FlowText(is_coloured=False, detail=4).of(http_flow(content_type=b"application/zstd", body=bomb("zstd")))
    assert "only the first 1m shown" in text and len(text) < 8 * always_decoded


def test_what_was_really_sent_is_decoded() -> None:
    assert credible_size(100, 1 << 30) == ALWAYS_DECODED
    assert credible_size(10 * MEGABYTE, 1 << 30) == 10 * MEGABYTE * MOST_GAINED
    assert credible_size(10 * MEGABYTE, MEGABYTE) == MEGABYTE
    with pytest.raises(TooLarge):
        decode_content(bomb("br"), "br", credible_size(len(bomb("br")), 1 << 30))


@pytest.mark.parametrize("kind", ["json", "xml/html", "msgpack", "cbor", "protobuf", "grpc", "multipart form"])
def test_content_nested_without_end_is_printed(kind: str) -> None:
    types = {"json": "application/json", "xml/html": "text/html", "msgpack": "application/msgpack", "cbor": "application/cbor"}
    types |= {"protobuf": "application/x-protobuf", "grpc": "application/grpc", "multipart form": "multipart/mixed; boundary=a"}
    flow = http_flow(content_type=types[kind].encode(), body=SHALLOWER[kind])
    text = FlowText(is_coloured=True, detail=4).of(flow)
    assert "failed" not in text and len(text) < 1000 * len(SHALLOWER[kind])
    assert parse("~bs neverthere").matches(flow) is False
    assert json.loads(flow_line(flow, 4))["response"]["size"] == len(SHALLOWER[kind])
