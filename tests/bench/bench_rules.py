"""What a hook costs: without a rule, with rules that mean other flows, and what a replay needs to find a response."""

from __future__ import annotations

from collections.abc import Callable

from interceptor.addons.chain import Chain, Place
from interceptor.addons.intercept import Intercept
from interceptor.addons.rules import rule_addons
from interceptor.addons.server_replay import ServerReplay
from interceptor.model.flow import HttpFlow
from interceptor.model.hooks import RequestHead, RequestReady
from interceptor.model.http import Headers, Request, Response
from interceptor.options import Options
from tests.bench.measure import Benchmark

RECORDED = 10_000


def _flow(number: int) -> HttpFlow:
    fields = [(b"Host", b"example.com"), (b"Accept", b"*/*"), (b"User-Agent", b"bench")]
    request = Request("GET", "http", "example.com", 80, b"/item/%d?page=1" % number, headers=Headers(fields))
    return HttpFlow(number, request=request, response=Response(200))


def _chain(**rules: object) -> tuple[Chain, ServerReplay]:
    options = Options(**rules)
    replay = ServerReplay(options, lambda path: ())
    chain = Chain([], Intercept(), lambda *what: None)
    replay.on_change = chain.refresh
    for addon in rule_addons(options, replay):
        chain.add(addon, Place.RULES)
    return chain, replay


def _deciding(**rules: object) -> Callable[[], object]:
    chain, _ = _chain(**rules)
    hook = RequestHead(_flow(1))
    return lambda: chain.decide(hook, lambda verdict: None)


def _replaying() -> Callable[[], object]:
    chain, replay = _chain(server_replay_reuse=True)
    replay.replace(_flow(number) for number in range(RECORDED))
    hook = RequestReady(_flow(RECORDED // 2))
    return lambda: chain.decide(hook, lambda verdict: None)


BENCHMARKS = [
    Benchmark("rules: none", _deciding),
    Benchmark("rules: a header rule for other flows", lambda: _deciding(modify_headers=["/~d other.test/X/1"])),
    Benchmark(
        "rules: five for other flows",
        lambda: _deciding(
            modify_headers=["/~d other.test/X/1", "/~m POST/Y/2"],
            modify_body=["/~d other.test/a/b"],
            map_remote=["|https://other.test/|https://another.test/"],
            block_list=[":~u ads:404"],
        ),
    ),
    Benchmark(f"rules: a response out of {RECORDED} recorded ones", _replaying),
]
