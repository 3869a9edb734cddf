"""Servers that speak in plain text first and in TLS later, as far as real clients need it: SMTP and PostgreSQL; and an sshd."""

from __future__ import annotations

import getpass
import os
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.support.certificates import ServerCertificate
from tests.support.programs import free_port, stop, wait_until_accepting
from tests.support.raw_server import Peer

Serve = Callable[[Peer], None]


def _context(certificate: ServerCertificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file)
    return context


def smtp(certificate: ServerCertificate, mails: list[bytes]) -> Serve:
    """Takes mail in TLS only; what it took is in `mails`."""

    def serve(peer: Peer) -> None:
        peer.send(b"220 mx.test ESMTP\r\n")
        is_sealed = False
        while line := peer.read_until(b"\r\n"):
            match line[:4].upper():
                case b"EHLO":
                    peer.send(b"250-mx.test\r\n250 8BITMIME\r\n" if is_sealed else b"250-mx.test\r\n250 STARTTLS\r\n")
                case b"STAR":
                    peer.send(b"220 go ahead\r\n")
                    peer.start_tls(_context(certificate))
                    is_sealed = True
                case b"DATA":
                    peer.send(b"354 go on\r\n")
                    mails.append(peer.read_until(b"\r\n.\r\n"))
                    peer.send(b"250 taken\r\n")
                case b"QUIT":
                    return peer.send(b"221 bye\r\n")
                case _:
                    peer.send(b"250 ok\r\n" if is_sealed else b"530 STARTTLS first\r\n")

    return serve


def postgres(certificate: ServerCertificate, answer: bytes) -> Serve:
    """Whatever is asked, the answer is that one value; in TLS only."""

    def message(kind: bytes, content: bytes) -> bytes:
        return kind + (len(content) + 4).to_bytes(4, "big") + content

    def serve(peer: Peer) -> None:
        if peer.read_exactly(8) != b"\0\0\0\x08\x04\xd2\x16\x2f":
            return
        peer.send(b"S")
        peer.start_tls(_context(certificate))
        peer.read_exactly(int.from_bytes(peer.read_exactly(4), "big") - 4)
        ready = message(b"Z", b"I")
        peer.send(message(b"R", bytes(4)) + message(b"S", b"server_version\x0016.0\0") + ready)
        while kind := peer.read_exactly(1):
            peer.read_exactly(int.from_bytes(peer.read_exactly(4), "big") - 4)
            if kind == b"X":
                return
            column = message(b"T", b"\0\1a\0" + bytes(6) + (25).to_bytes(4, "big") + b"\xff\xff\xff\xff\xff\xff\0\0")
            row = message(b"D", b"\0\1" + len(answer).to_bytes(4, "big") + answer)
            peer.send(column + row + message(b"C", b"SELECT 1\0") + ready)

    return serve


class Sshd:
    """Lets in who runs the tests, with `key`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.key = free_port(), folder / "key"
        for name in ("key", "host"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        (folder / "authorized").write_bytes((folder / "key.pub").read_bytes())
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)  # which the service would have made
        options = (
            *("ListenAddress=127.0.0.1", f"HostKey={folder / 'host'}", f"AuthorizedKeysFile={folder / 'authorized'}"),
            *("StrictModes=no", "UsePAM=no", "PidFile=none"),
        )
        log = folder / "sshd.log"
        program = shutil.which("sshd")
        assert program is not None
        flags = [word for each in options for word in ("-o", each)]
        command = [program, "-D", "-e", "-f", "/dev/null", "-p", str(self.port), *flags]
        with log.open("ab") as errors:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors, start_new_session=True)
        wait_until_accepting(self.port, self._process, log)

    def client(self, *options: str) -> list[str]:
        """The beginning of a command that logs in."""
        words = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes", *options)
        flags = [word for each in words for word in ("-o", each)]
        return ["ssh", "-F", "none", "-i", str(self.key), *flags, "-p", str(self.port), f"{getpass.getuser()}@127.0.0.1"]

    def stop(self) -> None:
        stop(self._process)
