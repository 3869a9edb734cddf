"""Filters answered from columns say the same of one place, of many, and of the flow itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.flow import Flow, FlowError, HttpFlow, TcpFlow
from interceptor.model.http import Headers, Request, Response
from interceptor.session.columns import row_of
from interceptor.session.flow_table import FlowTable
from interceptor.specs.filter import parse
from interceptor.specs.filter_columns import ANSWERS
from tests.support.effort import examples

TERMS = ("~d shop", "~d a\\.", "~m POST", "~c 404", "~c 4xx", "~t json", "~ts html", "~tq json", "~a", "~e", "~q", "~s", "~http",
         "~tcp", "~marked", "~port 80", "~h x-one", "~all")  # fmt: skip


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    if draw(st.integers(0, 5)) == 0:
        return TcpFlow(0, error=FlowError("gone", 1.0) if draw(st.booleans()) else None)
    host = draw(st.sampled_from(["shop.a.org", "b.org", "a.b"]))
    types = st.sampled_from([b"text/html", b"application/json", b"image/png", b"multipart/mixed; boundary=x"])
    fields = [(b"Host", host.encode())] + ([(b"X-One", b"1")] if draw(st.booleans()) else [])
    if draw(st.booleans()):
        fields.append((b"Content-Type", draw(types)))
    method, port = draw(st.sampled_from(["GET", "POST"])), draw(st.sampled_from([80, 443]))
    request = Request(method, "http", host, port, b"/", headers=Headers(fields))
    flow = HttpFlow(0, request=request, marker=draw(st.sampled_from(["", "default"])))
    if draw(st.booleans()):
        flow.response = Response(draw(st.sampled_from([200, 404])), b"", headers=Headers([(b"Content-Type", draw(types))]))
    return flow


filters = st.recursive(
    st.sampled_from(TERMS),
    lambda inner: st.one_of(
        inner.map(lambda each: f"!({each})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} & {pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} | {pair[1]})"),
    ),
    max_leaves=5,
)


@examples(80)
@given(st.lists(flows(), min_size=1, max_size=8), filters)
def test_one_many_and_the_flow_agree(some: list[Flow], text: str) -> None:
    table, wanted = FlowTable(), parse(text)
    for number, flow in enumerate(some, 5):
        flow.id = number
        table.set_row(number, row_of(flow, table.words))
    if wanted.by_columns is None:
        return
    test = wanted.by_columns(table)
    many = [ANSWERS[answer] for answer in test.many(0, table.size)]
    assert many == [test.one(place) for place in range(table.size)]
    for answer, flow in zip(many, some, strict=True):
        assert answer is None or answer == wanted.matches(flow)
    assert test.many(1, table.size) == test.many(0, table.size)[1:]
