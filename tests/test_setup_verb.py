"""`interceptor setup transparent` as typed: what it shows, and what it says to mistakes."""

from __future__ import annotations

import io
import os
import sys

import pytest

from interceptor.options import Options
from interceptor.setup_verb import run_setup
from interceptor.specs.errors import UserError


def shown(*words: str, port: int | None = None) -> str:
    options, out = Options(), io.StringIO()
    if port is not None:
        options.update(listen_port=port)
    assert run_setup(options, ["transparent", *words], out, "show") == 0
    return out.getvalue()


def test_the_rules_and_what_to_do_next() -> None:
    text = shown("gateway", "ports=80,8443", port=9000)
    assert "tcp dport { 80, 8443 } redirect to :9000" in text and "sysctl -w net.ipv4.ip_forward=1" in text
    assert text.splitlines()[-2:] == [
        "# Then: interceptor --mode transparent@:9000",
        "# and make this machine the default gateway of the clients.",
    ]


def test_this_machine() -> None:
    text = shown(f"user={os.getuid()}", "ports=all")
    assert f"meta skuid {os.getuid()} return" in text and "meta l4proto tcp redirect to :8080" in text and "sysctl" not in text
    assert text.endswith(f"# Then, as user {os.getuid()}: interceptor --mode transparent@localhost:8080\n")


def test_datagrams_take_routes_and_a_right() -> None:
    text = shown("gateway", "udp=53")
    assert "ip -4 rule add fwmark 0x1c3b lookup 7227" in text and "udp dport { 53 }" in text
    text = shown(f"user={os.getuid()}", "udp=all")
    assert "ip -6 route add local default dev lo table 7227" in text and "--ambient-caps +net_admin interceptor --mode" in text


@pytest.mark.parametrize(
    ("words", "deed", "message"),
    [
        ([], "show", "setup knows transparent only: interceptor setup transparent gateway"),
        (["dns"], "show", "setup knows transparent only"),
        (["transparent"], "show", "say for whom: gateway"),
        (["transparent", "gateway", "user=root"], "show", "say for whom"),
        (["transparent", "gateway", "ports=80,http"], "show", "'http' is not a port"),
        (["transparent", "gateway", "udp=dns"], "show", "'dns' is not a port"),
        (["transparent", "gateway", "ports="], "show", "'' is not a port"),
        (["transparent", "user=no-such-user"], "show", "there is no user 'no-such-user'; make one: useradd"),
        (["transparent", "gatway"], "show", "setup transparent does not take 'gatway'"),
        (["transparent", "gateway"], "undo", "--undo takes everything away"),
    ],
)
def test_mistakes(words: list[str], deed: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        run_setup(Options(), words, io.StringIO(), deed)
    assert caught.value.message.startswith(message)


def test_what_the_kernel_refuses_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    nft = os.path.join(tmp_path, "nft")
    with open(nft, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\necho 'Operation not permitted (you must be root)' >&2\nexit 1\n")
    os.chmod(nft, 0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(UserError, match=r"nft -f - failed: Operation not permitted .* \(it takes root: sudo\)"):
        run_setup(Options(), ["transparent", "user=0"], io.StringIO(), "apply")


def test_without_nft_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="install nftables"):
        run_setup(Options(), ["transparent"], io.StringIO(), "undo")


def test_on_macos_the_rules_of_pf_are_shown_and_not_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    out = io.StringIO()
    assert run_setup(Options(), ["transparent", "gateway", "ports=all"], out, "show") == 0
    assert "rdr pass on $clients inet proto tcp from any to any port 1:65535 -> 127.0.0.1 port 8080" in out.getvalue()
    for words, deed, reason in (
        (["gateway"], "apply", "--apply is for Linux"),
        (["user=0"], "show", "say gateway"),
        (["gateway", "udp=53"], "show", "UDP is led here on Linux only"),
    ):
        with pytest.raises(UserError, match=reason):
            run_setup(Options(), ["transparent", *words], out, deed)


def test_on_windows_the_listener_leads_connections_here_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    out = io.StringIO()
    assert run_setup(Options(), ["transparent", "gateway"], out, "show") == 0
    assert "pip install pydivert" in out.getvalue() and "ports 80 and 443" in out.getvalue()
    for words, deed, said in (
        (["transparent", "user=1"], "show", "mode local"),
        (["transparent", "gateway"], "apply", "the listener itself"),
        (["transparent", "gateway", "ports=all"], "show", "leave ports= and udp= out"),
    ):
        with pytest.raises(UserError, match=said):
            run_setup(Options(), words, io.StringIO(), deed)
