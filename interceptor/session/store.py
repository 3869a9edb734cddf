"""Every flow of the session, in order of arrival, and the bytes behind them.

    driver ─record(what)─▸ Store ─┬▸ flow joins the list / its bytes go behind its handles     at once, about a microsecond
                                  └▸ listeners: flows_removed, flows_changed, flows_added       at most 30 times a second

* A body grows in memory and moves to the spool at `SPOOL_FROM`; one that announces such a length starts there. The content of a
  raw conversation does the same (see `messages`).
* `bytes_in_memory` is an estimate kept along with every record: what heads, small bodies and messages take. Above `memory_limit`
  the small bodies of the flows that ended first are moved to the spool, and when there are none left those flows themselves are
  dropped, unless marked or held, and the log is told. This happens with the batches, not while recording.
* A flow belongs to this session if it is the object of that number: one that still runs when another session is opened goes on
  unseen if its number is taken there.
* Removing a flow takes it off the list and nothing else. If it is live it goes on, and its body stays complete behind its handle
  until nobody needs it: the exchange may be collecting that body in order to send it, and undo may put the flow back.
  What else it says is dropped.
* Only the event loop's thread calls the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress, islice
from typing import Any, Final

from interceptor.model.body import SPOOL_FROM, Body, MemoryBody
from interceptor.model.connection import Connection
from interceptor.model.flow import Flow, FlowError, HttpFlow, TcpFlow, WebSocketMessage
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
from interceptor.session.columns import row_of
from interceptor.session.flow_table import FlowTable
from interceptor.session.growing import (
    announces_much,
    bodies_of,
    count_spoken,
    growing_bodies,
    moved,
    replace_body,
    spooled,
)
from interceptor.session.keeping import BEHIND_SECONDS, WORK_SECONDS, Keeping
from interceptor.session.listing import AT_HAND, MEMORY_LIMIT, Listing, Schedule
from interceptor.session.messages import BYTES_PER_MESSAGE, MessageLog, WebSocketLog
from interceptor.session.orders import DEAR_ORDERS, ORDERS, TEXT_ORDERS
from interceptor.session.session import Session
from interceptor.session.spool import Spool, SpooledBody
from interceptor.session.stored_body import StoredBody
from interceptor.session.weight import FLOW_BYTES, bytes_of

_LOOKED_AT_FOR_CLIENTS: Final = 1_000


class Store(Listing):
    """The flows of one session; a `model.records.Recorder`."""

    def __init__(
        self,
        schedule: Schedule,
        spool: Spool | None = None,
        *,
        memory_limit: int = MEMORY_LIMIT,
        warn: Callable[[str], None] = lambda message: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(schedule, spool, memory_limit=memory_limit, warn=warn, clock=clock)
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
        if self._flows.get(flow.id) is flow:  # a replay that was put on the list before it started
            self.add(flow)
        else:
            self._list(flow, FLOW_BYTES)

    def _flow_changed(self, what: FlowChanged) -> None:
        flow = what.flow
        if self._flows.get(flow.id) is flow:
            self._note_change(flow)

    def _flow_ended(self, what: FlowEnded) -> None:
        flow = what.flow
        is_listed = self._flows.get(flow.id) is flow
        if is_listed:
            self._weigh(flow, self._pool)
            self._may_go(flow)
            self._note_change(flow)
        for body in growing_bodies(flow):
            body.finish()
        if self.keeping is not None and (is_listed or self._hidden_live.pop(flow.id, None) is flow):
            self._keep(flow)

    def _body_data(self, what: BodyData) -> None:
        message, data, flow_id = what.message, what.data, what.flow.id
        is_listed = self._flows.get(flow_id) is what.flow
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
            if is_listed:
                self._weights[flow_id] += size
                self.bytes_in_memory += size
        if isinstance(message, WebSocketMessage):
            count_spoken(what.flow, message.from_client, len(data))
        if is_listed:
            self._note_change(what.flow)

    def _message_data(self, what: MessageData) -> None:
        flow, data, original = what.flow, what.data, what.original
        if self._flows.get(flow.id) is not flow:
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
        if self._flows.get(flow.id) is not flow or socket is None:
            return None
        if type(socket.messages) is not WebSocketLog:
            socket.messages = WebSocketLog(self.spool.new_body)
        return socket.messages

    def clients_changed(self, clients: Sequence[Connection]) -> None:
        """More is known of these connections than when their flows came, a moment ago."""
        among, since = set(clients), min(client.opened_at for client in clients)
        for flow in islice(reversed(self._flows.values()), _LOOKED_AT_FOR_CLIENTS):
            if flow.created_at < since:
                break
            if flow.client in among:
                self._note_change(flow)
                if not flow.is_live:
                    self._keep(flow)
        if self.keeping is not None:
            self.keeping.session.connections_changed(clients)

    # What the user does

    def add(self, flow: Flow) -> None:
        """Joins the list in the place that its id gives it; an id of 0, or one that another flow has, is replaced by the next."""
        if flow in self:
            self.touch(flow)
            return
        if self.table.is_known(flow.id) and self._elsewhere.get(flow.id) is not flow:
            flow.id = 0
        self._list(flow, bytes_of(flow, None if flow.is_live else self._pool))
        if not flow.is_live:
            self._may_go(flow)
            self._keep(flow)

    def touch(self, flow: Flow) -> None:
        """It was changed by someone other than the wire: weighs it anew, tells the views."""
        if flow in self:
            if flow.id not in self._flows:
                self._have_at_hand(flow)
            if self.packs is not None:
                self.table.set_block(flow.id, 0)  # there it is as it was
            self._weigh(flow)
            self._note_change(flow)
            if not flow.is_live:
                self._keep(flow)

    def remove(self, flows: Iterable[Flow]) -> None:
        """Off the list; flows that are not on it are ignored. Live ones go on, unseen."""
        self.hide([flow.id for flow in list(flows) if flow in self])

    def hide(self, flow_ids: Iterable[int]) -> list[int]:
        """The same by number. Those that were on the list."""
        hidden = [flow_id for flow_id in flow_ids if flow_id in self.table]
        for flow_id in hidden:
            self._unlist(flow_id)
        self._hidden_changed()
        return hidden

    def put_back(self, flow_ids: Iterable[int]) -> None:
        """Onto the list again, in their old places; those that nothing is known of any more are ignored."""
        for flow_id in flow_ids:
            if flow_id in self.table or not self.table.is_known(flow_id):
                continue
            flow = self._hidden_live.pop(flow_id, None) or self._elsewhere.get(flow_id)
            if flow is not None:
                self._list(flow, bytes_of(flow))
                if not flow.is_live:
                    self._may_go(flow)
            elif self.table.block_of(flow_id):
                self.table.list(flow_id)
                self._note_return(flow_id)
        self._hidden_changed()

    def clear(self) -> None:
        self.hide(self.table.ids())

    def get(self, flow_id: int) -> Flow | None:
        """The flow of that number, if it is on the list; the same object as long as somebody refers to it."""
        flow = self._flows.get(flow_id)
        if flow is None and flow_id in self.table:
            flow = self._found(flow_id)
            self._have_at_hand(flow)
        return flow

    def find(self, flow_id: int) -> Flow | None:
        """The same, also of one that was taken off the list, as long as somebody refers to it."""
        return self.get(flow_id) or self._hidden_live.get(flow_id) or self._elsewhere.get(flow_id)

    def peek(self, flow_id: int) -> Flow:
        """The same for one that is on the list, for whoever looks at many: it is not kept at hand."""
        return self._flows.get(flow_id) or self._found(flow_id)

    def __len__(self) -> int:
        return self.table.count

    def __iter__(self) -> Iterator[Flow]:
        return (self.peek(flow_id) for flow_id in self.table.ids() if flow_id in self.table)

    def __contains__(self, flow: object) -> bool:
        if not isinstance(flow, Flow) or flow.id not in self.table:
            return False
        return self._flows.get(flow.id) is flow or self._elsewhere.get(flow.id) is flow

    def _found(self, flow_id: int) -> Flow:
        flow = self._elsewhere.get(flow_id)
        if flow is None and self.session is not None:
            flow = self.session.load(flow_id)
        elif flow is None and self.packs is not None and (pack := self.table.block_of(flow_id)):
            flow = self.packs.load(pack, flow_id)
        if flow is None:
            flow = self._unreadable(flow_id)
        self._elsewhere[flow_id] = flow
        return flow

    def _unreadable(self, flow_id: int) -> Flow:
        problem = self.session.file.problem if self.session is not None else "it is gone"
        created = self.table.column("created")[flow_id - self.table.base]
        error = FlowError(f"This flow cannot be read from its session: {problem}.", created)
        return TcpFlow(flow_id, created_at=created, error=error)

    def _have_at_hand(self, flow: Flow) -> None:
        self._flows[flow.id] = flow
        weight = self._weights[flow.id] = bytes_of(flow)
        self.bytes_in_memory += weight
        self._may_go(flow)
        if len(self._flows) > self.most_at_hand + self.most_at_hand // 8:
            self._let_go()

    def _hidden_changed(self) -> None:
        if self.keeping is not None:
            self.keeping.session.note_hidden()
            self.work_soon()

    def hidden_ids(self) -> list[int]:
        """Of flows in the file that were taken off the list and do not change any more, but could be brought back."""
        table, keeping, live = self.table, self.keeping, self._hidden_live
        if keeping is None:
            return []
        hidden = compress(range(table.base, table.base + table.size), table.hidden)
        return [each for each in hidden if each not in live and table.block_of(each) and not keeping.has(each)]

    def in_memory(self) -> list[Flow]:
        """All that are objects, on the list or not."""
        kept = self.keeping.flows() if self.keeping is not None else []
        return [*self._flows.values(), *self._hidden_live.values(), *kept]

    def weight_of(self, flows: Iterable[Flow]) -> int:
        """About how many bytes of memory these flows take; for those who keep them alive."""
        return sum(self._weights.get(flow.id) or bytes_of(flow) for flow in flows)

    def key_of(self, order: str) -> Callable[[int], Any]:
        """What the list is sorted by in that order, by the numbers of flows; of the session that is open now."""
        self.renew_columns()
        if order in TEXT_ORDERS:
            return self.table.text_key(order)
        if order in DEAR_ORDERS:
            key = ORDERS[order]
            return lambda flow_id: key(self.peek(flow_id))
        return self.table.number_key({"time": "created"}.get(order, order))

    # The session that the flows belong to

    def open(self, session: Session) -> None:
        """What is in that session is on the list from now on, and what happens goes into it. Flows that are here already are
        written, too: under the numbers that they have if these are free, else, if they have ended, under new ones."""
        assert self.keeping is None
        self._unpack_all()
        keeping = self.keeping = Keeping(session, self._body_is_stored)
        here, self.table = list(self._flows.values()), session.table
        self._last_id = max(self._last_id, session.last_id)
        for flow in here:
            if self.table.is_known(flow.id):
                weight = self._weights.pop(flow.id)
                del self._flows[flow.id]
                if flow.is_live:
                    self.bytes_in_memory -= weight
                    continue
                flow.id = self.next_id()
                self._flows[flow.id], self._weights[flow.id] = flow, weight
                self._may_go(flow)
            self.table.list(flow.id)
            self.table.set_row(flow.id, row_of(flow, self.table.words))
            if not flow.is_live:
                keeping.changed(flow)
        self._is_anew = True
        self._tell()
        self.work_soon()

    def _unpack_all(self) -> None:
        if self.packs is not None:
            packs, self.packs, self.most_at_hand = self.packs, None, AT_HAND
            for flow_id in self.table.ids():
                if flow_id not in self._flows:
                    self._have_at_hand(self._elsewhere.get(flow_id) or packs.load(self.table.block_of(flow_id), flow_id))
                self.table.set_block(flow_id, 0)
            self.bytes_in_memory -= packs.weight

    def leave(self) -> int:
        """The session is closed, and what is in it is off the list; another can be opened. What still runs stays on the list, and
        so does what is in no file. How many flows could not be written."""
        staying = [flow for flow in self._flows.values() if flow.is_live or not self.is_in_file(flow.id)]
        for flow in staying:
            for body in {id(body): body for body in bodies_of(flow) if type(body) is StoredBody}.values():
                replace_body(flow, body, MemoryBody(body.read()))  # of a replay: the file is about to be closed
        lost = self.close()
        for here in (self._flows, self._weights, self._ended, self._with_bodies, self._elsewhere, self._hidden_live,
                     self._added, self._changed, self._removed, self._returned):  # fmt: skip
            here.clear()
        self.bytes_in_memory = 0
        self.table = FlowTable()
        for flow in staying:
            self._have_at_hand(flow)
            self.table.list(flow.id)
        self._is_anew = True
        self._tick_soon()
        return lost

    def is_in_file(self, flow_id: int) -> bool:
        """Or is about to be."""
        return self.session is not None and (self.session.is_written or bool(self.table.block_of(flow_id)))

    def close(self) -> int:
        """Writes what there is. How many flows could not be written; those that were in memory only do not count."""
        self.flush()
        if self.keeping is None:
            return 0
        keeping, self.keeping = self.keeping, None
        live = [flow for flow in self._flows.values() if flow.is_live] + list(self._hidden_live.values())
        for flow in live:
            self.table.set_row(flow.id, row_of(flow, self.table.words))
        return keeping.close(live)

    def note(self, name: str, value: Any) -> None:
        """What there is to know of the session as a whole, JSON; nothing if there is none."""
        if self.keeping is not None:
            self.keeping.session.note(name, value)
            self.work_soon()

    def _keep(self, flow: Flow) -> None:
        if self.keeping is not None:
            self.keeping.changed(flow)
            self.work_soon()

    def work_soon(self, seconds: float = WORK_SECONDS) -> None:
        """There is something to write."""
        if not self._is_work_scheduled:
            self._is_work_scheduled = True
            self.schedule(seconds, self._work)

    def _work(self) -> None:
        self._is_work_scheduled = False
        self.write_now()
        if self.keeping is not None and self.keeping.has_work:
            self.work_soon(BEHIND_SECONDS if self.keeping.is_behind else WORK_SECONDS)

    def write_now(self) -> None:
        """Hands over what there is to write, or the first of much, and looks what has become of what was handed over."""
        if self.keeping is not None:
            if self._changed or self._added:
                self._tell()  # the columns are to be those of the flows as they are written
            self.keeping.session.note("flows", len(self))
            self.keeping.work()

    def _body_is_stored(self, flow_id: int, body: Body, stored: StoredBody) -> None:
        flow = self._flows.get(flow_id) or self._elsewhere.get(flow_id) or self._hidden_live.get(flow_id)
        if flow is not None:
            replace_body(flow, body, stored)
