"""Flows that have ended, packed in memory: the same when they are looked at again, small, bounded, and let go of."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from interceptor.model.body import MemoryBody
from interceptor.model.flow import Flow, HttpFlow, TcpFlow, UdpFlow
from interceptor.model.records import FlowEnded, FlowStarted
from interceptor.session.listing import AT_HAND_OF_PACKED
from interceptor.session.packs import PACKED_TOGETHER, Packs
from interceptor.session.spool import Spool
from interceptor.session.store import Store
from tests.session.support import Time, http_flow
from tests.session.test_flow_record import facts, full_flow, raw_flow, spoken_flow

MANY = 3 * AT_HAND_OF_PACKED


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def store(time: Time, tmp_path: Path) -> Store:
    store = Store(time.schedule, Spool(tmp_path), clock=time)
    store.pack_ended()
    return store


def body_of(number: int) -> bytes:
    """That cannot be compressed."""
    return Random(number).randbytes(1_000)


def fill(store: Store, body_of: Callable[[int], bytes] = body_of) -> None:
    for number in range(MANY):
        flow = http_flow(f"/{number}", status=200, is_live=True)
        assert flow.response is not None
        flow.response.body = MemoryBody(body_of(number))
        store.record(FlowStarted(flow))
        flow.is_live = False
        store.record(FlowEnded(flow))
        if number % 50 == 0:
            store.flush()
    store.flush()
    time = store._clock
    assert isinstance(time, Time)
    time.passes(1)


def packed_ids(store: Store) -> list[int]:
    return [flow_id for flow_id in store.table.ids() if store.at_hand(flow_id) is None]


def test_most_are_packed_and_all_are_as_they_were(store: Store) -> None:
    fill(store)
    assert len(store) == MANY
    assert len(packed_ids(store)) >= MANY - AT_HAND_OF_PACKED - AT_HAND_OF_PACKED // 8
    for number, flow in enumerate(store):
        assert isinstance(flow, HttpFlow) and flow.response is not None
        assert (flow.id, flow.request.path) == (number + 1, f"/{number}")
        assert flow.response.body.read() == body_of(number)


def test_a_packed_flow_is_the_same_object_for_everybody(store: Store) -> None:
    fill(store)
    first = store.peek(1)
    assert store.get(1) is first and first in store and store.peek(1) is first


def test_an_edit_of_a_packed_flow_is_kept(store: Store) -> None:
    fill(store)
    flow = store.get(1)
    assert isinstance(flow, HttpFlow)
    flow.comment = "seen"
    store.touch(flow)
    del flow
    fill(store)
    assert store.at_hand(1) is None
    assert store.peek(1).comment == "seen"


def test_what_is_marked_runs_or_cannot_be_said_in_a_record_stays_an_object(store: Store) -> None:
    marked, running, odd = http_flow("marked"), http_flow("running", is_live=True), http_flow("odd")
    marked.marker, odd.metadata["of a script"] = "default", object()
    for flow in (marked, running, odd):
        store.add(flow)
    fill(store)
    assert [store.at_hand(flow.id) for flow in (marked, running, odd)] == [marked, running, odd]


def test_packed_flows_are_taken_off_the_list_and_put_back(store: Store) -> None:
    fill(store)
    assert store.hide([1, 2]) == [1, 2] and store.get(1) is None
    store.flush()
    store.put_back([1])
    assert isinstance(flow := store.get(1), HttpFlow) and flow.request.path == "/0" and store.get(2) is None


def test_above_the_limit_packs_go_to_the_spool_and_are_read_from_there(store: Store) -> None:
    fill(store)
    store.memory_limit = store.bytes_in_memory // 2
    store.flush()
    assert store.bytes_in_memory <= store.memory_limit
    assert store.spool.bytes_used > 0 and len(store) == MANY
    assert isinstance(flow := store.peek(1), HttpFlow) and flow.request.path == "/0"


def test_packs_that_the_disk_refuses_are_kept_or_dropped_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    fill(store)
    all_of_it = store.bytes_in_memory
    monkeypatch.setattr(os, "pwrite", refuse)
    for part in (2, 4):  # what was refused the first time is known when there has to be more room
        store.memory_limit = all_of_it // part
        store.flush()
        store.spool.settle()
    assert store.bytes_in_memory <= store.memory_limit and 0 < len(store) < MANY
    monkeypatch.undo()
    for flow_id in store.table.ids():
        assert isinstance(flow := store.peek(flow_id), HttpFlow) and flow.response is not None
        assert flow.response.body.read() == body_of(flow_id - 1)


def test_without_room_in_the_spool_the_oldest_are_dropped_in_whole_packs(time: Time, tmp_path: Path) -> None:
    told: list[str] = []
    store = Store(time.schedule, Spool(tmp_path, disk_limit=0), clock=time, warn=told.append)
    store.pack_ended()
    fill(store)
    at_hand = store.get(1)
    assert at_hand is not None
    store.memory_limit = store.bytes_in_memory * 3 // 4
    store.flush()
    assert store.bytes_in_memory <= store.memory_limit
    dropped = MANY - len(store)
    assert 0 < dropped < MANY and store.get(PACKED_TOGETHER) is None
    assert any("oldest" in message for message in told)
    assert [flow.id for flow in store] == sorted({1, *range(MANY - len(store) + 2, MANY + 1)})


def test_a_session_that_is_opened_later_gets_objects(store: Store) -> None:
    fill(store)
    store._unpack_all()
    assert packed_ids(store) == [] and store.bytes_in_memory == sum(store._weights.values())


def test_bodies_in_the_spool_stay_there(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    packs, flow = Packs(spool), http_flow("large", status=200)
    assert flow.response is not None
    body = flow.response.body = spool.new_body()
    body.append(b"x" * 300_000)
    flow.id = 7
    again = packs.load(packs.add([flow]), 7)
    assert isinstance(again, HttpFlow) and again.response is not None and again.response.body is body
    assert packs.weight < 3_000


@pytest.mark.parametrize("flow", [full_flow(), spoken_flow(), raw_flow(TcpFlow), raw_flow(UdpFlow)])
def test_every_kind_of_flow_comes_back(flow: Flow) -> None:
    packs = Packs(Spool())
    again = packs.load(packs.add([flow]), flow.id)
    assert facts(again) == facts(flow)
    assert again.client is flow.client and again.server is flow.server


def test_a_pack_is_small(store: Store) -> None:
    def text(number: int) -> bytes:
        return b"%d of them" % number * 100

    fill(store, text)
    before = store.bytes_in_memory
    fill(store, text)
    assert (store.bytes_in_memory - before) / MANY < 500
