"""The way to a server that shall open a WebSocket: over HTTP/2 if it takes that (RFC 8441), else over HTTP/1.1.

    Reach(what others would be offered) ─ HTTP/1.1 was chosen ─▸ there: GET, Upgrade
                    │ HTTP/2
                    └▸ its SETTINGS ─ ENABLE_CONNECT_PROTOCOL ─▸ there: extended CONNECT
                            │ not told, gone, or silent
                            └▸ Reach(HTTP/1.1 alone), on a connection of its own ─▸ there, or the failure with both reasons

The connection on which HTTP/2 is spoken stays for the client's other requests.
"""

from __future__ import annotations

from interceptor.model.connection import Origin
from interceptor.proxy.asks import ConnectFailed, Reach, Reached, TakesWebSockets
from interceptor.proxy.core.conversation import Strand
from interceptor.proxy.core.events import TimedOut
from interceptor.proxy.layers.http.parts import RequestPart
from interceptor.proxy.layers.http.surroundings import HTTP1_ONLY


async def reach_for_websocket(
    strand: Strand[RequestPart], origin: Origin, offers: tuple[bytes, ...], is_fresh: bool, patience: float
) -> tuple[Reached | ConnectFailed, str]:
    """The answer, and why it is not HTTP/2 if the server speaks that (else ""). `offers` are those for any other request;
    `patience` is for its SETTINGS, in seconds."""
    answer = await strand.ask(Reach(strand, origin, alpn_offers=offers, is_taken=True, is_fresh=is_fresh))
    if isinstance(answer, ConnectFailed) or not answer.is_http2:
        return answer, ""
    refusal = await strand.ask(TakesWebSockets(strand, answer.connection), until=strand.stack.now + patience)
    if isinstance(refusal, TimedOut):
        refusal = f"the server has sent no SETTINGS within {patience:g} s (connect_timeout)"
    if not refusal:
        return answer, ""
    answer = await strand.ask(Reach(strand, origin, alpn_offers=HTTP1_ONLY, is_taken=True, is_fresh=is_fresh))
    return answer, refusal
