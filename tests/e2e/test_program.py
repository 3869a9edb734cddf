"""`interceptor dump` as a program: how it ends, and how it says that something is wrong."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import StartProxy
from tests.support.programs import free_port, stop, wait_until_accepting
from tests.support.proxy import TOP, Proxy
from tests.support.raw_server import Peer, RawServer, connect


def serve(peer: Peer) -> None:
    if peer.read_head():
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def visit(proxy_port: int, server: RawServer, path: str) -> None:
    with connect(proxy_port) as client:
        client.send(f"GET http://localhost:{server.port}{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert client.read_head().startswith(b"HTTP/1.1 200 OK")


def complain(*arguments: str, confdir: Path, port: int) -> str:
    """What a run that cannot start says; it must be one sentence, without a traceback, with exit status 1."""
    command = Proxy.command(*arguments, confdir=confdir, trusted_ca=None, port=port)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, cwd=TOP)
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


def test_a_taken_port(confdir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert str(port) in complain(confdir=confdir, port=port)


def test_a_bad_option(confdir: Path) -> None:
    assert "no_such_option" in complain("--set", "no_such_option=1", confdir=confdir, port=free_port())


def test_a_bad_mode(confdir: Path) -> None:
    assert "nonsense" in complain("-m", "nonsense:x", confdir=confdir, port=free_port())


def test_an_unreadable_file(confdir: Path) -> None:
    assert "/nowhere/flows" in complain("-n", "-r", "/nowhere/flows", confdir=confdir, port=free_port())


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_cleanly(start_proxy: StartProxy, signum: signal.Signals) -> None:
    """Also with a client connected, idle."""
    proxy = start_proxy()
    with RawServer(serve) as server, connect(proxy.port):
        visit(proxy.port, server, "/before-the-end")
        proxy.flow("/before-the-end")
        os.kill(proxy.process.pid, signum)
        assert proxy.process.wait(10) in (0, 128 + signum)
    assert "Traceback" not in proxy.log.read_text()


def test_what_only_ends_with_the_program_is_printed(start_proxy: StartProxy) -> None:
    with RawServer(lambda peer: peer.send(peer.read_exactly(2)) or peer.read_to_end()) as server:
        for _ in range(5):
            proxy = start_proxy("-m", f"reverse:tcp://127.0.0.1:{server.port}")
            with connect(proxy.port) as client:
                client.send(b"hi")
                assert client.read_exactly(2) == b"hi"
                assert proxy.interrupt() == 0
            assert proxy.flow_where(lambda flow: True)["type"] == "tcp"


def test_a_closed_pipe_ends_it_cleanly(confdir: Path, tmp_path: Path) -> None:
    """`interceptor dump | head -1`"""
    port, log = free_port(), tmp_path / "log"
    command = Proxy.command(confdir=confdir, trusted_ca=None, port=port)
    with log.open("wb") as errors:
        program = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd=TOP, start_new_session=True
        )
        head = subprocess.Popen(["head", "-n", "1"], stdin=program.stdout, stdout=subprocess.PIPE)
    assert program.stdout is not None
    program.stdout.close()
    try:
        wait_until_accepting(port, program, log)
        with RawServer(serve) as server:
            visit(port, server, "/first")
            assert head.communicate(timeout=10)[0].count(b"\n") == 1
            visit(port, server, "/second")
        assert program.wait(10) in (0, 128 + signal.SIGPIPE)
    finally:
        stop(program)
        head.kill()
        head.wait()
    assert "Traceback" not in log.read_text()
    assert "BrokenPipe" not in log.read_text()


def test_the_ca_is_made_at_the_first_start_and_kept(start_proxy: StartProxy, tmp_path: Path) -> None:
    confdir = tmp_path / "fresh" / "home"
    start_proxy(confdir=confdir)
    made = (confdir / "interceptor-ca-cert.pem").read_bytes()
    assert (confdir.stat().st_mode & 0o777, (confdir / "interceptor-ca.pem").stat().st_mode & 0o777) == (0o700, 0o600)
    assert {path.name for path in confdir.glob("interceptor-ca*")} >= {
        "interceptor-ca.pem",
        "interceptor-ca-cert.pem",
        "interceptor-ca-cert.cer",
        "interceptor-ca-cert.p12",
    }
    start_proxy(confdir=confdir)
    assert (confdir / "interceptor-ca-cert.pem").read_bytes() == made


def test_version_and_options() -> None:
    for flag, word in (("--version", b"interceptor  0."), ("--options", b"ssl_insecure"), ("--help", b"--mode")):
        printed = subprocess.run(
            [*Proxy.command(confdir=Path("/nowhere"), trusted_ca=None, port=0)[:3], flag],
            capture_output=True,
            timeout=30,
            cwd=TOP,
            check=True,
        ).stdout
        assert word in printed, flag


def test_the_proxy_goes_on_while_nobody_reads_what_it_prints(confdir: Path, tmp_path: Path) -> None:
    """A pager, a stopped terminal: nobody waits for it, and all is there when somebody reads on."""
    port, count = free_port(), 400
    command = Proxy.command(confdir=confdir, trusted_ca=None, port=port)
    padding = b"X-Padding: " + b"x" * 1000

    def answer(peer: Peer) -> None:
        while peer.read_head():
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n%s\r\n\r\n" % padding)

    with (tmp_path / "log").open("wb") as errors, RawServer(answer) as server:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd=TOP)
        try:
            wait_until_accepting(port, process, tmp_path / "log")
            with connect(port) as client:
                for number in range(count):
                    client.send(b"GET http://127.0.0.1:%d/%d HTTP/1.1\r\nHost: a\r\n\r\n" % (server.port, number))
                    assert client.read_head().startswith(b"HTTP/1.1 200 OK")
            process.send_signal(signal.SIGINT)
            assert process.stdout is not None
            paths = [json.loads(line)["request"]["path"] for line in process.stdout]
            assert process.wait(30) == 0
        finally:
            stop(process)
    assert paths == [f"/{number}" for number in range(count)]
