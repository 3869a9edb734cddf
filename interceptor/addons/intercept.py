"""Holds: the flows that a person wants to see before they go on. The one place that sets `flow.held`.

At a head the filter says whether the body shall be collected for editing; when it is there (or too long) the flow is held, until
`resume` or `kill` answers, or the asker withdraws because a peer has left.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interceptor.model.body import MemoryBody
from interceptor.model.flow import (
    Flow,
    HeldMessage,
    HoldPoint,
    HttpFlow,
    Opcode,
    TcpFlow,
    TcpMessage,
    WebSocketData,
    WebSocketMessage,
)
from interceptor.model.hooks import (
    FORWARD,
    Collect,
    DnsHook,
    DnsResponse,
    Drop,
    Forward,
    Hook,
    Kill,
    MessageReceived,
    RequestHead,
    RequestReady,
    ResponseHead,
    ResponseReady,
    Verdict,
    WebSocketMessageBegun,
    WebSocketMessageReceived,
)

if TYPE_CHECKING:
    from interceptor.specs.filter import Filter  # imported by whoever sets one: not at every start


@dataclass(slots=True, eq=False)
class Hold:
    """One question that waits for a person. `message` is what may be edited, where a message is held."""

    hook: Hook
    flow: Flow
    answer: Callable[[Verdict], None]
    message: HeldMessage | None = None


class Intercept:
    """`filter` None, or `is_enabled` False: nothing new is held; what is held stays so. `touch` tells the session that a
    flow's state has changed."""

    def __init__(self, touch: Callable[[Flow], None] = lambda flow: None) -> None:
        self._touch = touch
        self._holds: dict[Hook, Hold] = {}
        self._asked_for: set[Flow] = set()
        self.filter: Filter | None = None
        self.is_enabled = True

    @property
    def is_active(self) -> bool:
        return (self.filter is not None and self.is_enabled) or bool(self._asked_for)

    def hold_next(self, flow: Flow) -> None:
        """At the next point at which it can be, whatever the filter says, once."""
        self._asked_for.add(flow)

    def hold_no_more(self, flow: Flow) -> None:
        """Takes `hold_next` back."""
        self._asked_for.discard(flow)

    def _matches(self, flow: Flow, shown: Flow | None = None) -> bool:
        """Whether it is to be held. `shown` is what the filter looks at, if that is not the flow itself."""
        if flow in self._asked_for:
            return True
        return self.filter is not None and self.is_enabled and self.filter.matches(shown or flow)

    def held(self) -> Sequence[Flow]:
        """Each once, the longest held first."""
        return list(dict.fromkeys(hold.flow for hold in self._holds.values()))

    def holds_of(self, flow: Flow) -> Sequence[Hold]:
        return [hold for hold in self._holds.values() if hold.flow is flow]

    def resume(self, flow: Flow) -> None:
        """Lets it go on as it is now; nothing if it is not held."""
        for hold in self.holds_of(flow):
            verdict = FORWARD if hold.message is None else Forward(data=hold.message.content)
            self._release(hold, verdict)

    def messages_of(self, flow: Flow) -> Sequence[HeldMessage]:
        """The messages of that flow that are held, at most one in each direction, the longest held first."""
        return [hold.message for hold in self.holds_of(flow) if hold.message is not None]

    def drop(self, message: HeldMessage) -> None:
        """Leaves it out; nothing if it has gone on."""
        for hold in list(self._holds.values()):
            if hold.message is message:
                self._release(hold, Drop())

    def resume_all(self) -> None:
        for flow in self.held():
            self.resume(flow)

    def kill(self, flow: Flow) -> None:
        for hold in self.holds_of(flow):
            self._release(hold, Kill("Killed while it was held."))

    def withdraw(self, hook: Hook) -> None:
        if hold := self._holds.pop(hook, None):
            self._end(hold)

    def decide(self, hook: Hook, verdict: Forward, answer: Callable[[Verdict], None]) -> Verdict | None:
        """What `verdict` was so far; None if the flow is held now."""
        needs_body = self.filter is not None and self.is_enabled and self.filter.needs_body
        match hook:
            case RequestHead(flow=flow) | ResponseHead(flow=flow):
                if verdict.collect is Collect.NO and (needs_body or self._matches(flow)):
                    return Forward(Collect.FOR_HOLD)
            case RequestReady(flow=flow) | ResponseReady(flow=flow) if self._matches(flow):
                self._hold(Hold(hook, flow, answer))
                return None
            case DnsHook(flow=dns_flow) if self._matches(dns_flow):
                self._hold(Hold(hook, dns_flow, answer))
                return None
            case MessageReceived(is_injected=False) | WebSocketMessageReceived():
                content = verdict.data if verdict.data is not None else hook.data
                if self._matches(hook.flow, _saying_only(hook, content)):
                    is_text = isinstance(hook, WebSocketMessageReceived) and hook.opcode is Opcode.TEXT
                    held = HeldMessage(hook.from_client, hook.data, content, time.time(), is_text)
                    self._hold(Hold(hook, hook.flow, answer, held))
                    return None
            case WebSocketMessageBegun() if verdict.collect is Collect.NO:
                if needs_body or self._matches(hook.flow, _saying_only(hook, b"")):
                    return Forward(Collect.FOR_HOLD)
            case _:
                pass
        return verdict

    def _hold(self, hold: Hold) -> None:
        self._asked_for.discard(hold.flow)
        self._holds[hold.hook] = hold
        self._set_state(hold.flow)

    def _release(self, hold: Hold, verdict: Verdict) -> None:
        if self._holds.pop(hold.hook, None) is not None:
            self._end(hold)
            hold.answer(verdict)

    def _end(self, hold: Hold) -> None:
        if hold.message is not None:
            hold.message.is_waiting = False
        self._set_state(hold.flow)

    def _set_state(self, flow: Flow) -> None:
        holds = self.holds_of(flow)
        flow.held = _point(holds[-1].hook) if holds else None
        self._touch(flow)


def _saying_only(hook: MessageReceived | WebSocketMessageBegun, content: bytes) -> Flow:
    """The flow as if this message were all that was said in it: what a filter says of it, it says of this message."""
    body, now = MemoryBody(content), time.time()
    flow: Flow = copy.copy(hook.flow)
    if isinstance(hook, WebSocketMessageBegun):
        assert isinstance(flow, HttpFlow)
        flow.websocket = WebSocketData([WebSocketMessage(hook.from_client, hook.opcode, body, now)])
    elif isinstance(flow, TcpFlow):
        flow.messages = [TcpMessage(hook.from_client, body, now)]
        flow.message_count, flow.byte_count = 1, body.size
    return flow


def _point(hook: Hook) -> HoldPoint:
    if isinstance(hook, (MessageReceived, WebSocketMessageReceived)):
        return HoldPoint.MESSAGE
    return HoldPoint.RESPONSE if isinstance(hook, (ResponseReady, DnsResponse)) else HoldPoint.REQUEST
