"""What `dump` prints of flows and of the log: lines, details, JSON; escaped, filtered, and quiet when nobody reads."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from interceptor.addons.finished import FinishedFlows
from interceptor.dump import Dump
from interceptor.dump_text import FlowText, format_duration
from interceptor.eventlog import EventLog
from interceptor.flow_json import BODY_START, flow_line, flow_object
from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, Side, TlsFacts
from interceptor.model.flow import Flow, FlowError, HttpFlow, TcpFlow, TcpMessage, WebSocketData
from interceptor.model.http import Headers, Request, Response
from interceptor.options import Options
from interceptor.specs.errors import UserError
from tests.support.websocket_messages import spoken

START = 1_700_000_000.0


class Store:
    def subscribe(self, listener: FinishedFlows) -> None:
        self.listener = listener


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class ClosedPipe(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def http(flow_id: int = 1, *, path: bytes = b"/a?b=c", status: int = 200, body: bytes = b"hello", **fields: str) -> HttpFlow:
    request = Request("GET", "http", "10.0.0.1", 8000, path, headers=Headers([(b"Host", b"example.com:8000"), (b"X-A", b"1")]))
    request.timestamp_start, request.timestamp_end = START, START + 0.01
    headers = Headers([(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()])
    response = Response(status, b"OK", headers=headers, body=MemoryBody(body))
    response.timestamp_start, response.timestamp_end = START + 0.03, START + 0.035
    client = Connection(Side.CLIENT, ("127.0.0.1", 50000), opened_at=START - 1)
    server = Connection(Side.SERVER, ("10.0.0.1", 8000), opened_at=START, connected_at=START + 0.005)
    return HttpFlow(
        flow_id, client, server, mode="regular", created_at=START, ended_at=START + 0.035, request=request, response=response
    )


def tcp(*contents: bytes) -> TcpFlow:
    messages = [TcpMessage(index % 2 == 0, MemoryBody(content), START) for index, content in enumerate(contents)]
    server = Connection(Side.SERVER, ("example.com", 22))
    size = sum(map(len, contents))
    return TcpFlow(2, server=server, messages=messages, message_count=len(contents), byte_count=size, created_at=START)


def text(flow: Flow, detail: int = 1, **settings: Any) -> str:
    return FlowText(is_coloured=False, detail=detail, **settings).of(flow)


def test_one_line() -> None:
    assert text(http()) == "127.0.0.1:50000 GET http://10.0.0.1:8000/a?b=c << 200 OK 5b 35ms\n"
    assert text(http(), show_host=True) == "127.0.0.1:50000 GET http://example.com:8000/a?b=c << 200 OK 5b 35ms\n"
    assert text(tcp(b"abc", b"de")) == "- TCP example.com:22 2 messages 5b\n"
    assert text(http(), detail=0) == ""


def test_errors_and_replays_are_on_the_line() -> None:
    flow = http()
    flow.response, flow.ended_at, flow.replay_of = None, None, 7
    assert text(flow) == "replay GET http://10.0.0.1:8000/a?b=c << no response\n"
    flow.error = FlowError("connection refused", START + 2)
    assert text(flow) == "replay GET http://10.0.0.1:8000/a?b=c << error: connection refused 2.0s\n"


def test_controls_are_escaped_everywhere() -> None:
    flow = http(path=b"/\x1b[2J\xff", body=b"\x1b[31m\r\nb", X_B="\x1b]0;title\x07\t", Content_Type="text/plain")
    flow.request.method = "G\x9bT"
    assert flow.response is not None
    flow.response.reason = b"\x1b[0m"
    flow.error = FlowError("bad\nline\x1b", START)
    shown = text(flow, detail=4)
    assert not {character for character in shown if ord(character) < 32 or 127 <= ord(character) < 160} - {"\n"}
    assert r"GET http" not in shown and r"\x1b[2J\xff" in shown and r"error: bad\nline\x1b" in shown


def test_fields_from_detail_2_on() -> None:
    flow = http(Set_Cookie="a=1")
    flow.informational = [Response(103, b"Early Hints", headers=Headers([(b"Link", b"</x>")]))]
    assert text(flow, detail=2).splitlines()[1:] == [
        "    Host: example.com:8000",
        "    X-A: 1",
        "",
        "    << HTTP/1.1 103 Early Hints",
        "    Link: </x>",
        "    << HTTP/1.1 200 OK",
        "    Set-Cookie: a=1",
        "",
    ]


def test_bodies_are_readable_and_cut_at_detail_3() -> None:
    flow = http(
        body=gzip.compress(json.dumps(list(range(100))).encode()), Content_Type="application/json", Content_Encoding="gzip"
    )
    short, full = text(flow, detail=3, lines=20).splitlines(), text(flow, detail=4, lines=20).splitlines()
    assert [line.strip() for line in full if line.strip().rstrip(",").isdigit()] == [*(f"{n}," for n in range(99)), "99"]
    assert any(line.strip().endswith("more lines)") for line in short)
    assert len(short) < 35 < len(full)


def test_images_are_facts_without_a_picture() -> None:
    output = io.BytesIO()
    Image.new("RGB", (4, 4), (255, 0, 0)).save(output, "PNG")
    shown = text(http(body=output.getvalue(), Content_Type="image/png"), detail=4)
    assert "Dimensions: 4 × 4" in shown and "▀" not in shown


def test_conversations_are_shown_from_detail_3_on() -> None:
    flow = tcp(*[b"message %d\n" % index for index in range(22)])
    assert text(flow, detail=2).count("\n") == 1
    short = text(flow, detail=3, lines=20).splitlines()
    assert short[1:3] == ["    -> message 0\\n", "    <- message 1\\n"]
    assert short[-1] == "    (2 more messages)"
    assert len(text(flow, detail=4).splitlines()) == 23


def test_websocket_messages() -> None:
    flow = http(status=101)
    messages = [spoken(True, b"hi", START), spoken(False, b"no", START, is_dropped=True)]
    flow.websocket = WebSocketData(messages, closed_by_client=True, close_code=1000, close_reason="done")
    assert text(flow, detail=3).splitlines()[-4:] == [
        "    -> hi",
        "    <- no (dropped)",
        "    closed by the client: 1000 done",
        "",
    ]


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0ms"), (0.0349, "35ms"), (0.9996, "1.0s"), (12.34, "12.3s"), (600, "600s")])
def test_durations(seconds: float, shown: str) -> None:
    assert format_duration(seconds) == shown


# JSON


def test_a_flow_as_json() -> None:
    flow = http(Content_Type="text/plain")
    assert flow.server is not None
    flow.server.tls = TlsFacts(
        *("TLSv1.3", "X", "example.com", (b"h2", b"http/1.1"), b"http/1.1", (b"der",), False),
        started_at=START + 0.005,
        established_at=START + 0.015,
    )
    parsed = json.loads(flow_line(flow))
    assert parsed["started"] == "2023-11-14T22:13:20.000+00:00"
    assert (parsed["id"], parsed["type"], parsed["mode"], parsed["duration_ms"]) == (1, "http", "regular", 35)
    assert parsed["request"]["headers"] == [["Host", "example.com:8000"], ["X-A", "1"]]
    assert (parsed["response"]["status_code"], parsed["response"]["size"]) == (200, 5)
    assert parsed["timings"] == {"connect_ms": 5, "tls_ms": 10, "request_ms": 10, "wait_ms": 20, "response_ms": 5}
    assert parsed["client"]["address"] == "127.0.0.1:50000"
    assert parsed["server"]["tls"]["alpn_offers"] == ["h2", "http/1.1"]
    assert "body" not in parsed["response"] and parsed["error"] is None


def test_a_line_is_ascii_and_one_line() -> None:
    flow = http(path=b"/\xff\xc3\xa4\n", X="\x7f\u202e")
    flow.request.headers.add(b"\xfe", b"a\r\nb")
    flow.error = FlowError("h\udcffst", START)
    line = flow_line(flow, detail=4)
    assert line.isascii() and line.count("\n") == 1 and "\x7f" not in line
    parsed = json.loads(line)
    assert parsed["request"]["path"] == "/\\xffä\n"
    assert parsed["request"]["headers"][-1] == ["\\xfe", "a\r\nb"]
    assert parsed["error"]["message"] == "h\\xffst"


def test_streams_as_json() -> None:
    flow = http()
    assert "streams" not in flow_object(flow) and "not_sent" not in flow_object(flow)["request"]
    flow.client_stream, flow.request.not_sent = 7, (b"Upgrade: h2c",)
    shown = flow_object(flow)
    assert shown["streams"] == {"client": 7, "server": None} and shown["request"]["not_sent"] == ["Upgrade: h2c"]


@pytest.mark.parametrize(
    ("body", "coding", "detail", "expected"),
    [
        (b"abc", "", 3, {"text": "abc", "is_decoded": False, "is_cut": False}),
        (b"\xff\x00", "", 3, {"base64": "/wA=", "is_decoded": False, "is_cut": False}),
        (gzip.compress(b"abc"), "gzip", 3, {"text": "abc", "is_decoded": True, "is_cut": False}),
        (b"not gzip", "gzip", 3, {"text": "not gzip", "is_decoded": False, "is_cut": False}),
        (b"x" * (BODY_START + 1), "", 3, {"text": "x" * BODY_START, "is_decoded": False, "is_cut": True}),
        (b"x" * (BODY_START + 1), "", 4, {"text": "x" * (BODY_START + 1), "is_decoded": False, "is_cut": False}),
        (gzip.compress(b"x" * BODY_START * 2), "gzip", 3, {"text": "x" * BODY_START, "is_decoded": True, "is_cut": True}),
        (b"x" * (BODY_START - 1) + "ä".encode(), "", 3, {"text": "x" * (BODY_START - 1), "is_decoded": False, "is_cut": True}),
        (b"", "gzip", 4, {"text": "", "is_decoded": False, "is_cut": False}),
    ],
)
def test_bodies_as_json(body: bytes, coding: str, detail: int, expected: dict[str, Any]) -> None:
    assert flow_object(http(body=body, Content_Encoding=coding), detail)["response"]["body"] == expected


def test_messages_as_json() -> None:
    assert "messages" not in flow_object(tcp(b"a"), 2)
    messages = flow_object(tcp(b"a", b"\xff"), 3)["messages"]
    assert [(each["from_client"], each.get("text"), each.get("base64")) for each in messages] == [
        (True, "a", None),
        (False, None, "/w=="),
    ]


def test_every_field_is_documented() -> None:
    flow = http()
    flow.websocket = WebSocketData([spoken(True, b"hi", START)])
    assert flow.server is not None
    flow.server.tls, flow.error = TlsFacts(), FlowError("x", START)
    documented = (Path(__file__).parent.parent / "docs" / "json.md").read_text()
    names: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            names.update(value)
            for each in value.values():
                collect(each)
        elif isinstance(value, list):
            for each in value:
                collect(each)

    collect([flow_object(flow, 4), flow_object(tcp(b"\xff"), 4)])
    names -= {"message", "time"}  # of an error, in one cell
    assert [name for name in sorted(names) if f"`{name}`" not in documented] == []


# The face


def dump(
    options: Options, out: io.StringIO, *, as_json: bool = False, err: io.StringIO | None = None
) -> tuple[Dump, Store, EventLog]:
    store, log = Store(), EventLog(clock=lambda: START)
    return Dump(options, store, log, out, as_json, err or io.StringIO()), store, log


def test_finished_flows_are_printed_once_in_order() -> None:
    out, running = io.StringIO(), http(1)
    running.is_live = True
    _, store, _ = dump(Options(), out, as_json=True)
    store.listener.flows_added([running, http(2)])
    running.is_live = False
    store.listener.flows_changed([running])
    store.listener.flows_changed([running])
    assert [json.loads(line)["id"] for line in out.getvalue().splitlines()] == [2, 1]


def test_options_apply_at_once() -> None:
    out, options = io.StringIO(), Options(dumper_filter="~c 404")
    _, store, _ = dump(options, out)
    store.listener.flows_added([http(1), http(2, status=404)])
    assert out.getvalue().count("\n") == 1
    options.update(dumper_filter=None, flow_detail=0)
    store.listener.flows_added([http(3)])
    assert out.getvalue().count("\n") == 1
    options.flow_detail = 2
    store.listener.flows_added([http(4)])
    assert "Host: example.com" in out.getvalue()


def test_a_content_view_that_does_not_exist_is_refused() -> None:
    options = Options()
    dump(options, io.StringIO())
    options.dumper_default_contentview = "hex dump"
    with pytest.raises(UserError, match="not 'hexdump'"):
        options.dumper_default_contentview = "hexdump"
    assert options.dumper_default_contentview == "hex dump"


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def printed(out: io.StringIO) -> str:
        dump(Options(), out)[1].listener.flows_added([http()])
        return out.getvalue()

    assert "\x1b[" not in printed(io.StringIO())
    assert "\x1b[32m200 OK\x1b[0m" in printed(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in printed(Terminal())


def test_a_reader_that_went_away_ends_the_output() -> None:
    face, store, _ = dump(Options(), ClosedPipe())
    told: list[bool] = []
    face.on_output_closed = lambda: told.append(True)
    store.listener.flows_added([http(1)])
    store.listener.flows_added([http(2)])
    assert told == [True]


def test_an_output_without_unicode_is_no_error() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    Dump(Options(), (store := Store()), EventLog(), out, False, io.StringIO())
    store.listener.flows_added([http(path="/ä".encode())])
    assert b"/\\xe4 <<" in raw.getvalue()


def test_the_log_goes_to_standard_error() -> None:
    err, store, log = io.StringIO(), Store(), EventLog(clock=lambda: START)
    log.add("alert", "listening")
    options = Options()
    Dump(options, store, log, io.StringIO(), False, err)
    log.add("debug", "detail")
    log.add("warn", "two\nlines\x1b")
    options.termlog_verbosity = "error"
    log.add("warn", "not shown")
    lines = [line.partition("] ")[2] or line for line in err.getvalue().splitlines()]
    assert lines == ["listening", "warn: two", "    lines\\x1b"]


def test_a_burst_is_printed_in_slices_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interceptor.dump._SLICE_SECONDS", 0.0)
    due: list[Callable[[], None]] = []
    out, store = io.StringIO(), Store()
    dump = Dump(Options(), store, EventLog(), out, False, io.StringIO(), due.append)
    burst = [http(number, path=b"/%d" % number) for number in range(1, 6)]

    def printed() -> list[str]:
        return [line.split("8000/")[1].split()[0] for line in out.getvalue().splitlines()]

    store.listener.flows_added([*burst[:3]])
    assert printed() == [] and len(due) == 1, "whoever waits at the moment comes first"
    due.pop()()
    assert printed() == ["1"] and len(due) == 1
    store.listener.flows_added([*burst[3:]])
    assert printed() == ["1"] and len(due) == 1, "it will be looked at soon anyway"
    due.pop()()
    assert printed() == ["1", "2"]
    dump.finish()
    assert printed() == ["1", "2", "3", "4", "5"]
    due.pop()()
    store.listener.flows_added([http(6, path=b"/6")])
    assert printed() == ["1", "2", "3", "4", "5", "6"] and not due


def test_flows_that_come_faster_than_they_are_printed_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interceptor.dump._SLICE_SECONDS", 0.0)
    monkeypatch.setattr("interceptor.dump._MOST_WAITING", 3)
    out, store = io.StringIO(), Store()
    Dump(Options(), store, EventLog(), out, False, io.StringIO(), lambda callback: None)
    store.listener.flows_added([http(number) for number in range(1, 9)])
    assert len(out.getvalue().splitlines()) == 8
