"""Datagrams that are not passed on, nor answered: one row says why, and nothing more comes of it until the client is silent."""

from __future__ import annotations

from interceptor.model.connection import Connection
from interceptor.proxy.core.effects import Close
from interceptor.proxy.core.events import DataReceived, PipeEvent
from interceptor.proxy.core.layer import Layer
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.ingress import Ingress, record_failure
from interceptor.proxy.settings import Settings


class Unanswered(Layer):
    """Head of the client's pipe. As long as it is there, what the client tries again makes no other row."""

    def __init__(self, stack: Stack, settings: Settings, ingress: Ingress, client: Connection, reason: str) -> None:
        super().__init__(stack)
        self._ingress, self._client, self._reason = ingress, client, reason
        self._timeout = settings.udp_timeout
        self._last_heard = stack.now

    def start(self) -> None:
        origin = self._ingress.origin
        where = f"{origin.authority}: " if origin is not None else ""
        record_failure(self.stack, self._ingress, self._client, None, where + self._reason)
        self.stack.alarms[self._look] = self.stack.now + self._timeout

    def receive(self, event: PipeEvent) -> None:
        if isinstance(event, DataReceived):
            self._last_heard = self.stack.now

    def _look(self) -> None:
        due = self._last_heard + self._timeout
        if due <= self.stack.now:
            self.wire(Close(self._client, self._reason))
        else:
            self.stack.alarms[self._look] = due
