"""What an edit changes of a flow, kept so that the edit can be undone and done again.

Only the message that was edited is kept: when an edit of a request is undone after its response has come, the response stays.
Messages are put back in place, field by field, because whoever carries the flow on the wire holds on to the objects.
"""

from __future__ import annotations

import dataclasses

from interceptor.model.flow import DnsFlow, Flow, HttpFlow
from interceptor.model.http import Request, Response


class FlowState:
    """The flow as it is now; `restore()` may be called any number of times."""

    def __init__(self, flow: Flow, subject: str) -> None:
        """`subject` is "request", "response" or "flow" (comment and marker)."""
        self._flow = flow
        self._comment, self._marker, self._is_modified = flow.comment, flow.marker, flow.is_modified
        self._subject = subject
        self._message: Request | Response | None = None
        self._original = None
        self._dns = (flow.request, flow.response, flow.original) if isinstance(flow, DnsFlow) else None
        if isinstance(flow, HttpFlow) and subject != "flow":
            self._original = flow.original
            message = flow.request if subject == "request" else flow.response
            self._message = message.copy() if message is not None else None

    def restore(self) -> None:
        flow = self._flow
        if self._subject == "flow":
            flow.comment, flow.marker = self._comment, self._marker
        flow.is_modified = self._is_modified
        if isinstance(flow, DnsFlow) and self._dns is not None and self._subject != "flow":
            request, response, flow.original = self._dns
            if self._subject == "request":
                flow.request = request
            else:
                flow.response = response
            return
        if not isinstance(flow, HttpFlow) or self._subject == "flow":
            return
        flow.original = self._original
        message = flow.request if self._subject == "request" else flow.response
        if message is not None and self._message is not None:
            copy_into(message, self._message.copy())


def copy_into(target: Request | Response, source: Request | Response) -> None:
    for field in dataclasses.fields(source):
        setattr(target, field.name, getattr(source, field.name))
