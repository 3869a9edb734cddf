from __future__ import annotations

from typing import Any

from interceptor.contentviews.registry import render_body
from interceptor.contentviews.rendered import Rendered
from interceptor.model.body import Body, MemoryBody
from interceptor.model.flow import FlowError, HoldPoint, WebSocketData
from interceptor.session.messages import MessageLog
from interceptor.session.spool import Spool
from interceptor.tui.flow_view import FlowDetail
from tests.support.websocket_messages import spoken
from tests.tui.some_flows import START, Options, http_flow, tcp_flow

SIZE = (80, 24)


def detail() -> FlowDetail:
    return FlowDetail(Options(), render_body, {}, lambda: None, now=lambda: START + 1)


def screen(widget: FlowDetail, size: tuple[int, int] = SIZE) -> list[str]:
    return [row.decode().rstrip() for row in widget.render(size).text]


def test_a_response_with_its_body() -> None:
    widget = detail()
    widget.show(http_flow(target=b"/data.json", content_type=b"application/json", body=b'{"a": 1}', milliseconds=3), "response")
    shown = screen(widget)
    assert shown[0].endswith("GET https://example.com/data.json")
    assert shown[1].split() == ["←", "200", "OK", "application/json", "8b", "3ms"]
    assert shown[2].split() == ["Request", "Response", "Details", "auto"]
    assert shown[3:] == [
        "HTTP/1.1 200 OK",
        "Content-Type    application/json",
        "Content-Length  8",
        "",
        "Body  JSON",
        "{",
        '  "a": 1',
        "}",
        *[""] * 13,
    ]


def test_a_stream_that_never_began_says_all_of_why() -> None:
    flow = tcp_flow()
    flow.error = FlowError("the client does not trust the certificate: let it trust the CA; the proxy has a page on how", 0.0)
    widget = detail()
    widget.show(flow, None)
    shown = screen(widget)
    assert shown[1].endswith("…")
    assert shown[3:5] == ["No messages.", ""]
    assert " ".join(shown[5:]).split() == flow.error.message.split()


def test_tabs_go_round_and_the_tab_is_kept_for_the_next_flow() -> None:
    widget = detail()
    widget.show(http_flow(), None)
    assert widget.tab == "request"
    widget.next_tab()
    widget.next_tab()
    assert widget.tab == "detail"
    widget.show(http_flow(), None)
    assert widget.tab == "detail"
    widget.next_tab()
    assert widget.tab == "request"
    widget.previous_tab()
    assert widget.tab == "detail"
    widget.show(tcp_flow((True, b"x")), "response")
    assert widget.tab == "stream"


def test_a_held_response_is_what_one_wants_to_see() -> None:
    widget = detail()
    flow = http_flow()
    flow.held, flow.is_live = HoldPoint.RESPONSE, True
    widget.show(flow, None)
    assert widget.tab == "response"
    shown = screen(widget)
    assert shown[1].endswith("❚❚ held at the response")
    assert "held at the response: it has not been sent to the client" in screen(widget, (120, 24))[1]
    assert "❚❚ Response" in shown[2]


def test_a_held_request_marks_its_tab() -> None:
    widget = detail()
    flow = http_flow(status=0)
    flow.held, flow.is_live = HoldPoint.REQUEST, True
    widget.show(flow, "response")
    rows = list(widget.render(SIZE).content())
    assert ("tab held", None, " ❚❚ Request ".encode()) in rows[2]
    assert "The request is held here" in screen(widget)[3]


def test_a_stream_shows_its_messages_and_follows_them() -> None:
    widget = detail()
    flow = tcp_flow((False, b"220 hello\r\n"), (True, b"EHLO me\r\n"))
    widget.show(flow, None)
    shown = screen(widget)
    assert [line.split() for line in shown[3:8]] == [
        ["←", "server", "+0.0", "ms", "11b"],
        ["220", "hello"],
        [],
        ["→", "server", "+1.0", "ms", "9b"],
        ["EHLO", "me"],
    ]
    flow.messages[1].original, flow.messages[1].body = flow.messages[1].body, MemoryBody(b"EHLO you\r\n")
    widget.refresh()
    assert "edited" in screen(widget)[6]
    assert "EHLO you" in screen(widget)


def test_messages_that_the_session_makes_anew_for_each_look_are_rendered_once() -> None:
    rendered: list[int] = []

    def counted(body: Body, *arguments: Any, **more: Any) -> Rendered:
        rendered.append(body.size)
        return render_body(body, *arguments, **more)

    widget = FlowDetail(Options(), counted, {}, lambda: None, now=lambda: START + 1)
    flow = tcp_flow()
    log = MessageLog(lambda: Spool().new_body())
    flow.messages = log
    log.append(True, b"abc", START, None, False)
    flow.message_count = 1
    widget.show(flow, None)
    assert "abc" in screen(widget)
    widget.refresh()
    screen(widget)
    assert rendered == [3]
    log.append(False, b"defg", START, None, False)
    widget.refresh()
    assert "defg" in screen(widget)
    assert rendered == [3, 3, 4]


def test_a_websocket_has_a_tab_of_messages() -> None:
    widget = detail()
    flow = http_flow(status=101)
    flow.websocket = WebSocketData([spoken(True, b"hi", START, is_injected=True)])
    widget.show(flow, "messages")
    assert screen(widget)[3:5] == ["→ server      +0.0 ms      2b  text  injected", "hi"]


def test_a_chosen_content_view_is_for_that_tab_of_that_flow() -> None:
    widget = detail()
    flow = http_flow(body=b'{"a": 1}', content_type=b"application/json")
    widget.show(flow, "response")
    widget.set_content_view("hex dump")
    assert widget.content_view() == "hex dump"
    assert any(line.startswith("0000") and "7b" in line for line in screen(widget))
    widget.show(flow, "request")
    assert widget.content_view() == "auto"
    widget.show(http_flow(identity=2), "response")
    assert widget.content_view() == "auto"
    widget.show(flow, "response")
    assert widget.content_view() == "hex dump"


def test_a_search_is_marked_in_place_scrolled_to_and_counted() -> None:
    widget = detail()
    body = b"\n".join(b"line %d hay" % number for number in range(120)) + b"\nNEEDLE\n"
    widget.show(http_flow(body=body, content_type=b"text/plain"), "response")
    screen(widget)
    assert widget.search("needle", False) == "1/1"
    rows = list(widget.render(SIZE).content())
    assert [(style, text) for row in rows for style, _, text in row if style == "match current"] == [("match current", b"NEEDLE")]
    assert "1/1" in screen(widget)[2]
    assert widget.search("nowhere", False) == "not found: nowhere"
    assert widget.search("hay", True) != "1/120"
    first = widget.search_next()
    assert widget.search_previous() != first


def test_a_click_on_a_tab_and_the_wheel() -> None:
    widget = detail()
    widget.show(http_flow(body=b"\n".join([b"x"] * 200), content_type=b"text/plain"), "request")
    row = screen(widget)[2]
    assert widget.mouse_event(SIZE, "mouse press", 1, row.index("Response"), 2, True)
    assert widget.tab == "response"
    assert screen(widget)[3] == "HTTP/1.1 200 OK"
    assert widget.mouse_event(SIZE, "mouse press", 5, 0, 10, True)
    assert screen(widget)[3] == ""
    assert not widget.mouse_event(SIZE, "mouse press", 1, 79, 2, True)


def test_keys_move_the_window_of_this_tab_only() -> None:
    widget = detail()
    widget.show(http_flow(body=b"\n".join([b"x"] * 200), content_type=b"text/plain"), "response")
    screen(widget)
    assert widget.keypress(SIZE, "end") is None
    assert "100%" in screen(widget)[2]
    assert widget.keypress(SIZE, "q") == "q"
    widget.show(widget.flow, "request") if widget.flow else None
    assert screen(widget)[3] == "GET / HTTP/1.1"
    widget.show(widget.flow, "response") if widget.flow else None
    assert "100%" in screen(widget)[2], "its place is kept"


def test_a_refresh_shows_what_has_come_since() -> None:
    widget = detail()
    flow = http_flow(status=0)
    flow.is_live = True
    widget.show(flow, "response")
    assert screen(widget)[3] == "Waiting for the response."
    flow.response = http_flow(body=b"there").response
    widget.refresh()
    assert "there" in screen(widget)


def test_an_error_is_told_in_full() -> None:
    widget = detail()
    flow = http_flow()
    flow.error = FlowError("the server closed the connection " + "very " * 30 + "early", START)
    widget.show(flow, "response")
    assert "early" in " ".join(screen(widget)[3:6])


def test_a_large_body_is_indented_when_all_is_asked_for() -> None:
    widget = detail()
    body = b'{"a": "' + b"x" * (3 * 1024 * 1024) + b'"}'
    widget.show(http_flow(body=body, content_type=b"application/json"), "response")
    assert "too large to pretty-print" in "".join(screen(widget))
    widget.toggle_full()
    assert "too large to pretty-print" not in "".join(screen(widget))
    assert "{" in screen(widget)


def test_nothing_to_show() -> None:
    widget = detail()
    for deed in (widget.next_tab, widget.refresh, widget.toggle_full, lambda: widget.move(3), widget.end, widget.scroll_right):
        deed()
    assert screen(widget) == [""] * 24
    assert widget.search("x", False) == "not found: x"
