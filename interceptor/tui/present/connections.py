"""Both connections of a flow: who was asked for, who answered, what TLS agreed on, and the certificates."""

from __future__ import annotations

from interceptor.model.connection import Connection, Side, TlsFacts
from interceptor.model.flow import Flow, HttpFlow
from interceptor.tui.present.addresses import address
from interceptor.tui.present.certificates import chain
from interceptor.tui.present.paragraphs import Paragraph, fields, note, section
from interceptor.tui.present.text import Line, readable


def connections(flow: Flow, now: float) -> list[Paragraph]:
    paragraphs: list[Paragraph] = []
    request_version = response_version = ""
    if isinstance(flow, HttpFlow):
        request_version = flow.request.http_version
        response_version = flow.response.http_version if flow.response is not None else ""
    if flow.client is not None:
        paragraphs += _connection(flow.client, "Client connection", request_version)
    else:
        paragraphs += [*section("Client connection"), note("None: the request was made here or loaded from a file.")]
    if flow.server is not None:
        paragraphs += _connection(flow.server, "Server connection", response_version)
    else:
        paragraphs += [*section("Server connection"), note("None was opened.")]
    for connection, title in ((flow.server, "Server certificate"), (flow.client, "Client certificate")):
        if connection is not None and connection.tls is not None:
            paragraphs += chain(connection.tls.chain, title, now)
    return paragraphs


def _connection(connection: Connection, title: str, http_version: str) -> list[Paragraph]:
    pairs: list[tuple[str, Line | str]] = [("Address", address(connection.peer))]
    if connection.resolved is not None and connection.resolved != connection.peer:
        told_by = "Told by" if connection.side is Side.CLIENT else "Resolved to"  # a balancer, in a PROXY header
        pairs.append((told_by, address(connection.resolved)))
    if connection.via:
        way = ", then ".join(readable(str(hop)) for hop in connection.via)
        how = "which forwards the request" if connection.is_forwarded else "through a tunnel"
        pairs.append(("By way of", [("field value", way), ("note", f"  {how}")]))
    if connection.local is not None:
        pairs.append(("Our address" if connection.side is Side.SERVER else "Came in at", address(connection.local)))
    if (process := connection.process) is not None:
        named: Line = [("field value", readable(process.executable or process.name)), ("note", f"  PID {process.pid}")]
        pairs.append(("Program", named))
        if process.arguments:
            pairs.append(("Command line", readable(process.command_line)))
    if connection.transport != "tcp":
        pairs.append(("Transport", connection.transport.upper()))
    if http_version:
        pairs.append(("HTTP version", http_version))
    if connection.tls is None:
        pairs.append(("TLS", [("note", "none, in the clear")]))
    else:
        pairs += _tls(connection.tls)
    if connection.error:
        pairs.append(("Error", [("error", readable(connection.error))]))
    return [*section(title), *fields(pairs)]


def _tls(tls: TlsFacts) -> list[tuple[str, Line | str]]:
    is_done = tls.established_at is not None or bool(tls.version)
    version = readable(tls.version) if tls.version else "handshake not finished"
    resumed: Line = [("note", "  resumed session")] if tls.is_resumed else []
    pairs: list[tuple[str, Line | str]] = [("TLS version", [("field value" if is_done else "error", version), *resumed])]
    if tls.cipher:
        pairs.append(("Cipher", tls.cipher))
    pairs.append(("SNI", tls.server_name or [("note", "none sent")]))
    if tls.alpn or tls.alpn_offers:
        offers = ", ".join(readable(offer) for offer in tls.alpn_offers)
        chosen: Line = [("field value", readable(tls.alpn))] if tls.alpn else [("note", "nothing chosen")]
        pairs.append(("ALPN", [*chosen, *([("note", f"  of {offers}")] if offers else [])]))
    if tls.hello:
        from interceptor.proxy.fingerprints import fingerprints

        if (named := fingerprints(tls.hello)) is not None:
            pairs += [("JA4", named.ja4), ("JA3", named.ja3)]
    if not tls.chain:
        pairs.append(("Certificate", [("note", "none sent")]))
    return pairs
