from __future__ import annotations

from interceptor.model.body import MemoryBody, UnkeptBody
from interceptor.model.flow import FlowError, HoldPoint
from interceptor.model.http import Headers, Response
from interceptor.tui.present.message import body_note, missing_response, request_head, response_head
from interceptor.tui.present.paragraphs import Paragraph, plain
from tests.tui.some_flows import http_flow


def texts(paragraphs: list[Paragraph]) -> list[str]:
    return [plain(paragraph.line).rstrip() for paragraph in paragraphs]


def test_a_request_as_it_was_on_the_wire() -> None:
    flow = http_flow(target=b"/a?x=1&y=b%20c&x=", request_fields=[(b"X-Long-Name", b"v"), (b"host", b"again")])
    assert texts(request_head(flow)) == [
        "GET /a?x=1&y=b%20c&x= HTTP/1.1",
        "Host         example.com",
        "X-Long-Name  v",
        "host         again",
        "",
        "Query  3 parameters",
        "x  1",
        "y  b c",
        "x",
    ]


def test_values_are_utf8_or_escaped() -> None:
    flow = http_flow(request_fields=[(b"X-A", "grüße".encode()), (b"X-B", b"gr\xfc\xdfe\x1b[0m")])
    assert texts(request_head(flow))[2:] == ["X-A   grüße", "X-B   gr\\xfc\\xdfe\\x1b[0m"]


def test_continuations_are_indented_below_the_value() -> None:
    paragraph = request_head(http_flow(request_fields=[(b"Cookie", b"c" * 300)]))[2]
    assert paragraph.indent == plain(paragraph.line).index("c" * 300)


def test_what_http2_carries_in_pseudo_fields_is_shown() -> None:
    flow = http_flow(target=b"/p")
    flow.request.http_version = "HTTP/2"
    flow.request.authority = "example.com:443"
    flow.request.headers = Headers([(b"accept", b"*/*")])
    assert texts(request_head(flow)) == [
        "GET /p HTTP/2",
        ":method     GET",
        ":authority  example.com:443",
        ":scheme     https",
        ":path       /p",
        "accept      */*",
    ]


def test_informational_responses_come_first_and_trailers_last() -> None:
    flow = http_flow()
    assert flow.response is not None
    flow.informational = [Response(103, b"Early Hints", headers=Headers([(b"Link", b"</a>")]))]
    flow.response.trailers = Headers([(b"Checksum", b"1")])
    shown = texts(response_head(flow))
    assert shown[:4] == ["HTTP/1.1 103 Early Hints", "Link  </a>", "", "HTTP/1.1 200 OK"]
    assert shown[-2:] == ["Trailers  sent after the body", "Checksum  1"]


def test_edited_fields_are_marked() -> None:
    flow = http_flow(request_fields=[(b"A", b"1"), (b"B", b"2")])
    flow.backup()
    flow.request.headers["B"] = "3"
    styles = {plain(paragraph.line): paragraph.line[-1][0] for paragraph in request_head(flow)}
    assert styles["A     1"] == "field value"
    assert styles["B     3"] == "changed"


def test_words_for_bodies() -> None:
    flow = http_flow(body=b"x" * 10)
    assert flow.response is not None
    assert body_note(flow, flow.response) == ("", "")
    assert body_note(flow, flow.request) == ("note", "No body.")

    flow.response.headers["Content-Length"] = "4096"
    assert body_note(flow, flow.response) == ("warning", "10b of 4k of the body are here.")
    flow.is_live, flow.response.timestamp_end = True, None
    assert body_note(flow, flow.response) == ("live", "The body is still arriving: 10b of 4k so far.")
    flow.is_live, flow.error = False, FlowError("reset", 0)
    assert body_note(flow, flow.response) == ("error", "The body is not complete: 10b of 4k arrived before the flow failed.")
    flow.response.body = MemoryBody(b"abc")
    flow.response.body.is_truncated = True
    assert body_note(flow, flow.response)[1].startswith("Only the first 3b of the body were kept")
    flow.response.body = UnkeptBody(2_000_000)
    assert body_note(flow, flow.response)[1].startswith("1.9m of the body were passed on and not kept")


def test_a_body_that_is_held_back_at_the_head() -> None:
    flow = http_flow("PUT", status=0)
    flow.is_live, flow.held, flow.body_is_editable = True, HoldPoint.REQUEST, False
    style, sentence = body_note(flow, flow.request)
    assert style == "held text"
    assert sentence == "Held at the head. The body waits at the peer: it can be replaced, not edited, and streams after resume."


def test_a_response_to_head_misses_nothing() -> None:
    flow = http_flow("HEAD", body=b"")
    assert flow.response is not None
    flow.response.headers["Content-Length"] = "5000"
    assert body_note(flow, flow.response) == ("note", "No body.")


def test_why_there_is_no_response() -> None:
    flow = http_flow(status=0)
    assert texts(missing_response(flow)) == ["There is no response."]
    flow.is_live = True
    assert texts(missing_response(flow)) == ["Waiting for the response."]
    flow.held = HoldPoint.REQUEST
    assert texts(missing_response(flow))[0].startswith("The request is held here")
    flow.error = FlowError("refused", 0)
    assert texts(missing_response(flow)) == ["There is no response:", "refused"]
