"""DNS queries on the list: chosen by filters, from columns as from the flows, and sorted."""

from __future__ import annotations

import dns.message
import dns.rrset
import pytest

from interceptor.model.dns import DnsMessage
from interceptor.model.flow import DnsFlow, TcpFlow
from interceptor.session.store import Store
from interceptor.session.view import View
from interceptor.specs.filter import parse


def query(flow_id: int, name: str, address: str = "", rcode: int = 0) -> DnsFlow:
    asked = dns.message.make_query(name, "A")
    flow = DnsFlow(flow_id, created_at=float(flow_id), request=DnsMessage(asked.to_wire(), 1.0))
    if address or rcode:
        told = dns.message.make_response(asked)
        told.set_rcode(rcode)  # type: ignore[arg-type]
        if address:
            told.answer.append(dns.rrset.from_text(asked.question[0].name, 60, "IN", "A", address))
        flow.response = DnsMessage(told.to_wire(), 2.0)
    return flow


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~dns", [1, 2, 3]), ("!~dns", [4]), ("~q", [3]), ("~s", [1, 2]), ("~dns & ~q", [3]), ("~http", []), ("~tcp", [4]),
        ("~u ^b.test$", [2]), ("b.test", [2]), ("~d c.test", [3]), ("~b 192.0.2.1", [1]), ("~bq a.test", [1]),
        ("~bs a.test", [1]), ("~size >0", [1, 2]), ("~c 3", []), ("~m A", []), ("~t json", []), ("~a", []),
    ],
)  # fmt: skip
def test_filters(text: str, expected: list[int]) -> None:
    flows = [query(1, "a.test", "192.0.2.1"), query(2, "b.test", rcode=3), query(3, "c.test"), TcpFlow(4)]
    chosen = parse(text)
    assert [flow.id for flow in flows if chosen.matches(flow)] == expected
    store = Store(lambda seconds, callback: None)
    view = View(store)
    for flow in flows:
        store.add(flow)
    store.flush()
    view.set_filter(chosen)
    view.finish_refiltering()  # a slice may end early on a machine that has other things to do
    assert sorted(view[place].id for place in range(len(view))) == expected


def test_orders() -> None:
    from interceptor.session.orders import ORDERS

    one, other = query(1, "B.test", rcode=3), query(2, "a.test", "192.0.2.1")
    for name in ("url", "host", "status"):
        assert ORDERS[name](other) < ORDERS[name](one)
