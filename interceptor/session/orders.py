"""What the flow list can be sorted by: a name, and the key that it gives a flow.

Keys of one order compare with each other for every kind of flow; what is not known yet sorts as if it were least, but for an
unfinished flow's duration, which sorts as longest. A key may change while the flow lives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Final

from interceptor.model.flow import DnsFlow, Flow, HttpFlow

Key = float | str

TEXT_ORDERS: Final = ("method", "host", "type")
"""Those whose keys are texts that many flows share."""
DEAR_ORDERS: Final = ("url",)
"""Those whose keys are in no column: the flow has to be read."""

NO_STATUS: Final = 0
FAILED_STATUS: Final = -1


def _time(flow: Flow) -> float:
    return flow.created_at


def _method(flow: Flow) -> str:
    return flow.request.method if isinstance(flow, HttpFlow) else flow.kind.upper()


def _url(flow: Flow) -> str:
    if isinstance(flow, HttpFlow):
        return flow.request.pretty_url
    if isinstance(flow, DnsFlow):
        return flow.request.name.lower()
    return f"{flow.kind}://{_host(flow)}"


def _host(flow: Flow) -> str:
    if isinstance(flow, HttpFlow):
        return flow.request.pretty_host.lower()
    if isinstance(flow, DnsFlow):
        return flow.request.name.lower()
    if flow.server is not None and flow.server.peer is not None:
        return flow.server.peer[0].lower()
    return ""


def _size(flow: Flow) -> float:
    return flow.bytes_held()


def _status(flow: Flow) -> float:
    if isinstance(flow, HttpFlow) and flow.response is not None:
        return flow.response.status_code
    if isinstance(flow, DnsFlow) and flow.response is not None:
        return flow.response.rcode
    return FAILED_STATUS if flow.error is not None else NO_STATUS


def _duration(flow: Flow) -> float:
    started, ended = flow.created_at, flow.ended_at
    if isinstance(flow, HttpFlow):
        started = flow.request.timestamp_start or started
        if flow.response is not None:
            ended = flow.response.timestamp_end or ended
    return inf if ended is None else ended - started


def _type(flow: Flow) -> str:
    if not isinstance(flow, HttpFlow):
        return flow.kind
    if flow.response is None:
        return ""
    return (flow.response.headers.get("content-type") or "").partition(";")[0].strip().lower()


ORDERS: Final[Mapping[str, Callable[[Flow], Key]]] = {
    "time": _time,
    "method": _method,
    "url": _url,
    "host": _host,
    "status": _status,
    "type": _type,
    "size": _size,
    "duration": _duration,
}
"""By the name that the option `view_order` has for it."""
