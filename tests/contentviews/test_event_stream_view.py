"""Server-sent events, one by one."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews.event_stream_view import MOST_EVENTS, events, show_event_stream
from interceptor.contentviews.registry import edit_text, reencode, render
from interceptor.contentviews.rendered import ContentFacts, NotThisView, never, text_of
from interceptor.model.arrivals import MOST, Arrivals


def shown(body: bytes, facts: ContentFacts | None = None) -> list[str]:
    return [text_of(line) for line in show_event_stream(body, facts or ContentFacts(), never).lines]


def test_events_with_their_names_ids_and_times() -> None:
    first, second = b"data: one\ndata: more\nid: 7\n\n", b": ping\nevent: price\nretry: 500\ndata: {\"a\":1}\n\n"
    arrivals = Arrivals()
    arrivals.add(len(first), 100.5)
    arrivals.add(len(second) - 1, 101.0)
    arrivals.add(1, 102.25)
    facts = ContentFacts("text/event-stream", arrivals=arrivals, began=100.0)
    assert shown(first + second, facts) == [
        "+0.500 s  message  #7",
        "one",
        "more",
        "",
        "+2.250 s  price  retry 500 ms",
        ": ping",
        "{",
        '  "a": 1',
        "}",
        "",
    ]


def test_what_nobody_hears_is_no_event() -> None:
    body = b": welcome\n\ndata: one\n\nid: 3\nretry: 500\n\n"
    assert shown(body) == ["comment", ": welcome", "", "message", "one", "", "no data  #3  retry 500 ms", ""]
    assert show_event_stream(body, ContentFacts(), never).description == "event stream, 1 event"


def test_what_is_not_complete_is_shown_as_such() -> None:
    assert shown(b"data: one\n\ndata: tw")[-2:] == ["not complete yet", "data: tw"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_all_line_ends(end: bytes) -> None:
    found, begin = events(end.join([b"\xef\xbb\xbfdata:a", b"data: b", b"", b"data", b"", b""]), never)
    assert [event.data for event in found] == [[b"a", b"b"], [b""]] and begin > 0


def test_what_is_no_event_stream_is_refused() -> None:
    with pytest.raises(NotThisView):
        events(b"<html>\n<body>\n", never)


def test_a_line_without_an_end_takes_time_in_proportion() -> None:
    started = time.process_time()
    with pytest.raises(NotThisView):
        events(b"x" * 2_000_000, never)
    assert events(b"data: 1\n\n" + b"x" * 2_000_000, never)[1] == 9
    assert time.process_time() - started < 5, "from each byte to the end it would be hours"


def test_many_events_are_cut_at_the_front() -> None:
    lines = shown(b"data: x\n\n" * (MOST_EVENTS + 5))
    assert "5 earlier events" in lines[0] and lines.count("x") == MOST_EVENTS


@given(st.binary(max_size=200))
def test_noise_is_shown_or_refused(noise: bytes) -> None:
    try:
        text = "".join(shown(noise))
    except NotThisView:
        return
    assert "\x1b" not in text and "\0" not in text


def test_arrivals_stay_small() -> None:
    arrivals = Arrivals()
    for index in range(MOST + 10):
        arrivals.add(2, float(index))
    assert arrivals.time_of(0) == 0.0 and arrivals.time_of(3) == 1.0
    assert arrivals.time_of(2 * (MOST + 10) - 1) == MOST - 1 and arrivals.time_of(2 * (MOST + 10)) is None


def test_the_content_type_chooses_the_view() -> None:
    rendered = render(b"data: {\"a\": 1}\n\n", "auto", ContentFacts("text/event-stream; charset=utf-8"))
    assert rendered.view_name == "event stream"


def test_times_are_no_part_of_an_edited_text() -> None:
    frame = b"\0\0\0\0\x02\x08\x01"
    arrivals = Arrivals()
    arrivals.add(len(frame), 101.0)
    facts = ContentFacts("application/grpc", arrivals=arrivals, began=100.0)
    assert text_of(render(frame, "grpc", facts).lines[0]).startswith("+1.000 s  message")
    assert edit_text("grpc", frame, facts).startswith("message")
    assert reencode("grpc", edit_text("grpc", frame, facts), frame, facts) == frame
