"""What a shell or a reader of files would stumble over, in every field of a flow: what leaves the program is whole."""

from __future__ import annotations

import io
import json

import pytest

from interceptor.model.flow import HttpFlow
from interceptor.model.http import Request
from interceptor.options import Options
from interceptor.session.export.formats import export, file_name, names
from interceptor.session.formats.har import HarWriter
from interceptor.session.formats.mitmproxy_flow import write_flow
from interceptor.session.formats.recognised import read_flows
from interceptor.specs.errors import UserError
from interceptor.specs.filter import parse
from tests.session.export.echo import is_harmless
from tests.support.hostile_flows import HOSTILE_FIELDS

FILTERS = [f"~{name} zq" for name in ("b", "bq", "bs", "h", "u", "d", "m", "t", "comment", "marker", "src", "dst")]


@pytest.mark.parametrize("field", HOSTILE_FIELDS)
def test_every_field_in_every_export(field: str) -> None:
    flow = HOSTILE_FIELDS[field]()
    for name in names():
        assert file_name(name, flow).isascii()
        try:
            exported = export(name, flow, Options())
        except UserError:
            continue
        if isinstance(exported, str):
            assert is_harmless(exported.replace("\t", "") if name == "go" else exported), name  # Go is indented with tabs
        if name == "har":
            json.loads(exported)


@pytest.mark.parametrize("field", HOSTILE_FIELDS)
def test_every_field_comes_back_from_a_flow_file(field: str) -> None:
    flow, notes = HOSTILE_FIELDS[field](), list[str]()
    stream = io.BytesIO()
    write_flow(stream, flow)
    stream.seek(0)
    (back,) = read_flows(stream, notes.append)
    assert not notes and type(back) is type(flow)
    if isinstance(flow, HttpFlow) and isinstance(back, HttpFlow):
        assert (back.request.method, back.request.target) == (flow.request.method, flow.request.target)
        assert back.request.headers == flow.request.headers and back.request.body.read() == flow.request.body.read()
    assert back.comment == flow.comment.replace("\udcff\udc9b", "\\udcff\\udc9b")


@pytest.mark.parametrize("field", HOSTILE_FIELDS)
def test_every_field_is_looked_at_by_filters(field: str) -> None:
    flow = HOSTILE_FIELDS[field]()
    for expression in FILTERS:
        parse(expression).matches(flow)


@pytest.mark.parametrize("name", ["curl", "httpie"])
@pytest.mark.parametrize("scheme", ["file", "scp", "dict", "-o", "ht\x1btp", "$(id)", ""])
def test_a_scheme_that_is_not_http_is_for_no_client(name: str, scheme: str) -> None:
    """HTTP/2 says the scheme in a field of its own."""
    flow = HttpFlow(1, request=Request("GET", scheme, "localhost", 80, b"/etc/passwd"))
    with pytest.raises(UserError, match="scheme"):
        export(name, flow, Options())


def test_text_of_a_har_file_that_is_no_text() -> None:
    half = "a\ud800b"
    request = {"method": "GET", "url": "http://h/", "httpVersion": "HTTP/1.1", "headers": []}
    response = {"status": 200, "statusText": half, "httpVersion": half, "headers": [], "content": {"text": half}, "_error": half}
    entry = {"startedDateTime": "2026-01-01T00:00:00Z", "request": request, "response": response}
    entry |= dict.fromkeys(("comment", "_marker", "serverIPAddress", "connection"), half)
    stream = io.BytesIO(json.dumps({"log": {"version": "1.2", "entries": [entry]}}).encode())
    (flow,) = read_flows(stream, pytest.fail)
    assert (flow.comment, flow.marker) == ("a?b", "a?b") and flow.error is not None and flow.error.message == "a?b"
    writer = HarWriter(io.BytesIO())
    writer.write(flow)
    write_flow(io.BytesIO(), flow)
