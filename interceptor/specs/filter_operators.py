"""The operators of the filter language: name, argument, help, example, and the maker of the test.

Names and meanings are mitmproxy's, so that filters in people's fingers and scripts go on working; ours stand behind them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from interceptor.model.flow import DnsFlow, HttpFlow
from interceptor.specs import filter_terms as terms


class Operator(NamedTuple):
    """`argument` is what it takes, as shown to people, "" for nothing; with `is_optional` it may go without. `needs_body`: the
    answer depends on bodies or messages, so it may change while they come."""

    name: str
    argument: str
    help: str
    example: str
    make: terms.Maker
    needs_body: bool = False
    is_optional: bool = False

    @property
    def takes_pattern(self) -> bool:
        return self.argument == "regex"


def _kind(kind: str) -> terms.Maker:
    return terms.fact(lambda flow: flow.kind == kind)


def _said(by_client: bool) -> terms.Maker:
    return terms.fact(lambda flow: terms.has_message(flow, by_client))


_has_response: Final = terms.fact(lambda flow: isinstance(flow, (HttpFlow, DnsFlow)) and flow.response is not None)
_has_no_response: Final = terms.fact(lambda flow: isinstance(flow, (HttpFlow, DnsFlow)) and flow.response is None)
_is_websocket: Final = terms.fact(lambda flow: isinstance(flow, HttpFlow) and flow.websocket is not None)
_was_sent_again: Final = terms.fact(lambda flow: flow.replay_of is not None)
_was_answered_by_replay: Final = terms.fact(lambda flow: flow.metadata.get("is_replay") == "response")
_is_replay: Final = terms.fact(lambda flow: flow.replay_of is not None or flow.metadata.get("is_replay") == "response")

_ALL: Final = (
    Operator("all", "", "every flow", "~all", terms.fact(lambda flow: True)),
    Operator("a", "", "the response is an asset: CSS, JavaScript, image or font", "!~a", terms.fact(terms.is_asset)),
    Operator("e", "", "ended with an error", "~e", terms.fact(lambda flow: flow.error is not None)),
    Operator("q", "", "HTTP or DNS without a response so far", "~q", _has_no_response),
    Operator("s", "", "HTTP or DNS with a response", "~s & ~m POST", _has_response),
    Operator("http", "", "is HTTP", "~http", _kind("http")),
    Operator("tcp", "", "is raw TCP", "~tcp", _kind("tcp")),
    Operator("udp", "", "is raw UDP", "~udp", _kind("udp")),
    Operator("dns", "", "is a DNS query", "~dns", _kind("dns")),
    Operator("websocket", "", "became a WebSocket", "~websocket", _is_websocket),
    Operator("marked", "", "has any marker", "~marked", terms.fact(lambda flow: flow.marker != "")),
    Operator("replay", "", "was replayed, from either side", "~replay", _is_replay),
    Operator("replayq", "", "its request was sent by a replay", "~replayq", _was_sent_again),
    Operator("replays", "", "its response came from a replay", "~replays", _was_answered_by_replay),
    Operator("u", "regex", "URL, with the host that the client named; a bare word means the same", "~u /api/", terms.url),
    Operator("d", "regex", "host, or the Host field", r"~d example\.com", terms.domain),
    Operator("m", "regex", "method", "~m POST", terms.method),
    Operator("c", "status", "status of the response: one, a class or a range", "~c 4xx", terms.status),
    Operator("h", "regex", "header fields of request or response, as lines `name: value`", "~h cookie", terms.head(True, True)),
    Operator("hq", "regex", "header fields of the request", "~hq 'user-agent: curl'", terms.head(True, False)),
    Operator("hs", "regex", "header fields of the response", "~hs ^server:", terms.head(False, True)),
    Operator("t", "regex", "content type of request or response", "~t json", terms.content_type(True, True)),
    Operator("tq", "regex", "content type of the request", "~tq form", terms.content_type(True, False)),
    Operator("ts", "regex", "content type of the response", "~ts html", terms.content_type(False, True)),
    Operator("b", "regex", "decoded body or message, from either side", "~b password", terms.body(True, True), needs_body=True),
    Operator("bq", "regex", "decoded body or messages of the client", "~bq token", terms.body(True, False), needs_body=True),
    Operator("bs", "regex", "decoded body or messages of the server", "~bs error", terms.body(False, True), needs_body=True),
    Operator("src", "regex", "address of the client, ip:port", "~src 192.168.", terms.address(terms.source)),
    Operator("dst", "regex", "address of the server, host:port", "~dst :8443$", terms.address(terms.destination)),
    Operator("meta", "regex", "metadata, as lines `key: value`", "~meta tag", terms.words(terms.metadata)),
    Operator("marker", "regex", "name of the marker", "~marker red_circle", terms.words(terms.markers)),
    Operator("comment", "regex", "text of the comment", "~comment todo", terms.words(terms.comment)),
    # from here on ours
    Operator("size", "size", "bytes of the response's body; alone: at least", "~size >1m", terms.size(False), needs_body=True),
    Operator("sizeq", "size", "bytes of the request's body; alone: at least", "~sizeq 10k-1m", terms.size(True), needs_body=True),
    Operator("duration", "duration", "time from start to end; alone: at least", "~duration >500ms", terms.duration),
    Operator("time", "time", "when it began: an age, a time of day, a date or a range", "~time <5m", terms.time_of),
    Operator("port", "port", "port of the server: one or a range", "~port 8000-8999", terms.port_of),
    Operator("tls", "version", "TLS on either side; with a version, that one", "~tls <1.2", terms.tls, is_optional=True),
    Operator("sni", "regex", "server name in the TLS handshake", "~sni example", terms.words(terms.server_names)),
    Operator("version", "regex", "HTTP version of request or response", "~version HTTP/2", terms.words(terms.http_versions)),
    Operator(
        "process",
        "regex",
        "program of the client: PID, name, file and command line",
        "~process curl",
        terms.words(terms.processes),
    ),
    Operator("fromclient", "", "has a message of the client; for a hold: is one", "~fromclient & ~websocket", _said(True)),
    Operator("fromserver", "", "has a message of the server; for a hold: is one", "~fromserver & ~tcp", _said(False)),
    Operator("held", "", "is held, and waits for you", "~held", terms.fact(lambda flow: flow.held is not None)),
    Operator("live", "", "still runs on the wire", "~live", terms.fact(lambda flow: flow.is_live)),
    Operator("modified", "", "was edited", "~modified", terms.fact(lambda flow: flow.is_modified)),
)

OPERATORS: Final = {operator.name: operator for operator in _ALL}
