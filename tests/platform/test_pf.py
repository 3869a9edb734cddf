"""What pfctl prints, as its documentation and users have it."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from interceptor.platform import pf
from interceptor.platform.pf import NotTold, ask_pf, destination_in, rules, shown

MACOS = """\
No ALTQ support in kernel
ALTQ related functions disabled
ALL tcp 192.168.1.10:49300 -> 17.253.14.125:443       ESTABLISHED:ESTABLISHED
ALL tcp 127.0.0.1:8080 <- 203.0.113.5:80 <- 192.168.1.13:57474       FIN_WAIT_2:FIN_WAIT_2
ALL tcp 127.0.0.1:8080 <- 203.0.113.6:443 <- 192.168.1.13:57474       ESTABLISHED:ESTABLISHED
ALL tcp 127.0.0.1:8080 <- 203.0.113.7:443 <- 192.168.1.13:5747       ESTABLISHED:ESTABLISHED
ALL udp 127.0.0.1:8080 <- 203.0.113.8:443 <- 192.168.1.13:1111       MULTIPLE:MULTIPLE
ALL tcp ::1[8080] <- 2001:db8::2[443] <- 2001:db8::9[40001]       ESTABLISHED:ESTABLISHED
"""
FREEBSD = """\
all tcp 127.0.0.1:8080 (203.0.113.6:443) <- 192.168.1.13:57474       ESTABLISHED:ESTABLISHED
all tcp ::1[8080] (2001:db8::2[443]) <- 2001:db8::9[40001]       ESTABLISHED:ESTABLISHED
"""


@pytest.mark.parametrize("states", [MACOS, FREEBSD])
def test_the_address_that_a_client_dialled(states: str) -> None:
    assert destination_in(states, ("192.168.1.13", 57474)) == ("203.0.113.6", 443)
    assert destination_in(states, ("2001:db8::9", 40001)) == ("2001:db8::2", 443)
    for stranger in (("192.168.1.13", 1111), ("192.168.1.13", 7474), ("192.168.1.10", 49300), ("203.0.113.6", 443)):
        assert destination_in(states, stranger) is None


def test_what_pfctl_refuses_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: Any, **_: Any) -> Any:
        assert command == pf.LISTING
        return subprocess.CompletedProcess(command, *answer)

    monkeypatch.setattr(subprocess, "run", run)
    answer = 1, "", "sudo: a password is required\n"
    with pytest.raises(NotTold, match=r"a password is required; sudoers \(visudo\) has to have the line: ALL ALL=NOPASSWD"):
        ask_pf(("192.168.1.13", 57474))
    answer = 0, MACOS, ""
    assert ask_pf(("192.168.1.13", 57474)) == ("203.0.113.6", 443)
    with pytest.raises(NotTold, match="nothing redirected it"):
        ask_pf(("192.168.1.13", 1))


def test_rules() -> None:
    assert rules(8080, (80, 443), diverts=False) == (
        'clients = "en0"\n'
        "rdr pass on $clients inet proto tcp from any to any port { 80, 443 } -> 127.0.0.1 port 8080\n"
        "rdr pass on $clients inet6 proto tcp from any to any port { 80, 443 } -> ::1 port 8080\n"
    )
    assert "to !self port 1:65535 divert-to 127.0.0.1 port 9" in rules(9, (), diverts=True)
    assert "sysctl -w net.inet.ip.forwarding=1" in shown(8080, (80,), "darwin") and "NOPASSWD" in shown(1, (), "freebsd14")
    assert "NOPASSWD" not in shown(8080, (80,), "openbsd7")
