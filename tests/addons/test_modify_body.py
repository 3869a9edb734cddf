"""Bodies changed by rule: which are collected, what is made of them, and what is said of those that cannot be changed."""

from __future__ import annotations

import gzip
from pathlib import Path

from interceptor.addons.modify_body import ModifyBody
from interceptor.model.body import MemoryBody
from tests.addons.rule_flows import Exchanges, answered, flow_of, noted


def test_request_and_response_are_changed_and_lengths_follow() -> None:
    exchanges = Exchanges(ModifyBody, modify_body=["/secret/[x]"])
    flow = flow_of(method="POST", body=b"a secret")
    exchanges.request(flow)
    assert (flow.request.body.read(), flow.request.headers["Content-Length"]) == (b"a [x]", "5")
    exchanges.response(answered(flow, b"secret secret"))
    assert flow.response is not None
    assert flow.response.body.read() == b"[x] [x]"
    assert noted(flow) == ["modify_body /secret/[x]"]
    assert flow.original is not None
    assert flow.original[0].body.read() == b"a secret"


def test_groups_lines_and_order() -> None:
    exchanges = Exchanges(ModifyBody, modify_body=[r"/<(.*)>/{\1}", "/{a/{b"])
    flow = answered(flow_of(), b"<a\nz>")
    exchanges.response(flow)
    assert flow.response is not None
    assert flow.response.body.read() == b"{b\nz}"


def test_a_coded_body_is_changed_as_meant_and_sent_as_it_was_coded() -> None:
    exchanges = Exchanges(ModifyBody, modify_body=["/old/new"])
    flow = answered(flow_of(), gzip.compress(b"old text"), fields=[(b"Content-Encoding", b"gzip")])
    exchanges.response(flow)
    assert flow.response is not None
    assert gzip.decompress(flow.response.body.read()) == b"new text"


def test_only_what_the_filter_may_mean_is_collected() -> None:
    exchanges = Exchanges(ModifyBody, modify_body=["/~d a.test & ~s/x/y"])
    for url, is_wanted in (("http://a.test/", True), ("http://b.test/", False)):
        flow = flow_of(url)
        exchanges.request(flow)
        assert not exchanges.collected
        exchanges.response(answered(flow, b"x"))
        assert exchanges.collected is is_wanted


def test_a_filter_for_bodies_is_asked_when_the_body_is_there() -> None:
    exchanges = Exchanges(ModifyBody, modify_body=["/~bs token/x/y"])
    for body, made in ((b"token x", b"token y"), (b"other x", b"other x")):
        flow = answered(flow_of(), body)
        exchanges.response(flow)
        assert flow.response is not None
        assert flow.response.body.read() == made


def test_what_cannot_be_changed_passes_and_says_why() -> None:
    exchanges = Exchanges(ModifyBody, modify_body=["/x/y"])
    large = answered(flow_of(), b"xxx")
    large.body_is_editable = False  # the exchange streams it: it is above stream_large_bodies
    broken = answered(flow_of(), b"x, not gzip", fields=[(b"Content-Encoding", b"gzip")])
    stream = answered(flow_of(), b"x", fields=[(b"Content-Type", b"text/event-stream")])
    for flow, reason in ((large, "larger than stream_large_bodies"), (broken, "not applied"), (stream, "stream of events")):
        before = flow.response.body if flow.response is not None else MemoryBody()
        exchanges.response(flow)
        assert flow.response is not None
        assert flow.response.body is before
        assert not flow.is_modified
        assert reason in noted(flow)[0]
    assert not exchanges.collected, "a stream of events is not waited for"


def test_what_has_no_body_gets_none() -> None:
    exchanges = Exchanges(ModifyBody, modify_body=["/^/x"])
    for flow in (answered(flow_of(method="HEAD")), answered(flow_of(), status=304), answered(flow_of(), status=204)):
        exchanges.response(flow)
        assert flow.response is not None
        assert flow.response.body.size == 0


def test_a_replacement_from_a_file_is_literal(tmp_path: Path) -> None:
    file = tmp_path / "new.json"
    file.write_text(r'{"path": "C:\new\1"}')
    exchanges = Exchanges(ModifyBody, modify_body=[f"|(.+)|@{file}"])
    flow = answered(flow_of(), b"{}")
    exchanges.response(flow)
    assert flow.response is not None
    assert flow.response.body.read() == file.read_bytes()
    file.unlink()
    flow = answered(flow_of(), b"{}")
    exchanges.response(flow)
    assert "not applied" in noted(flow)[0]


def test_no_rule_no_say() -> None:
    exchanges = Exchanges(ModifyBody, modify_body=["/a/b"])
    exchanges.set(modify_body=[])
    assert exchanges.has_no_say()
