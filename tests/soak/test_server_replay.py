"""Recorded responses by the hundred thousand: finding the one for a request takes as long as among a hundred, hit or miss."""

from __future__ import annotations

import time

import pytest

from interceptor.addons.server_replay import ServerReplay
from interceptor.model.body import MemoryBody
from interceptor.model.flow import Flow, HttpFlow
from interceptor.model.hooks import Respond
from interceptor.model.http import Headers, Request, Response
from interceptor.options import Options

pytestmark = pytest.mark.soak

FEW, MANY, ASKED = 100, 100_000, 2_000
HEADERS = Headers([(b"Host", b"api.example"), (b"Accept", b"*/*")])


def request(number: int) -> Request:
    target = b"/items/%d?page=%d&sort=name" % (number % 5000, number)
    return Request("POST", "https", "api.example", 443, target, headers=HEADERS, body=MemoryBody(b'{"number": %d}' % number))


def recorded(number: int) -> HttpFlow:
    return HttpFlow(
        number, request=request(number), response=Response(200, headers=Headers([(b"A", b"b")]), body=MemoryBody(b"x"))
    )


def nothing(path: str) -> list[Flow]:
    return []


def seconds_each(count: int, is_hit: bool) -> float:
    """Of the best of five rounds."""
    replay = ServerReplay(Options(server_replay_reuse=True, server_replay_extra="404"), nothing)
    assert replay.add(recorded(number) for number in range(count)) == count
    step = max(count // ASKED, 1)
    flows = [HttpFlow(0, request=request(at * step % count + (0 if is_hit else MANY))) for at in range(ASKED)]
    rounds = []
    for _ in range(5):
        started = time.process_time()
        verdicts = [replay.request(flow) for flow in flows]
        rounds.append((time.process_time() - started) / ASKED)
        assert {each.response.status_code for each in verdicts if isinstance(each, Respond)} == {200 if is_hit else 404}
    return min(rounds)


@pytest.mark.parametrize("is_hit", [True, False], ids=["hit", "miss"])
def test_finding_a_response_takes_as_long_among_many_as_among_few(is_hit: bool) -> None:
    few, many = seconds_each(FEW, is_hit), seconds_each(MANY, is_hit)
    print(f"\n{'hit' if is_hit else 'miss'}: {few * 1e6:.1f} us among {FEW}, {many * 1e6:.1f} us among {MANY:,}")
    assert many < 4 * few, (few, many)
