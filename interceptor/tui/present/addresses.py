"""Where a flow goes, as styled text that fits: scheme, host, path and query, or the two ends of a raw conversation.

What does not fit is left out where it tells least: first the end of the query, then the middle of the path, then of the host.
"""

from __future__ import annotations

from typing import Final

from interceptor.model.connection import DEFAULT_PORTS, Address, bracketed
from interceptor.model.flow import DnsFlow, Flow, HttpFlow, TcpFlow
from interceptor.model.http import Request
from interceptor.tui.present.text import Line, cut, readable, shorten, shorten_middle, width

_LONGEST: Final = 4096
"""More of a target than anyone sees in a line is not looked at."""


def scheme(flow: Flow) -> str:
    """`http`, `https`, `ws`, `wss`, `tcp`, `tls` or `udp`."""
    if not isinstance(flow, HttpFlow):
        is_tls = flow.client is not None and flow.client.tls is not None
        return "tls" if is_tls and flow.kind == "tcp" else flow.kind
    if flow.websocket is not None:
        return "wss" if flow.request.scheme == "https" else "ws"
    return readable(flow.request.scheme)


def host(request: Request, showhost: bool) -> str:
    """With the port where it is not the scheme's own. `showhost`: the name that the client gave, not where it goes."""
    name = bracketed(readable(request.pretty_host if showhost else request.host))
    if request.method == "CONNECT" or DEFAULT_PORTS.get(request.scheme) != request.port:
        return f"{name}:{request.port}"
    return name


def path_and_query(request: Request) -> tuple[str, str]:
    """The query begins with its question mark, or is empty. CONNECT and `OPTIONS *` have no path."""
    target = request.target
    if request.method == "CONNECT":
        return "", ""
    if len(target) > _LONGEST:
        target = target[: _LONGEST // 2] + "…".encode() + target[-_LONGEST // 2 :]
    text = readable(target)
    path, mark, query = text.partition("?")
    return path, mark + query


def ends(flow: TcpFlow) -> tuple[str, str]:
    """Client and server, as addresses."""
    return address(flow.client.peer if flow.client else None), address(flow.server.peer if flow.server else None)


def address(pair: Address | None) -> str:
    return f"{bracketed(readable(pair[0]))}:{pair[1]}" if pair else "?"


def path_pieces(request: Request, columns: int) -> Line:
    """Path and query in at most `columns`."""
    path, query = path_and_query(request)
    query_width = width(query)
    if query and width(path) + query_width > columns:
        room = max(columns - width(path), min(query_width, columns // 4), 0)
        query = shorten(query, room)
    path = shorten_path(path, columns - width(query))
    return [("path", path), ("query", query)] if query else [("path", path)]


def shorten_path(path: str, columns: int) -> str:
    """Of a path that is too long the last segment stays whole, if it can."""
    if width(path) <= columns:
        return path
    last = path[path.rfind("/", 0, -1) :]
    room = columns - width(last) - 1
    return f"{cut(path, room)}…{last}" if room >= 0 else shorten_middle(path, columns)


def url_pieces(request: Request, columns: int, showhost: bool) -> Line:
    """Host, path and query in at most `columns`."""
    name = host(request, showhost)
    path, query = path_and_query(request)
    rest = width(path) + width(query)
    if width(name) + rest > columns:
        name = shorten_middle(name, max(columns - rest, columns * 2 // 5))
    return [("host", name), *path_pieces(request, columns - width(name))]


def natural_width(flow: Flow, showhost: bool, has_host: bool) -> int:
    """Columns of the address if nothing is left out; with or without the host in front of the path."""
    if isinstance(flow, TcpFlow):
        return 3 + sum(map(width, ends(flow)))
    if isinstance(flow, DnsFlow):
        return width(flow.request.type_name) + 1 + width(readable(flow.request.name))
    if not isinstance(flow, HttpFlow):
        return 0
    return sum(map(width, path_and_query(flow.request))) + (width(host(flow.request, showhost)) if has_host else 0)


def dns_pieces(flow: DnsFlow, columns: int) -> Line:
    """`AAAA example.com = 2001:db8::1, …` in at most `columns`."""
    kind, name = flow.request.type_name, readable(flow.request.name)
    line: Line = [("path", f"{kind} ")] if kind else []
    room = columns - width(kind) - 1
    answers = ", ".join(readable(each) for each in flow.response.answers()[:20]) if flow.response is not None else ""
    if not answers:
        return [*line, ("host", shorten_middle(name, room))]
    name = shorten_middle(name, max(room - 3 - width(answers), min(width(name), room * 2 // 3)))
    return [*line, ("host", name), ("dim", " = "), ("query", shorten(answers, max(room - 3 - width(name), 0)))]


def ends_pieces(flow: TcpFlow, columns: int) -> Line:
    """`client ⇄ server` in at most `columns`; the server stays longest."""
    client, server = ends(flow)
    room = columns - 3 - width(server)
    if room < 9:
        return [("host", shorten_middle(server, columns))]
    return [("query", shorten_middle(client, room)), ("dim", " ⇄ "), ("host", server)]
