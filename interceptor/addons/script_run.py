"""The hooks that a flow has gone through, for running a script over it afterwards."""

from __future__ import annotations

from collections.abc import Iterator

from interceptor.script.flow import Flow
from interceptor.script.http import HTTPFlow
from interceptor.script.tcp import TCPFlow


def events_of(flow: Flow) -> Iterator[tuple[str, Flow]]:
    """(hook, flow) in their order; a raw conversation grows by a message each time, as it did."""
    if isinstance(flow, HTTPFlow):
        yield "requestheaders", flow
        yield "request", flow
        if flow.response is not None:
            yield "responseheaders", flow
            yield "response", flow
        if flow.websocket is not None:
            messages = list(flow.websocket.messages)
            flow.replayed = []
            yield "websocket_start", flow
            for message in messages:
                flow.replayed.append(message)
                yield "websocket_message", flow
            flow.replayed = None
            yield "websocket_end", flow
        if flow.error is not None:
            yield "error", flow
    elif isinstance(flow, TCPFlow):
        kind, messages = flow.type, list(flow.messages)
        flow.replayed = []
        yield f"{kind}_start", flow
        for message in messages:
            flow.replayed.append(message)
            yield f"{kind}_message", flow
        flow.replayed = None
        yield f"{kind}_{'end' if flow.error is None else 'error'}", flow
