"""What an edit changes of a flow, kept so that the edit can be undone and done again.

Only the message that was edited is kept: when an edit of a request is undone after its response has come, the response stays.
Messages of HTTP are put back in place, field by field, because whoever carries the flow on the wire holds on to the objects.

    MessageState(flow, "request") ─ restore(flow) ─▸ as it was        carrier() ─▸ a flow with these messages alone, for the file
"""

from __future__ import annotations

import dataclasses
from typing import Final

from interceptor.model.body import Body
from interceptor.model.dns import DnsMessage
from interceptor.model.flow import DnsFlow, Flow, HttpFlow
from interceptor.model.http import Request, Response

BOTH: Final = "both"
EditedFlow = HttpFlow | DnsFlow
_HAS_ORIGINAL: Final = "has_original"


class MessageState:
    """The flow as it is now; `restore` may be called any number of times."""

    def __init__(self, flow: EditedFlow, subject: str) -> None:
        """`subject` is "request", "response" or "both"."""
        self.flow_id = flow.id
        self.is_modified, self.has_original = flow.is_modified, flow.original is not None
        self._request = _kept(flow.request) if subject != "response" else None
        self._response = _kept(flow.response) if flow.response is not None and subject != "request" else None
        self._is_dns = isinstance(flow, DnsFlow)

    def restore(self, flow: Flow) -> None:
        """What was received is kept by the flow if it was then; it is what the flow has now if that has not been edited."""
        if not isinstance(flow, EditedFlow):
            return
        if self.has_original:
            flow.backup()
        else:
            flow.original = None
        flow.is_modified = self.is_modified
        if isinstance(flow, DnsFlow):
            flow.request = self._request if isinstance(self._request, DnsMessage) else flow.request
            flow.response = self._response if isinstance(self._response, DnsMessage) else flow.response
            return
        if isinstance(self._request, Request):
            _copy_into(flow.request, self._request.copy())
        if isinstance(self._response, Response) and flow.response is not None:
            _copy_into(flow.response, self._response.copy())

    def carrier(self) -> EditedFlow:
        carrier: EditedFlow
        if self._is_dns:
            asked, answer = self._request, self._response
            carrier = DnsFlow(self.flow_id, request=asked if isinstance(asked, DnsMessage) else DnsMessage(b""))
            carrier.response = answer if isinstance(answer, DnsMessage) else None
        else:
            request = self._request if isinstance(self._request, Request) else Request("", "", "", 0, b"")
            response = self._response if isinstance(self._response, Response) else None
            carrier = HttpFlow(self.flow_id, request=request, response=response)
        carrier.is_modified = self.is_modified
        carrier.metadata = {_HAS_ORIGINAL: True} if self.has_original else {}
        return carrier

    @classmethod
    def of_carrier(cls, carrier: EditedFlow, subject: str) -> MessageState:
        state = cls(carrier, subject)
        state.has_original = _HAS_ORIGINAL in carrier.metadata
        return state

    def bodies(self) -> list[Body]:
        return [each.body for each in (self._request, self._response) if isinstance(each, Request | Response)]


def _kept(message: Request | Response | DnsMessage) -> Request | Response | DnsMessage:
    return message if isinstance(message, DnsMessage) else message.copy()


def _copy_into(target: Request | Response, source: Request | Response) -> None:
    for field in dataclasses.fields(source):
        setattr(target, field.name, getattr(source, field.name))
