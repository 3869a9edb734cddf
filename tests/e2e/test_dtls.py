"""`openssl s_client` and `s_server` speak DTLS through the program, also where datagrams get lost."""

from __future__ import annotations

import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.e2e.conftest import StartProxy
from tests.support.certificates import ServerCertificate
from tests.support.programs import free_port

pytestmark = pytest.mark.needs_openssl
SECONDS = 15


class Spoken:
    """An `openssl` in the background: `say` a line, `hear` until it has printed something."""

    def __init__(self, *words: str) -> None:
        command = ["openssl", *words]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.said = b""
        self._came = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while data := self._process.stdout.read1(4096):  # type: ignore[attr-defined]
            with self._came:
                self.said += data
                self._came.notify_all()

    def say(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def hear(self, what: bytes) -> None:
        with self._came:
            assert self._came.wait_for(lambda: what in self.said, SECONDS), f"{what!r} did not come:\n{self.said.decode()}"

    def wait(self) -> None:
        self._process.wait(SECONDS)

    def __enter__(self) -> Spoken:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait(SECONDS)
        self._reader.join(SECONDS)
        self._process.stdout.close()


class LossyWay:
    """Between a client and a port: loses the first datagram of each kind that the far end says (by what its first message is)."""

    def __init__(self, port: int) -> None:
        self._near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._near.bind(("127.0.0.1", 0))
        self._far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._far.connect(("127.0.0.1", port))
        self.port = self._near.getsockname()[1]
        self.lost: list[int] = []
        self._client: object = None
        for run in (self._up, self._down):
            threading.Thread(target=run, daemon=True).start()

    def _up(self) -> None:
        while True:
            try:
                data, self._client = self._near.recvfrom(65_535)
                self._far.send(data)
            except OSError:
                return

    def _down(self) -> None:
        while True:
            try:
                data = self._far.recv(65_535)
            except OSError:
                return
            if data[0] == 22 and data[13] not in self.lost:
                self.lost.append(data[13])
            else:
                self._near.sendto(data, self._client)  # type: ignore[arg-type]

    def close(self) -> None:
        for sock in (self._near, self._far):
            sock.close()


@pytest.mark.parametrize("is_lossy", [False, True])
def test_a_conversation_in_both_directions(
    start_proxy: StartProxy, certificate: ServerCertificate, confdir: Path, is_lossy: bool
) -> None:
    there, here = free_port(), free_port()
    shown = ("-cert", str(certificate.file), "-key", str(certificate.file))
    serve = ("s_server", "-dtls1_2", "-listen", "-accept", str(there), *shown)
    with Spoken(*serve) as server:
        server.hear(b"ACCEPT")
        proxy = start_proxy("--mode", "regular", "--mode", f"reverse:dtls://localhost:{there}@{here}")
        way = LossyWay(here) if is_lossy else None
        to = f"127.0.0.1:{way.port if way is not None else here}"
        trust = ("-CAfile", str(proxy.ca_file), "-verify_return_error", "-verify_hostname", "localhost")
        with Spoken("s_client", "-dtls1_2", "-connect", to, "-servername", "localhost", *trust) as client:
            client.hear(b"Verify return code: 0 (ok)")
            client.say(b"question")
            server.hear(b"question")
            server.say(b"answer")
            client.hear(b"answer")
            client.say(b"Q")  # which ends the connection
            client.wait()
        flow = proxy.flow_where(lambda flow: flow["type"] == "udp")
        assert flow["error"] is None and flow["message_count"] == 2
        assert flow["client"]["tls"]["version"] == flow["server"]["tls"]["version"] == "DTLSv1.2"
        if way is not None:
            assert {2, 3} <= {*way.lost}, "what asks for the cookie, and the flight that begins with the ServerHello"
            way.close()
