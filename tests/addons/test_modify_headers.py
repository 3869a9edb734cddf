"""Fields changed by rule: which, where, for whom, and what the flow says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from interceptor.addons.modify_headers import ModifyHeaders
from interceptor.model.hooks import FORWARD
from tests.addons.rule_flows import Exchanges, answered, flow_of, noted

FIELDS = [(b"A", b"1"), (b"B", b"2"), (b"a", b"3"), (b"C", b"4")]


def changed(*rules: str) -> list[tuple[bytes, bytes]]:
    flow = flow_of(fields=FIELDS)
    Exchanges(ModifyHeaders, modify_headers=list(rules)).request(flow)
    return flow.request.headers.fields[1:]


def test_a_field_is_replaced_in_its_place() -> None:
    assert changed("/a/new") == [(b"a", b"new"), (b"B", b"2"), (b"C", b"4")]


def test_a_new_field_comes_last() -> None:
    assert changed("/X-New/yes") == [*FIELDS, (b"X-New", b"yes")]


def test_no_value_removes_all_of_that_name() -> None:
    assert changed("/A/") == [(b"B", b"2"), (b"C", b"4")]


def test_two_rules_of_one_name_are_two_fields() -> None:
    assert changed("/A/x", "/a/y") == [(b"A", b"x"), (b"a", b"y"), (b"B", b"2"), (b"C", b"4")]


def test_filters_see_the_message_before_any_rule_changed_it() -> None:
    assert changed("/~hq 'B: 2'/B/9", "/~hq 'B: 2'/C/") == [(b"A", b"1"), (b"B", b"9"), (b"a", b"3")]


def test_without_a_filter_requests_and_responses_are_changed() -> None:
    exchanges = Exchanges(ModifyHeaders, modify_headers=["/X/1", "/~s/Y/2", "/~q/Z/3"])
    flow = flow_of()
    exchanges.request(flow)
    assert [name for name, _ in flow.request.headers] == [b"Host", b"X", b"Z"]
    answered(flow)
    exchanges.response(flow)
    assert flow.response is not None
    assert [name for name, _ in flow.response.headers] == [b"X", b"Y"]
    assert not exchanges.collected


def test_what_was_received_is_kept_beside_it_and_the_rule_is_named() -> None:
    exchanges = Exchanges(ModifyHeaders, modify_headers=["/~q/A/9", "/~s/Server/"])
    flow = flow_of(fields=FIELDS)
    exchanges.request(flow)
    exchanges.response(answered(flow, fields=[(b"Server", b"x")]))
    assert flow.is_modified
    assert flow.original is not None
    request, response = flow.original
    assert request.headers.fields[1:] == FIELDS
    assert response is not None
    assert response.headers.fields == [(b"Server", b"x")]
    assert noted(flow) == ["modify_headers /~q/A/9", "modify_headers /~s/Server/"]
    flow.revert()
    assert flow.request.headers.fields[1:] == FIELDS


def test_a_rule_that_changes_nothing_leaves_no_trace() -> None:
    flow = flow_of(fields=FIELDS)
    Exchanges(ModifyHeaders, modify_headers=["/X-Absent/", "/~d other/A/9"]).request(flow)
    assert flow.original is None
    assert not flow.is_modified
    assert noted(flow) == []


def test_a_filter_that_looks_into_bodies_has_them_collected() -> None:
    exchanges = Exchanges(ModifyHeaders, modify_headers=["/~bq secret/X/1"])
    for body, fields in ((b"a secret", 1), (b"nothing", 0)):
        flow = flow_of(method="POST", body=body)
        exchanges.request(flow)
        assert exchanges.collected
        assert len(flow.request.headers.get_all("X")) == fields


def test_a_value_from_a_file_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    exchanges = Exchanges(ModifyHeaders, modify_headers=[f"|Authorization|@{file}"])
    values = []
    for text in ("one\n", "two", "a\nb", None):
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
        flow = flow_of(fields=[(b"Authorization", b"own")])
        exchanges.request(flow)
        values.append(flow.request.headers.get("Authorization"))
    assert values == ["one", "two", "own", "own"]
    assert "not applied" in noted(flow)[0]


def test_a_file_that_is_not_there_is_refused_when_it_is_set(tmp_path: Path) -> None:
    exchanges = Exchanges(ModifyHeaders, modify_headers=["/A/1"])
    said = exchanges.refused(modify_headers=["/A/2", f"|B|@{tmp_path}/none"])
    assert said.startswith("modify_headers: ")
    assert "no such file" in said
    flow = flow_of()
    exchanges.request(flow)
    assert flow.request.headers["A"] == "1", "the old rules go on"


def test_rules_apply_at_once_and_cost_nothing_when_there_are_none() -> None:
    exchanges = Exchanges(ModifyHeaders)
    assert exchanges.has_no_say()
    assert exchanges.request(flow_of()) is FORWARD
    exchanges.set(modify_headers=["/A/1"])
    flow = flow_of()
    exchanges.request(flow)
    assert "A" in flow.request.headers
    exchanges.set(modify_headers=[])
    assert exchanges.has_no_say()


@pytest.mark.parametrize("rule", ["nonsense", "/Host", "/a b/c"])
def test_a_wrong_rule_is_refused(rule: str) -> None:
    assert repr(rule) in Exchanges(ModifyHeaders).refused(modify_headers=[rule])
