"""What was received beside what is sent, for a flow that was edited.

    Request line   − GET /old HTTP/1.1
                   + GET /new HTTP/1.1
    X-Debug        + 1

Only what differs is shown: lines, fields one by one, trailers, the size of bodies. A body with the same handle is the same.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from interceptor.model.dns import DnsMessage
from interceptor.model.flow import DnsFlow, Flow, HttpFlow, TcpFlow
from interceptor.model.http import Field, Headers, Message, Request, Response
from interceptor.specs.sizes import format_size
from interceptor.tui.present.paragraphs import Paragraph, fields, note, section
from interceptor.tui.present.stream import MANY
from interceptor.tui.present.text import Line, readable

_COMPARED: Final = 1024 * 1024

Difference = tuple[str, str | None, str | None]
"""Name, what was received, what is sent; None where there is nothing on that side."""


def changes(flow: Flow) -> list[Paragraph]:
    """Empty for a flow that is as it was received, and that no rule has noted anything on."""
    return _by_rules(flow) + _differences(flow)


def _by_rules(flow: Flow) -> list[Paragraph]:
    noted = flow.noted_by_rules()
    if not noted:
        return []
    return [
        *section("Rules", "that had a say in this flow"),
        *(Paragraph([("field value", readable(each[:2000]))]) for each in noted),
    ]


def _differences(flow: Flow) -> list[Paragraph]:
    if isinstance(flow, TcpFlow):
        newest = flow.messages[max(len(flow.messages) - MANY, 0) :]
        edited = sum(1 for message in newest if message.original is not None or message.is_dropped)
        if not edited:
            return []
        return [*section("Changes"), note(f"{edited} of {flow.message_count} messages were edited or dropped; see the stream.")]
    if isinstance(flow, DnsFlow) and flow.original is not None:
        return _dns_differences(flow, *flow.original)
    if not isinstance(flow, HttpFlow) or flow.original is None:
        return [*section("Changes"), note("Modified; what was received is not kept.")] if flow.is_modified else []
    request, response = flow.original
    found = _request_differences(request, flow.request)
    paragraphs = _listed("Request changed", found)
    if response is not None and flow.response is not None:
        paragraphs += _listed("Response changed", _response_differences(response, flow.response))
    elif flow.response is not None and response is None and not flow.is_live and flow.server is None:
        paragraphs += [*section("Response changed"), note("The response was made here.")]
    return paragraphs or [*section("Changes"), note("Edited, and the same again as what was received.")]


def _dns_differences(flow: DnsFlow, request: DnsMessage, response: DnsMessage | None) -> list[Paragraph]:
    """Lines of their text forms that are not in both."""
    paragraphs: list[Paragraph] = []
    for title, before, after in (("Query changed", request, flow.request), ("Answer changed", response, flow.response)):
        if before is not None and after is not None and before.wire != after.wire:
            lost, got = before.text().splitlines(), after.text().splitlines()
            found: list[Difference] = [("", line, None) for line in lost if line not in got]
            found += [("", None, line) for line in got if line not in lost]
            paragraphs += _listed(title, found)
    return paragraphs or [*section("Changes"), note("Edited, and the same again as what was received.")]


def _listed(title: str, found: list[Difference]) -> list[Paragraph]:
    if not found:
        return []
    pairs: list[tuple[str, Line | str]] = []
    for name, before, after in found:
        if before is not None:
            pairs.append((name, [("removed", f"− {readable(before)}")]))
        if after is not None:
            pairs.append((name if before is None else "", [("added", f"+ {readable(after)}")]))
    return [*section(title, "− as received, + as sent"), *fields(pairs)]


def _request_differences(before: Request, after: Request) -> list[Difference]:
    pairs = [
        ("method", before.method, after.method),
        ("scheme", before.scheme, after.scheme),
        ("host", before.host, after.host),
        ("port", str(before.port), str(after.port)),
        ("path", before.path, after.path),
        ("version", before.http_version, after.http_version),
    ]
    return [*_unequal(pairs), *_message_differences(before, after)]


def _response_differences(before: Response, after: Response) -> list[Difference]:
    pairs = [
        ("status", str(before.status_code), str(after.status_code)),
        ("reason", before.reason_text, after.reason_text),
        ("version", before.http_version, after.http_version),
    ]
    return [*_unequal(pairs), *_message_differences(before, after)]


def _unequal(pairs: list[tuple[str, str, str]]) -> list[Difference]:
    return [(name, before, after) for name, before, after in pairs if before != after]


def _message_differences(before: Message, after: Message) -> list[Difference]:
    found = _field_differences(before.headers.fields, after.headers.fields)
    found += _field_differences((before.trailers or Headers()).fields, (after.trailers or Headers()).fields)
    if before.body is not after.body and not _same_content(before, after):
        found.append(("body", format_size(before.body.size), format_size(after.body.size)))
    return found


def _same_content(before: Message, after: Message) -> bool:
    size = before.body.size
    return size == after.body.size and size <= _COMPARED and before.body.read() == after.body.read()


def _field_differences(before: list[Field], after: list[Field]) -> list[Difference]:
    """A name that lost one value and got one is one change; the rest are removals and additions."""
    lost, got = Counter(before), Counter(after)
    lost, got = lost - got, got - lost
    new = list(got.elements())
    found: list[Difference] = []
    for name, value in lost.elements():
        match = next((item for item in new if item[0].lower() == name.lower()), None)
        if match is not None:
            new.remove(match)
        found.append((readable(name), readable(value), readable(match[1]) if match is not None else None))
    return found + [(readable(name), None, readable(value)) for name, value in new]
