"""The cases of the differential check, in harder ways: a byte at a time, and what got through read by Node's server."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from interceptor.model.flow import HttpFlow
from tests.conformance.test_against_node import node_port
from tests.differential import responses
from tests.differential.cases import Case
from tests.differential.checks import check_request, check_response
from tests.differential.lab import request_seen, response_seen
from tests.differential.test_differential import REQUESTS, STRICT
from tests.support.raw_server import connect

__all__ = ["node_port"]
pytestmark = pytest.mark.conformance


def short(cases: list[Case]) -> list[Case]:
    """Those that are soon sent. LF alone may be found before the line that it ends is looked at: any reason will do."""
    chosen = [case for case in cases if len(case.wire) < 400 and not case.is_cut]
    return [replace(case, refused=case.refused and " at byte ", breaks=case.breaks and " at byte ") for case in chosen]


@pytest.mark.parametrize("case", short(REQUESTS), ids=lambda case: case.name)
def test_requests_a_byte_at_a_time(case: Case) -> None:
    check_request(case, request_seen(case, STRICT, step=1))


@pytest.mark.parametrize("case", short(responses.CASES), ids=lambda case: case.name)
def test_responses_a_byte_at_a_time(case: Case) -> None:
    check_response(case, response_seen(case, STRICT, step=1))


@pytest.mark.needs_node
def test_node_reads_what_is_recorded(node_port: int) -> None:
    compared = 0
    for case in REQUESTS:
        if not case.passes or case.wire.startswith(b"CONNECT"):
            continue
        seen = request_seen(case, STRICT)
        flow = seen.flows[0]
        assert isinstance(flow, HttpFlow)
        with connect(node_port) as peer:
            peer.send(bytes(seen.origins[0]))
            peer.socket.shutdown(1)
            head, _, answer = peer.read_to_end().partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200") or flow.request.method == "HEAD":
            continue
        compared += 1
        read = json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])
        assert read["body"].encode("latin-1") == flow.request.body.read(), case.name
        assert read["method"] == flow.request.method, case.name
    assert compared > 80
