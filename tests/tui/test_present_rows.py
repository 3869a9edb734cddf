from __future__ import annotations

import pytest

from interceptor.model.body import MemoryBody
from interceptor.model.flow import Flow, FlowError, HoldPoint, HttpFlow, WebSocketData
from interceptor.tui.present.rows import duration, flow_row, row_layout, status_style, type_style, type_text
from interceptor.tui.present.text import clock, line_width
from tests.support.websocket_messages import spoken
from tests.tui.some_flows import START, http_flow, tcp_flow


def row(flow: Flow, columns: int = 80, is_focused: bool = False, now: float = START + 1, showhost: bool = False) -> str:
    return "".join(text for _, text in flow_row(flow, row_layout(columns, showhost), is_focused, now))


def styles(flow: Flow, columns: int = 80) -> dict[str, str]:
    return {text.strip(): style for style, text in flow_row(flow, row_layout(columns), False, START + 1)}


def words(flow: Flow, columns: int = 80, now: float = START + 1) -> list[str]:
    return row(flow, columns, now=now).split()


def test_a_narrow_row_has_what_matters() -> None:
    assert words(http_flow(target=b"/data.json?a=1"), 80) == ["GET", "example.com/data.json?a=1", "200", "257b", "6ms"]


def test_a_wide_row_has_all() -> None:
    flow = http_flow("POST", target=b"/login", content_type=b"application/json")
    expected = [clock(START), "https", "POST", "example.com", "/login", "200", "application/json", "257b", "6ms"]
    assert words(flow, 160) == expected
    assert words(flow, 120)[6:] == ["json", "257b", "6ms"]


@pytest.mark.parametrize("columns", range(1, 220))
def test_every_width_is_filled_exactly(columns: int) -> None:
    flows = [http_flow(target=b"/a/" + b"long/" * 50 + b"?q=" + b"1" * 90), tcp_flow((True, b"hi")), http_flow(host="日本" * 20)]
    flows[0].error = FlowError("no route to host", START)
    if columns >= 13:
        assert [line_width(flow_row(flow, row_layout(columns), True, START)) for flow in flows] == [columns] * 3


def test_the_cursor_and_the_state_are_at_the_left() -> None:
    held, failed, live = http_flow(), http_flow(status=0), http_flow()
    held.held, held.is_live = HoldPoint.REQUEST, True
    failed.error = FlowError("refused", START)
    live.is_live = True
    assert row(held, is_focused=True).startswith("▸❚❚ GET")
    assert row(failed).startswith(" ✗  GET")
    assert row(live).startswith(" •  GET")
    assert row(http_flow()).startswith("    GET")


def test_a_held_flow_says_so_loudly_and_keeps_its_status() -> None:
    flow = http_flow(target=b"/app.js")
    flow.held = HoldPoint.RESPONSE
    assert words(flow)[-5:] == ["example.com/app.js", "200", "response", "held", "6ms"]
    assert styles(flow)["response held"] == "held"
    assert "held" in words(flow, 40), "in one word where there is no room for two"


def test_a_held_tcp_message_is_shown_as_held() -> None:
    flow = tcp_flow((True, b"hi"))
    flow.held = HoldPoint.MESSAGE
    assert "message held" in row(flow)


def test_an_error_is_told_in_words_beside_a_short_address() -> None:
    flow = http_flow(target=b"/refused", status=0)
    flow.error = FlowError("connection refused by 192.0.2.7:443.\nIs the server running?", START + 0.003)
    assert "example.com/refused   connection refused by 192.0.2.7:443.  " in row(flow)
    assert styles(flow)["connection refused by 192.0.2.7:443."] == "error"


def test_a_long_error_leaves_half_of_the_room_to_a_long_address() -> None:
    flow = http_flow(target=b"/" + b"a" * 200, status=0)
    flow.error = FlowError("e" * 200, START)
    shown = row(flow)
    address, error = shown.split()[2:4]
    assert (len(address), len(error)) == (28, 29)


def test_live_flows_show_the_bytes_so_far_and_the_time_so_far() -> None:
    flow = http_flow(body=b"x" * 2048)
    assert flow.response is not None
    flow.is_live, flow.ended_at, flow.response.timestamp_end = True, None, None
    assert words(flow, now=START + 5)[-2:] == ["2k", "5.0s"]
    assert styles(flow)["2k"] == "live"


def test_an_upload_is_shown_as_long_as_there_is_no_response() -> None:
    flow = http_flow("PUT", status=0, request_body=b"x" * 5000)
    flow.is_live, flow.ended_at = True, None
    assert words(flow)[-3:] == ["…", "↑4.9k", "1.0s"]


def test_a_raw_conversation_shows_both_ends_and_its_bytes() -> None:
    flow = tcp_flow((False, b"220 hello"), (True, b"EHLO"))
    assert words(flow, 120)[2:] == ["TCP", "127.0.0.1:40000", "⇄", "mail.example:25", "2", "messages", "13b", "10ms"]
    assert "mail.example:25" in row(flow, 40)


def test_a_websocket_counts_its_messages() -> None:
    flow = http_flow(status=101, content_type=b"")
    flow.websocket = WebSocketData([spoken(True, b"hi", START)])
    assert {"wss", "1", "message"} <= set(words(flow, 120))


def test_marks() -> None:
    flow = http_flow()
    flow.marker, flow.replay_of, flow.is_modified = "default", 3, True
    assert row(flow, 120).endswith(" ● ↺✎")
    assert row(flow, 80).endswith(" ● ")
    flow.marker = ""
    assert row(flow, 80).endswith(" ↺ ")
    flow.marker = ":red_circle:"
    assert row(flow, 120).endswith(" 🔴↺✎")


def test_the_last_segment_of_a_long_path_stays() -> None:
    flow = http_flow(target=b"/assets/vendor/deep/deeper/deepest/bootstrap.min.css?v=1234567890123456789012345678901234567890")
    shown = row(flow, 100)
    assert "…/bootstrap.min.css?v=12… " in shown


def test_showhost_shows_the_name_that_the_client_gave() -> None:
    flow = http_flow(host="192.0.2.1", request_fields=[])
    flow.request.headers["Host"] = "example.org"
    assert "192.0.2.1/" in row(flow)
    assert "example.org/" in row(flow, showhost=True)


def test_ports_are_shown_where_they_are_not_the_usual_ones() -> None:
    flow = http_flow()
    flow.request.port = 8443
    assert "example.com:8443/" in row(flow)
    assert "example.com:443" in row(http_flow("CONNECT", target=b"example.com:443"))


def test_hostile_fields_are_escaped() -> None:
    flow = http_flow("G\x1bT", target=b"/\x1b[31m\x00\xff", content_type=b"text/\x1b[0m")
    shown = row(flow, 160)
    assert "/\\x1b[31m\\x00\\xff" in shown
    assert shown.isprintable()


def test_colours_have_meaning() -> None:
    assert [status_style(code) for code in (101, 200, 302, 404, 503)] == [f"status {digit}xx" for digit in range(1, 6)]
    assert status_style(999) == "error"
    assert type_style("application/problem+json; charset=utf-8") == "type data"
    assert type_style("image/png") == "type media"
    assert type_text("application/vnd.github.v3+json", 12) == "github…+json"


def test_durations() -> None:
    finished = http_flow(milliseconds=250)
    assert duration(finished, START + 99) == pytest.approx(0.25)
    failed = http_flow(status=0)
    failed.ended_at, failed.error = None, FlowError("x", START + 2)
    assert duration(failed, START + 99) == pytest.approx(2)
    unknown = HttpFlow(1, request=finished.request.copy())
    unknown.request.body = MemoryBody()
    assert duration(unknown, START + 99) is None
