"""Every flow of the session, in order of arrival, and the bytes behind them.

    driver ─record(what)─▸ Store ─┬▸ flow joins the list / its bytes go behind its handles     at once, about a microsecond
                                  └▸ listeners: flows_removed, flows_changed, flows_added       at most 30 times a second

* A body grows in memory and moves to the spool at `SPOOL_FROM`; one that announces such a length starts there. The content of a
  raw conversation does the same (see `messages`).
* `bytes_in_memory` is an estimate kept along with every record: what heads, small bodies and messages take. Above `memory_limit`
  the small bodies of the flows that ended first are moved to the spool, and when there are none left those flows themselves are
  dropped, unless marked or held, and the log is told. This happens with the batches, not while recording.
* Removing a flow takes it off the list and nothing else. If it is live it goes on, and its body stays complete behind its handle
  until nobody needs it: the exchange may be collecting that body in order to send it, and undo may put the flow back.
  What else it says is dropped.
* Only the event loop's thread calls the store.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Protocol

from interceptor.model.body import SPOOL_FROM, Body, MemoryBody
from interceptor.model.flow import Flow, HttpFlow, WebSocketMessage
from interceptor.model.http import Message
from interceptor.model.records import (
    BodyData,
    FlowChanged,
    FlowEnded,
    FlowStarted,
    LongWebSocketMessage,
    MessageData,
    Record,
    WebSocketMessageData,
)
from interceptor.session.fields import FieldPool
from interceptor.session.flow_table import FlowTable
from interceptor.session.growing import announces_much, count_spoken, growing_bodies, moved, replace_body, spooled
from interceptor.session.keeping import WORK_SECONDS, Keeping
from interceptor.session.messages import BYTES_PER_MESSAGE, MessageLog, WebSocketLog
from interceptor.session.session import Session
from interceptor.session.spool import Spool, SpooledBody
from interceptor.session.stored_body import StoredBody
from interceptor.session.weight import FLOW_BYTES, bytes_of, move_bodies

Schedule = Callable[[float, Callable[[], None]], object]
"""Calls the function once, that many seconds later, in the same thread: `asyncio`'s `call_later`."""

MEMORY_LIMIT: Final = 256 * 1024 * 1024
BATCH_SECONDS: Final = 1 / 30
_WARN_EVERY_SECONDS: Final = 60.0
_MOVED_TOGETHER: Final = 64
_LOOKED_AT_TO_DROP: Final = 256


class Listener(Protocol):
    """Is told of batches. A flow is told as removed only if it was told as added before, and so on."""

    def flows_added(self, flows: list[Flow]) -> None: ...
    def flows_changed(self, flows: list[Flow]) -> None: ...
    def flows_removed(self, flows: list[Flow]) -> None: ...

    def flows_returned(self, flows: list[Flow]) -> None:
        """They are on the list again, or from before: they were added, or told of, some other time."""
        ...


class Store:
    """The flows of one session; a `model.records.Recorder`. `warn` is told what a person should know, at most once a minute."""

    def __init__(
        self,
        schedule: Schedule,
        spool: Spool | None = None,
        *,
        memory_limit: int = MEMORY_LIMIT,
        warn: Callable[[str], None] = lambda message: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.schedule = schedule
        self.spool = spool if spool is not None else Spool(warn=warn)
        self.memory_limit = memory_limit
        self.bytes_in_memory = 0
        self._warn = warn
        self._clock = clock
        self._warned_at: float | None = None
        self._dropped = 0  # flows, since the log was told
        self._flows: dict[int, Flow] = {}
        self._is_in_order = True
        self.table = FlowTable()
        self.keeping: Keeping | None = None
        self._is_work_scheduled = False
        self._hidden_live: dict[int, Flow] = {}
        self._weights: dict[int, int] = {}  # of the same keys: what each is counted with in bytes_in_memory
        self._last_id = 0
        self._pool = FieldPool()
        self._ended: deque[int] = deque()  # may be dropped, oldest first; ids that are gone are skipped
        self._with_bodies: deque[int] = deque()  # ended, and may have bodies in memory
        self._listeners: list[Listener] = []
        self._added: dict[Flow, None] = {}
        self._changed: dict[Flow, None] = {}
        self._removed: dict[Flow, None] = {}
        self._returned: dict[Flow, None] = {}
        self._is_scheduled = False
        self._recorders: dict[type[Record], Callable[..., None]] = {
            BodyData: self._body_data,
            MessageData: self._message_data,
            WebSocketMessageData: self._websocket_message,
            LongWebSocketMessage: self._long_websocket_message,
            FlowStarted: self._flow_started,
            FlowChanged: self._flow_changed,
            FlowEnded: self._flow_ended,
        }

    # What happened on the wire

    def record(self, what: Record) -> None:
        self._recorders[type(what)](what)

    def _flow_started(self, what: FlowStarted) -> None:
        flow = what.flow
        if flow.id in self._flows:  # a replay that was put on the list before it started
            self.add(flow)
        else:
            self._list(flow, FLOW_BYTES)

    def _flow_changed(self, what: FlowChanged) -> None:
        flow = what.flow
        if flow.id in self._flows:
            self._note_change(flow)

    def _flow_ended(self, what: FlowEnded) -> None:
        flow = what.flow
        if flow.id in self._flows:
            self._weigh(flow, self._pool)
            self._may_go(flow)
            self._note_change(flow)
        for body in growing_bodies(flow):
            body.finish()
        if self.keeping is not None and (flow.id in self._flows or self._hidden_live.pop(flow.id, None) is flow):
            self._keep(flow)

    def _body_data(self, what: BodyData) -> None:
        message, data, flow_id = what.message, what.data, what.flow.id
        body = message.body
        if type(body) is SpooledBody:
            body.append(data)
        elif type(body) is MemoryBody:
            size = len(data)
            is_long = isinstance(message, Message) and not body.size and announces_much(message)
            if body.size + size >= SPOOL_FROM or is_long:
                size = -body.size
                body = moved(what.flow, body, spooled(self.spool, body))
                message.body = body
            body.append(data)
            if flow_id in self._weights:
                self._weights[flow_id] += size
                self.bytes_in_memory += size
        if isinstance(message, WebSocketMessage):
            count_spoken(what.flow, message.from_client, len(data))
        if flow_id in self._flows:
            self._note_change(what.flow)

    def _message_data(self, what: MessageData) -> None:
        flow, data, original = what.flow, what.data, what.original
        if flow.id not in self._flows:
            return
        messages = flow.messages
        if type(messages) is not MessageLog:
            messages = flow.messages = MessageLog(self.spool.new_body, messages)
        is_dropped = data is None
        if data is None:
            data, original = original or b"", None
        before = messages.contents.bytes_in_memory
        if messages.append(what.from_client, data, what.timestamp, original, is_dropped, what.is_injected):
            growth = messages.contents.bytes_in_memory - before + BYTES_PER_MESSAGE
            self._weights[flow.id] += growth
            self.bytes_in_memory += growth
        flow.message_count += 1
        flow.byte_count += len(data)
        self._note_change(flow)

    def _websocket_message(self, what: WebSocketMessageData) -> None:
        flow, data = what.flow, what.data if what.data is not None else what.original
        if (log := self._websocket_log(flow)) is None:
            return
        before = log.contents.bytes_in_memory
        if log.append(what):
            growth = log.contents.bytes_in_memory - before + BYTES_PER_MESSAGE
            self._weights[flow.id] += growth
            self.bytes_in_memory += growth
        count_spoken(flow, what.from_client, len(data or b""))
        self._note_change(flow)

    def _long_websocket_message(self, what: LongWebSocketMessage) -> None:
        if (log := self._websocket_log(what.flow)) is not None and log.append_long(what.message):
            self._weights[what.flow.id] += BYTES_PER_MESSAGE
            self.bytes_in_memory += BYTES_PER_MESSAGE

    def _websocket_log(self, flow: HttpFlow) -> WebSocketLog | None:
        """None for a flow that is not on the list."""
        socket = flow.websocket
        if flow.id not in self._flows or socket is None:
            return None
        if type(socket.messages) is not WebSocketLog:
            socket.messages = WebSocketLog(self.spool.new_body)
        return socket.messages

    # What the user does

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def add(self, flow: Flow) -> None:
        """Joins the list in the place that its id gives it; an id of 0, or one that another flow has, is replaced by the next."""
        if self._flows.get(flow.id) is flow:
            self.touch(flow)
            return
        if flow.id in self._flows:
            flow.id = 0
        self._list(flow, bytes_of(flow, None if flow.is_live else self._pool))
        if not flow.is_live:
            self._may_go(flow)
            self._keep(flow)

    def touch(self, flow: Flow) -> None:
        """It was changed by someone other than the wire: weighs it anew, tells the views."""
        if self._flows.get(flow.id) is flow:
            self._weigh(flow)
            self._note_change(flow)
            if not flow.is_live:
                self._keep(flow)

    def remove(self, flows: Iterable[Flow]) -> None:
        """Off the list; flows that are not on it are ignored. Live ones go on, unseen."""
        for flow in list(flows):
            if self._flows.get(flow.id) is flow:
                self._unlist(flow)
                if flow.is_live and self.keeping is not None:
                    self._hidden_live[flow.id] = flow
        if self.keeping is not None:
            self.keeping.session.note_hidden()
            self._work_soon()

    def clear(self) -> None:
        self.remove(self._flows.values())

    def get(self, flow_id: int) -> Flow | None:
        return self._flows.get(flow_id)

    def __len__(self) -> int:
        return len(self._flows)

    def __iter__(self) -> Iterator[Flow]:
        if not self._is_in_order:
            self._flows = dict(sorted(self._flows.items()))
            self._is_in_order = True
        return iter(list(self._flows.values()))

    def __contains__(self, flow: object) -> bool:
        return isinstance(flow, Flow) and self._flows.get(flow.id) is flow

    def weight_of(self, flows: Iterable[Flow]) -> int:
        """About how many bytes of memory these flows take; for those who keep them alive."""
        return sum(self._weights.get(flow.id) or bytes_of(flow) for flow in flows)

    # The session that the flows belong to

    @property
    def session(self) -> Session | None:
        """None: flows are in memory only."""
        return self.keeping.session if self.keeping is not None else None

    def open(self, session: Session) -> None:
        """What is in that session is on the list from now on, and what happens goes into it. Flows that are here already are
        written, too, under the numbers that they have: that is for a session which is empty, or before there is any flow."""
        assert self.keeping is None
        keeping = self.keeping = Keeping(session, self._body_is_stored)
        here = list(self._flows.values())
        self.table = session.table
        self._last_id = max(self._last_id, session.last_id)
        for flow_id in list(self.table.ids()):
            if (flow := session.load(flow_id)) is not None:
                self._list(flow, bytes_of(flow, self._pool))
                del self._added[flow]
                self._returned[flow] = None
                self._may_go(flow)
        for flow in here:
            self.table.list(flow.id)
            if not flow.is_live:
                keeping.changed(flow)
        self._work_soon()

    def close(self) -> int:
        """Writes what there is. How many flows could not be written; those that were in memory only do not count."""
        self.flush()
        if self.keeping is None:
            return 0
        keeping, self.keeping = self.keeping, None
        live = [flow for flow in self._flows.values() if flow.is_live] + list(self._hidden_live.values())
        return keeping.close(live)

    def note(self, name: str, value: Any) -> None:
        """What there is to know of the session as a whole, JSON; nothing if there is none."""
        if self.keeping is not None:
            self.keeping.session.note(name, value)
            self._work_soon()

    def _keep(self, flow: Flow) -> None:
        if self.keeping is not None:
            self.keeping.changed(flow)
            self._work_soon()

    def _work_soon(self) -> None:
        if not self._is_work_scheduled:
            self._is_work_scheduled = True
            self.schedule(WORK_SECONDS, self._work)

    def _work(self) -> None:
        self._is_work_scheduled = False
        if self.keeping is not None:
            self.keeping.session.note("flows", len(self._flows))
            self.keeping.work()
            if self.keeping.has_work:
                self._work_soon()

    def _body_is_stored(self, flow_id: int, body: Body, stored: StoredBody) -> None:
        if (flow := self._flows.get(flow_id)) is not None:
            replace_body(flow, body, stored)

    # Whoever wants to know

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def unsubscribe(self, listener: Listener) -> None:
        self._listeners.remove(listener)

    def flush(self) -> None:
        """Keeps the limits, and tells the listeners now what they would be told within a thirtieth of a second."""
        self._tell()
        if self.bytes_in_memory > self.memory_limit:  # after all have been told of what goes: it may have been printed or saved
            self._make_room()
            self._tell()
        self._forget_ids()
        self.spool.reclaim()

    def _tell(self) -> None:
        removed, added, changed, returned = (list(each) for each in (self._removed, self._added, self._changed, self._returned))
        self._removed.clear()
        self._returned.clear()
        self._added.clear()
        self._changed.clear()
        for listener in list(self._listeners):
            if removed:
                listener.flows_removed(removed)
            if returned:
                listener.flows_returned(returned)
            if changed:  # they came before those that were added
                listener.flows_changed(changed)
            if added:
                listener.flows_added(added)

    def _note_change(self, flow: Flow) -> None:
        if flow not in self._added and flow not in self._returned:
            self._changed[flow] = None
        if not self._is_scheduled:
            self._is_scheduled = True
            self.schedule(BATCH_SECONDS, self._tick)

    def _tick(self) -> None:
        self._is_scheduled = False
        self.flush()

    # The list and its weight

    def _list(self, flow: Flow, weight: int) -> None:
        flow_id = flow.id
        if not flow_id:
            flow_id = flow.id = self.next_id()
        elif flow_id > self._last_id:
            self._last_id = flow_id
        elif flow_id < self._last_id:
            self._is_in_order = False
        self._flows[flow_id] = flow
        self.table.list(flow_id)
        self._hidden_live.pop(flow_id, None)
        self._weights[flow_id] = weight
        self.bytes_in_memory += weight
        if flow in self._removed:
            del self._removed[flow]
        else:
            self._added[flow] = None
        self._note_change(flow)

    def _unlist(self, flow: Flow) -> None:
        del self._flows[flow.id]
        self.table.unlist(flow.id)
        self.bytes_in_memory -= self._weights.pop(flow.id)
        self._changed.pop(flow, None)
        if flow in self._added:
            del self._added[flow]
        elif flow in self._returned:
            del self._returned[flow]
        else:
            self._removed[flow] = None
        if not self._is_scheduled:
            self._is_scheduled = True
            self.schedule(BATCH_SECONDS, self._tick)

    def _weigh(self, flow: Flow, pool: FieldPool | None = None) -> None:
        weight = bytes_of(flow, pool)
        self.bytes_in_memory += weight - self._weights[flow.id]
        self._weights[flow.id] = weight

    def _may_go(self, flow: Flow) -> None:
        self._ended.append(flow.id)
        self._with_bodies.append(flow.id)

    def _forget_ids(self) -> None:
        """Of flows that are gone, so that a long session which is cleared now and then does not collect them."""
        for ids in (self._ended, self._with_bodies):
            if len(ids) > 2 * len(self._flows) + 1_000:
                kept = [flow_id for flow_id in ids if flow_id in self._flows]
                ids.clear()
                ids.extend(kept)

    def _make_room(self) -> None:
        while self.bytes_in_memory > self.memory_limit and self._with_bodies and self.spool.has_room:
            ids = [self._with_bodies.popleft() for _ in range(min(_MOVED_TOGETHER, len(self._with_bodies)))]
            flows = [flow for flow in map(self._flows.get, ids) if flow is not None]
            before = [bytes_of(flow) for flow in flows]
            if not move_bodies(flows, self.spool):
                self._with_bodies.extendleft(reversed(ids))
                break
            for flow, weight in zip(flows, before, strict=True):
                moved = weight - bytes_of(flow)
                self._weights[flow.id] -= moved
                self.bytes_in_memory -= moved
        if self.bytes_in_memory > self.memory_limit:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        looked_at = 0
        while self.bytes_in_memory > self.memory_limit and self._ended and looked_at < _LOOKED_AT_TO_DROP:
            flow = self._flows.get(self._ended.popleft())
            if flow is None:
                continue
            if flow.marker or flow.held or flow.is_live:
                looked_at += 1
                self._ended.append(flow.id)
                continue
            self._unlist(flow)
            self._dropped += 1
        now = self._clock()
        if self._dropped and (self._warned_at is None or now - self._warned_at >= _WARN_EVERY_SECONDS):
            limit = self.memory_limit // (1024 * 1024)
            self._warn(f"The oldest {self._dropped} flows were dropped to stay below {limit} MiB; mark what is to be kept.")
            self._warned_at, self._dropped = now, 0
