"""block_list, anticache, anticomp, upstream_auth; and the order in which rules are asked."""

from __future__ import annotations

import base64

import pytest

from interceptor.addons.block_list import BlockList
from interceptor.addons.chain import Chain, Place
from interceptor.addons.intercept import Intercept
from interceptor.addons.request_fields import Anticache, Anticomp, UpstreamAuth
from interceptor.addons.rules import rule_addons
from interceptor.addons.server_replay import ServerReplay
from interceptor.model.hooks import FORWARD, Collect, Forward, Kill, RequestHead, Respond
from interceptor.options import Options
from tests.addons.rule_flows import Exchanges, flow_of, noted


def test_a_blocked_request_is_answered_or_hung_up_on() -> None:
    exchanges = Exchanges(BlockList, block_list=[":~d ads:404", "/~u /x|y/444", ":~all:200"])
    flow = flow_of("http://ads.test/")
    answer = exchanges.answer(flow)
    assert (answer.status_code, answer.reason, answer.body.size, answer.headers["content-length"]) == (404, b"Not Found", 0, "0")
    assert [name for name, _ in answer.headers] == [b"Content-Length"], "it does not say who we are"
    assert noted(flow) == ["block_list :~d ads:404"]
    assert flow.metadata["blocklisted"] is True
    assert isinstance(exchanges.request(flow_of("http://a.test/x")), Kill)
    assert exchanges.answer(flow_of("http://a.test/")).status_code == 200


def test_a_filter_for_bodies_blocks_when_they_are_there() -> None:
    exchanges = Exchanges(BlockList, block_list=[":~bq secret:403"])
    assert exchanges.answer(flow_of(method="POST", body=b"a secret")).status_code == 403
    assert isinstance(exchanges.request(flow_of(method="POST", body=b"other")), Forward)


def test_anticache() -> None:
    fields = [(b"If-None-Match", b"x"), (b"if-modified-since", b"y"), (b"If-Match", b"z")]
    flow = flow_of(fields=fields)
    exchanges = Exchanges(Anticache, anticache=True)
    exchanges.request(flow)
    assert flow.request.headers.fields[1:] == [(b"If-Match", b"z")]
    assert noted(flow) == ["anticache"]
    plain = flow_of()
    exchanges.request(plain)
    assert not plain.is_modified
    exchanges.set(anticache=False)
    assert exchanges.has_no_say()


def test_anticomp() -> None:
    flow = flow_of(fields=[(b"Accept-Encoding", b"gzip, br")])
    exchanges = Exchanges(Anticomp, anticomp=True)
    exchanges.request(flow)
    assert flow.request.headers["accept-encoding"] == "identity"
    assert noted(flow) == ["anticomp"]
    exchanges.set(anticomp=False)
    assert exchanges.has_no_say()


def test_upstream_auth_is_for_the_server_behind_a_reverse_mode() -> None:
    exchanges = Exchanges(UpstreamAuth, upstream_auth="user:pass:word")
    flow = flow_of()
    exchanges.request(flow)
    assert "authorization" not in flow.request.headers
    flow.mode = "reverse:http://a.test"
    exchanges.request(flow)
    assert flow.request.headers["authorization"] == "Basic " + base64.b64encode(b"user:pass:word").decode()


@pytest.mark.parametrize("value", ["user", ":x", "user:"])
def test_upstream_auth_wants_both(value: str) -> None:
    assert "user:password" in Exchanges(UpstreamAuth).refused(upstream_auth=value)


def test_rules_see_what_the_ones_before_them_made_and_nobody_is_asked_without_rules() -> None:
    options = Options()
    chain = Chain([], Intercept(), lambda message, error: None)
    for addon in rule_addons(options, ServerReplay(options, lambda path: ())):
        chain.add(addon, Place.RULES)
    options.subscribe(lambda options, names: chain.refresh())
    later = [].append
    flow = flow_of("http://a.test/")
    assert chain.decide(RequestHead(flow), later) is FORWARD
    options.update(
        map_remote=["|a.test|b.test"],
        modify_headers=["|~q & ~d b.test|X|1"],
        block_list=["|~hq X:|451", "|~d a.test|404"],
        modify_body=["/~d c.test/a/b"],
    )
    verdict = chain.decide(RequestHead(flow), later)
    assert isinstance(verdict, Respond)
    assert verdict.response.status_code == 451
    assert noted(flow) == ["map_remote |a.test|b.test", "modify_headers |~q & ~d b.test|X|1", "block_list |~hq X:|451"]
    wanted = chain.decide(RequestHead(flow_of("http://c.test/")), later)
    assert isinstance(wanted, Forward)
    assert wanted.collect is Collect.WHOLE
    assert chain.decide(RequestHead(flow_of("http://d.test/")), later) == FORWARD, "its body streams"
