"""The rules as text. That the kernel takes them, and what they do, is tested in tests/e2e/test_transparent.py."""

from __future__ import annotations

from interceptor.platform.nftables import Redirection, removal, ruleset

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


def test_what_is_taken_away_is_what_was_made() -> None:
    assert GATEWAY.startswith(removal())
