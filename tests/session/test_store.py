"""What the store keeps, what it tells and when, and how it stays within its budget."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from pathlib import Path

import pytest

from interceptor.addons.finished import FinishedFlows
from interceptor.model.body import SPOOL_FROM, MemoryBody
from interceptor.model.connection import Connection, Side
from interceptor.model.flow import Flow, HoldPoint, HttpFlow, TcpFlow
from interceptor.model.http import Response
from interceptor.model.records import BodyData, FlowChanged, FlowEnded, FlowStarted, MessageData
from interceptor.session.spool import BodySlice, Spool, SpooledBody
from interceptor.session.store import Store
from interceptor.session.view import View
from interceptor.session.weight import bytes_of
from interceptor.specs.filter import parse
from tests.session.support import Time, http_flow


class Told:
    """A listener that writes down what it is told, by path."""

    def __init__(self, store: Store) -> None:
        self.said: list[tuple[str, list[int]]] = []
        store.subscribe(self)

    def flows_added(self, flows: list[Flow]) -> None:
        self.said.append(("added", [flow.id for flow in flows]))

    def flows_changed(self, flows: list[Flow]) -> None:
        self.said.append(("changed", [flow.id for flow in flows]))

    def flows_removed(self, flow_ids: Sequence[int]) -> None:
        self.said.append(("removed", list(flow_ids)))

    def flows_returned(self, flow_ids: Sequence[int], live: list[Flow]) -> None:
        self.said.append(("returned", list(flow_ids)))

    def news(self) -> list[tuple[str, list[int]]]:
        said, self.said = self.said, []
        return said


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def store(time: Time, tmp_path: Path) -> Store:
    return Store(time.schedule, Spool(tmp_path), clock=time)


def started(store: Store, path: str = "/", status: int | None = 200) -> HttpFlow:
    flow = http_flow(path, status=status, is_live=True)
    store.record(FlowStarted(flow))
    return flow


def ended(store: Store, path: str = "/", body: bytes = b"") -> HttpFlow:
    flow = started(store, path)
    if body:
        store.record(BodyData(flow, answer(flow), body))
    flow.is_live = False
    store.record(FlowEnded(flow))
    return flow


def answer(flow: HttpFlow) -> Response:
    assert flow.response is not None
    return flow.response


# --- the list


def test_flows_are_numbered_and_found(store: Store) -> None:
    one, two = started(store), started(store)
    assert (one.id, two.id, store.next_id()) == (1, 2, 3)
    assert list(store) == [one, two]
    assert (store.get(2), store.get(9), len(store)) == (two, None, 2)
    assert one in store


def test_a_flow_that_comes_with_a_number_keeps_its_place(store: Store) -> None:
    flows = [started(store) for _ in range(5)]
    store.remove([flows[1], flows[3]])
    store.add(flows[3])
    store.add(flows[1])
    assert list(store) == flows
    loaded = http_flow()
    loaded.id = 40
    store.add(loaded)
    assert started(store).id == 41


def test_a_number_that_another_flow_has_is_not_taken_twice(store: Store) -> None:
    first, twin = started(store), http_flow()
    twin.id = first.id
    store.add(twin)
    assert twin.id == 2
    assert list(store) == [first, twin]


def test_adding_twice_adds_once(store: Store) -> None:
    flow = http_flow()
    store.add(flow)
    store.record(FlowStarted(flow))
    store.add(flow)
    assert len(store) == 1
    store.clear()
    assert store.bytes_in_memory == 0


# --- what is told


def test_news_come_in_batches_at_most_thirty_times_a_second(store: Store, time: Time) -> None:
    told = Told(store)
    for _ in range(100):
        started(store)
        time.passes(0.001)
    assert sum(len(ids) for _, ids in told.said) > 50
    assert len(told.news()) <= 4
    assert time.passes(1) == 1
    assert time.is_quiet


def test_each_flow_is_told_once_in_a_batch(store: Store) -> None:
    told, flow = Told(store), started(store)
    store.record(FlowChanged(flow))
    store.record(FlowEnded(flow))
    store.flush()
    assert told.news() == [("added", [1])]
    store.record(FlowChanged(flow))
    store.touch(flow)
    store.record(BodyData(flow, flow.request, b"x"))
    store.flush()
    assert told.news() == [("changed", [1])]
    store.flush()
    assert told.news() == []


def test_what_came_and_went_between_two_batches_is_not_told(store: Store) -> None:
    told, flow = Told(store), started(store)
    store.remove([flow])
    store.flush()
    assert told.news() == []
    store.add(flow)
    store.flush()
    told.news()
    store.remove([flow])
    store.add(flow)
    store.flush()
    assert told.news() == [("changed", [1])]


def test_flush_tells_now_and_unsubscribing_ends_it(store: Store) -> None:
    told = Told(store)
    started(store)
    store.flush()
    assert told.news() == [("added", [1])]
    store.unsubscribe(told)
    started(store)
    store.flush()
    assert told.news() == []


# --- bodies


def test_a_small_body_stays_in_memory(store: Store) -> None:
    flow = started(store)
    store.record(BodyData(flow, answer(flow), b"hello "))
    store.record(BodyData(flow, answer(flow), b"world"))
    assert type(answer(flow).body) is MemoryBody
    assert answer(flow).body.read() == b"hello world"


def test_a_body_moves_to_the_spool_when_it_is_no_longer_small(store: Store) -> None:
    flow = started(store)
    before = store.bytes_in_memory
    for number in range(256):
        store.record(BodyData(flow, answer(flow), bytes([number]) * 1_023))
    assert type(answer(flow).body) is MemoryBody
    assert store.bytes_in_memory == before + 256 * 1_023
    store.record(BodyData(flow, answer(flow), b"x" * 256))
    assert type(answer(flow).body) is SpooledBody
    assert store.bytes_in_memory == before
    assert answer(flow).body.read() == b"".join(bytes([number]) * 1_023 for number in range(256)) + b"x" * 256


@pytest.mark.parametrize(
    ("length", "kind"),
    [
        (str(SPOOL_FROM), SpooledBody),
        (str(SPOOL_FROM - 1), MemoryBody),
        ("not a number", MemoryBody),
        ("9" * 5_000, MemoryBody),
        ("²²²²²²²²", MemoryBody),
    ],
)
def test_an_announced_length_decides_from_the_first_byte(store: Store, length: str, kind: type) -> None:
    flow = started(store)
    answer(flow).headers.add("content-LENGTH", length)
    store.record(BodyData(flow, answer(flow), b"x"))
    assert type(answer(flow).body) is kind
    assert answer(flow).body.read() == b"x"


def test_when_a_flow_has_ended_its_spooled_body_leaves_memory(store: Store) -> None:
    flow = started(store)
    store.record(BodyData(flow, answer(flow), b"x" * (SPOOL_FROM + 1_000)))
    body = answer(flow).body
    assert isinstance(body, SpooledBody)
    store.record(BodyData(flow, answer(flow), b"tail"))
    body.settle()
    assert 4 <= body.bytes_in_memory < 64 * 1024
    store.record(FlowEnded(flow))
    body.settle()
    assert body.bytes_in_memory == 0
    assert body.read(SPOOL_FROM + 1_000) == b"tail"


def test_the_disk_is_given_back_when_a_flow_goes(store: Store) -> None:
    flow = ended(store, body=b"x" * 1_000_000)
    assert store.spool.bytes_used >= 1_000_000
    store.clear()
    store.flush()
    del flow
    store.spool.settle()
    gc.collect()
    assert store.spool.bytes_used == 0


def test_a_duplicate_keeps_the_body_that_it_shares(store: Store) -> None:
    flow = ended(store, body=b"x" * 1_000_000)
    twin = HttpFlow(0, request=flow.request.copy(), response=answer(flow).copy())
    store.add(twin)
    store.remove([flow])
    store.flush()
    del flow
    gc.collect()
    ended(store, body=b"y" * 1_000_000)
    assert answer(twin).body.read() == b"x" * 1_000_000


# --- messages


def tcp_flow(store: Store) -> TcpFlow:
    flow = TcpFlow(0, is_live=True, server=Connection(Side.SERVER, peer=("example.com", 25)))
    store.record(FlowStarted(flow))
    return flow


def test_messages_are_kept_with_what_was_received_and_what_was_dropped(store: Store) -> None:
    flow = tcp_flow(store)
    store.record(MessageData(flow, False, b"220 hello", 1.0))
    store.record(MessageData(flow, True, b"EHLO you", 2.0, original=b"EHLO me"))
    store.record(MessageData(flow, True, None, 3.0, original=b"QUIT"))
    assert [(each.from_client, each.body.read(), each.timestamp, each.is_dropped) for each in flow.messages] == [
        (False, b"220 hello", 1.0, False),
        (True, b"EHLO you", 2.0, False),
        (True, b"QUIT", 3.0, True),
    ]
    originals = [each.original.read() if each.original else None for each in flow.messages]
    assert originals == [None, b"EHLO me", None]
    assert (flow.message_count, flow.byte_count) == (3, 21)


def test_a_long_conversation_goes_to_the_spool(store: Store) -> None:
    flow = tcp_flow(store)
    before = store.bytes_in_memory
    for number in range(1_000):
        store.record(MessageData(flow, number % 2 == 0, bytes([number % 256]) * 1_000, float(number)))
    assert store.bytes_in_memory < before + 20_000
    assert flow.messages[999].body.read() == bytes([999 % 256]) * 1_000
    assert flow.messages[0].body.read() == bytes(1_000)
    assert flow.byte_count == 1_000_000


# --- live flows that are off the list


def test_a_removed_live_flow_goes_on_unseen_and_its_body_stays_whole(store: Store) -> None:
    told, flow = Told(store), started(store)
    store.record(BodyData(flow, answer(flow), b"before "))
    store.flush()
    told.news()
    store.clear()
    store.flush()
    assert told.news() == [("removed", [1])]
    store.record(BodyData(flow, answer(flow), b"after"))  # the exchange may be collecting it
    store.record(FlowChanged(flow))
    store.record(FlowEnded(flow))
    store.flush()
    assert told.news() == []
    assert (len(store), store.bytes_in_memory) == (0, 0)
    assert (answer(flow).body.read(), flow.is_live, flow.error) == (b"before after", True, None)
    store.add(flow)
    store.flush()
    assert told.news() == [("returned", [1])]
    assert store.bytes_in_memory > 0


def test_messages_of_a_removed_conversation_are_dropped(store: Store) -> None:
    flow = tcp_flow(store)
    store.remove([flow])
    store.record(MessageData(flow, True, b"x" * 1_000_000, 1.0))
    assert (len(flow.messages), store.bytes_in_memory, store.spool.bytes_used) == (0, 0, 0)


def test_nothing_refers_to_a_removed_flow_any_more(store: Store) -> None:
    flow = ended(store, body=b"x")
    store.flush()
    store.record(BodyData(flow, flow.request, b"x" * SPOOL_FROM))
    assert isinstance(flow.request.body, SpooledBody)
    spooled = weakref.ref(flow.request.body)
    store.clear()
    store.flush()
    del flow
    store.spool.settle()
    gc.collect()
    assert spooled() is None


# --- the budget


def small_store(time: Time, tmp_path: Path, limit: int, told: list[str], disk_limit: int | None = None) -> Store:
    return Store(time.schedule, Spool(tmp_path, disk_limit=disk_limit), memory_limit=limit, warn=told.append, clock=time)


def test_small_bodies_of_the_oldest_flows_move_first(time: Time, tmp_path: Path) -> None:
    told: list[str] = []
    store = small_store(time, tmp_path, 2_000_000, told)
    flows = [ended(store, f"/{number}", bytes([number]) * 10_000) for number in range(150)]
    store.flush()
    assert store.bytes_in_memory <= 1_500_000 + 500_000
    flows += [ended(store, f"/{number}", bytes([number]) * 10_000) for number in range(150, 250)]
    store.flush()
    assert store.bytes_in_memory <= 2_000_000
    assert len(store) == 250
    assert told == []
    assert isinstance(answer(flows[0]).body, BodySlice)
    assert isinstance(answer(flows[-1]).body, MemoryBody)
    assert all(answer(flow).body.read() == bytes([number]) * 10_000 for number, flow in enumerate(flows))


def test_the_bodies_of_live_flows_stay_where_they_are(time: Time, tmp_path: Path) -> None:
    store = small_store(time, tmp_path, 100_000, [])
    flow = started(store)
    store.record(BodyData(flow, answer(flow), b"x" * 200_000))
    store.flush()
    assert flow in store
    assert type(answer(flow).body) is MemoryBody
    store.record(BodyData(flow, answer(flow), b"y"))
    assert answer(flow).body.size == 200_001


def test_messages_of_ended_conversations_move_too(time: Time, tmp_path: Path) -> None:
    store = small_store(time, tmp_path, 100_000, [])
    flow = tcp_flow(store)
    store.record(MessageData(flow, True, b"x" * 150_000, 1.0))
    flow.is_live = False
    store.record(FlowEnded(flow))
    store.flush()
    assert store.bytes_in_memory < 10_000
    assert flow.messages[0].body.read() == b"x" * 150_000


def test_when_heads_are_too_many_the_oldest_flows_go_and_the_log_says_so_once_a_minute(time: Time, tmp_path: Path) -> None:
    told: list[str] = []
    store = small_store(time, tmp_path, 100_000, told)
    marked, live, held = ended(store, "/marked"), started(store, "/live"), ended(store, "/held")
    marked.marker, held.held = "default", HoldPoint.RESPONSE
    listener = Told(store)
    for number in range(300):
        ended(store, f"/{number}")
        time.passes(0.05)
    assert store.bytes_in_memory <= 100_000
    assert {marked, live, held} <= set(store)
    newest = [flow.id for flow in store][-50:]
    assert newest == list(range(max(newest) - 49, max(newest) + 1))
    assert len(told) == 1
    gone = [flow_id for what, ids in listener.news() if what == "removed" for flow_id in ids]
    assert gone == sorted(gone)
    assert len(gone) + len(store) == 303
    time.passes(60)
    ended(store)
    time.passes(1)
    assert len(told) == 2
    total = sum(int(text.split("oldest ")[1].split()[0]) for text in told)
    assert total == len(gone) + 1


def test_bodies_are_not_moved_to_a_disk_that_is_full(time: Time, tmp_path: Path) -> None:
    store = small_store(time, tmp_path, 1_000_000, [], disk_limit=2 * 64 * 1024)
    flows = [ended(store, f"/{number}", bytes([number]) * 10_000) for number in range(200)]
    store.flush()
    assert store.bytes_in_memory <= 1_000_000
    kept = [(number, flow) for number, flow in enumerate(flows) if flow in store]
    assert 50 < len(kept) < 150
    assert all(answer(flow).body.read() == bytes([number]) * 10_000 for number, flow in kept)


def test_an_edit_is_weighed_when_the_store_is_told(store: Store) -> None:
    flow = ended(store)
    before = store.bytes_in_memory
    flow.backup()
    answer(flow).set_content(b"x" * 50_000)
    store.touch(flow)
    assert store.bytes_in_memory - before > 50_000
    assert store.weight_of([flow]) == store.bytes_in_memory
    store.remove([flow])
    assert store.bytes_in_memory == 0


def test_what_was_received_and_what_is_sent_share_a_body_until_it_is_edited(store: Store) -> None:
    """Also when it has grown out of memory, and it is weighed once."""
    flow = started(store)
    answer(flow).headers.add("X-Rule", "1")
    flow.backup()
    assert flow.original is not None and flow.original[1] is not None
    for size in (1000, SPOOL_FROM, 5):
        store.record(BodyData(flow, answer(flow), b"x" * size))
        if size == 1000:
            store.touch(flow)
            assert store.bytes_in_memory < 2 * 1000 + weight_without_body(flow)
    assert isinstance(answer(flow).body, SpooledBody)
    assert flow.original[1].body is answer(flow).body


def weight_without_body(flow: HttpFlow) -> int:
    body, answer(flow).body = answer(flow).body, MemoryBody()
    kept = flow.original
    assert kept is not None and kept[1] is not None
    kept_body, kept[1].body = kept[1].body, MemoryBody()
    weight = bytes_of(flow)
    answer(flow).body, kept[1].body = body, kept_body
    return weight


def test_what_is_known_of_flows_that_are_gone_stays_bounded(store: Store) -> None:
    for _ in range(5):
        for _ in range(1_000):
            ended(store)
        store.clear()
        store.flush()
    assert len(store._ended) <= 1_000
    assert len(store._with_bodies) <= 1_000


def test_ended_flows_share_the_fields_that_they_have_in_common(store: Store) -> None:
    one, two = ended(store, "/1"), ended(store, "/2")
    assert one.request.headers.fields[0] is two.request.headers.fields[0]
    assert one.request.headers is not two.request.headers
    two.request.headers["Host"] = "elsewhere"
    assert one.request.headers["host"] == "10.1.1.1"


def test_moving_bodies_takes_their_size_off_and_nothing_else(time: Time, tmp_path: Path) -> None:
    store = small_store(time, tmp_path, 1_000_000, [])
    flows = [ended(store, "/same", b"x" * 10_000) for _ in range(64)]
    before = store.bytes_in_memory
    store.memory_limit = before - 1
    store.flush()
    assert all(isinstance(answer(flow).body, BodySlice) for flow in flows)
    assert store.bytes_in_memory == before - 64 * 10_000


def test_what_has_to_go_is_told_of_first(time: Time, tmp_path: Path) -> None:
    """However small the budget: who prints or saves flows sees each of them once, in the order in which they came."""
    store = Store(time.schedule, Spool(tmp_path), memory_limit=1, clock=time)
    told, finished = Told(store), list[int]()
    store.subscribe(FinishedFlows(lambda flows: finished.extend(flow.id for flow in flows)))
    running = started(store)
    store.flush()
    others = [ended(store) for _ in range(5)]
    running.is_live = False
    store.record(FlowEnded(running))
    store.flush()
    assert finished == [running.id, *(flow.id for flow in others)]
    assert len(store) == 0 and told.news()[-1][0] == "removed"


def test_of_flows_that_were_dropped_nothing_is_kept_however_many_there_are(time: Time, tmp_path: Path) -> None:
    store = Store(time.schedule, Spool(tmp_path), memory_limit=400_000, clock=time)
    view = View(store, time)
    for number in range(20_000):
        ended(store, f"/{number}", body=b"")
        if number % 100 == 99:
            time.passes(1.0)
    assert 0 < len(store) < 1_000
    assert store.table.size < 10_000 and len(store.table.listed) < 20_000
    kept = [flow.request.path for flow in store if isinstance(flow, HttpFlow)]
    assert kept == [f"/{number}" for number in range(20_000 - len(kept), 20_000)]
    view.set_filter(parse("~u /19999$ & ~m GET"))
    while time.passes(1.0):
        pass
    assert [flow.request.path for flow in view if isinstance(flow, HttpFlow)] == ["/19999"]
