"""A replay is one of the same flow after it was saved and loaded, in both formats, in any order, among other numbers."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest

from interceptor.model.flow import Flow, HttpFlow
from interceptor.session.formats.har import HarWriter
from interceptor.session.formats.mitmproxy_flow import write_flow
from interceptor.session.formats.mitmproxy_write import REPLAY_OF, number_in, state_of_flow
from interceptor.session.formats.recognised import read_flows
from interceptor.session.store import Store
from tests.session.formats.flows import http

FORMATS = pytest.mark.parametrize("is_har", [True, False], ids=["HAR", "mitmproxy"])


def saved(flows: Sequence[Flow], is_har: bool) -> bytes:
    stream = io.BytesIO()
    if is_har:
        writer = HarWriter(stream)
        for flow in flows:
            writer.write(flow)
        writer.close()
    else:
        for flow in flows:
            write_flow(stream, flow)
    return stream.getvalue()


def loaded(raw: bytes, first: int = 1) -> tuple[list[Flow], list[Flow]]:
    """What a list has of it whose numbers begin there, and the flows that were told of later."""
    store = Store(lambda delay, deed: None)
    for _ in range(first - 1):
        store.next_id()
    linked: list[Flow] = []
    flows = []
    for flow in read_flows(io.BytesIO(raw), pytest.fail, linked.append):
        assert flow.id == 0, "numbers of a file mean nothing here"
        store.add(flow)
        flows.append(flow)
    return flows, linked


def numbered(number: int, replay_of: int | None = None) -> HttpFlow:
    flow = http(replay_of=replay_of)
    flow.id = number
    return flow


@FORMATS
def test_links_come_back_with_other_numbers(is_har: bool) -> None:
    raw = saved([numbered(7), numbered(9, replay_of=7), numbered(12, replay_of=9), numbered(13, replay_of=7)], is_har)
    flows, linked = loaded(raw, 100)
    assert [flow.id for flow in flows] == [100, 101, 102, 103]
    assert [flow.replay_of for flow in flows] == [None, 100, 101, 100]
    assert linked == []


@FORMATS
def test_a_replay_may_stand_before_what_it_is_one_of(is_har: bool) -> None:
    flows, linked = loaded(saved([numbered(9, replay_of=7), numbered(8, replay_of=7), numbered(7)], is_har), 50)
    assert [flow.replay_of for flow in flows] == [52, 52, None]
    assert linked == flows[:2], "whoever keeps flows hears of it"


@FORMATS
def test_what_is_not_in_the_file_is_unknown_and_it_stays_a_replay(is_har: bool) -> None:
    flows, linked = loaded(saved([numbered(9, replay_of=7), numbered(10, replay_of=0)], is_har))
    assert [flow.replay_of for flow in flows] == [0, 0] and linked == []
    again, _ = loaded(saved(flows, is_har))
    assert [flow.replay_of for flow in again] == [0, 0]


@FORMATS
def test_of_sessions_one_after_the_other_the_nearest_flow_of_a_number_counts(is_har: bool) -> None:
    flows = [numbered(1), numbered(2, replay_of=1), numbered(1), numbered(2, replay_of=1)]
    assert [flow.replay_of for flow in loaded(saved(flows, is_har))[0]] == [None, 1, None, 3]


@FORMATS
def test_through_both_formats(is_har: bool) -> None:
    flows = loaded(saved(loaded(saved([numbered(5), numbered(6, replay_of=5)], is_har))[0], not is_har), 20)[0]
    assert [flow.replay_of for flow in flows] == [None, 20]


def test_an_id_is_a_uuid_that_has_the_number() -> None:
    one, other = state_of_flow(numbered(77)), state_of_flow(numbered(77))
    assert one["id"] == other["id"] and number_in(one["id"]) == 77
    later = numbered(77)
    later.created_at += 1
    assert state_of_flow(later)["id"] != one["id"], "of another session"
    assert number_in("0f5e4f1c-1b6e-4b57-9d1c-6f0e4b0f0c11") == 0, "mitmproxy's"
    assert number_in("nonsense") == 0


def test_the_metadata_are_the_flows_own() -> None:
    flow = numbered(6, replay_of=5)
    flow.metadata["mine"] = 1
    assert state_of_flow(flow)["metadata"] == {"mine": 1, REPLAY_OF: 5}
    assert loaded(saved([flow], False))[0][0].metadata == {"mine": 1}
