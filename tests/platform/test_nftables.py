"""The rules as text. That the kernel takes them, and what they do, is tested in tests/e2e/test_transparent.py."""

from __future__ import annotations

from interceptor.platform.nftables import Redirection, removal, routing, routing_removal, ruleset

GATEWAY = """\
table inet interceptor
delete table inet interceptor
table inet interceptor {
    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type { local, broadcast, multicast } return
        tcp dport { 80, 443 } redirect to :8080
    }
}
"""


def test_a_gateway() -> None:
    assert ruleset(Redirection(8080, (80, 443))) == GATEWAY


def test_this_machine_leaves_out_who_runs_the_proxy() -> None:
    rules = [line.strip() for line in ruleset(Redirection(9000, (), 1001)).splitlines()]
    assert "type nat hook output priority -100; policy accept;" in rules
    assert rules.index("meta skuid 1001 return") < rules.index("meta l4proto tcp redirect to :9000")


def test_datagrams_of_a_gateway_and_of_this_machine() -> None:
    """What comes in is handed over where it is; what is sent here comes in again by its mark, but for ours."""
    rules = [line.strip() for line in ruleset(Redirection(8080, (80,), None, (53, 443))).splitlines()]
    assert "udp dport { 53, 443 } meta mark set 0x1c3b tproxy to :8080 accept" in rules
    rules = [line.strip() for line in ruleset(Redirection(8080, (80,), 1001, ())).splitlines()]
    at = rules.index("type route hook output priority mangle; policy accept;")
    assert rules[at + 1] == "meta skuid 1001 return" and rules[at + 3] == "meta l4proto udp meta mark set 0x1c3b"
    assert 'iifname "lo" meta mark 0x1c3b meta l4proto udp tproxy to :8080 accept' in rules
    assert [each.replace("add", "del") for each in routing() if "rule" in each] == [
        each for each in routing_removal() if "rule" in each
    ]


def test_what_is_taken_away_is_what_was_made() -> None:
    assert GATEWAY.startswith(removal())
