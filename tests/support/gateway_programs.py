"""The server of `tests.support.gateway`'s networks, for programs that people use: git over HTTPS, ssh, PostgreSQL and mail.

    python -m tests.support.gateway_programs CERTIFICATE FOLDER      (in the network "server", as its root)

443: a folder with `repository.git`; 22: an sshd that lets `tester` in with FOLDER/key; 5432: PostgreSQL, in TLS alone, that
answers 42; 25: mail, in TLS alone. Each at all addresses, IPv4 and IPv6. `prepare` makes what is in the folder.
"""

from __future__ import annotations

import functools
import signal
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import ExitStack
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.certificates import ServerCertificate
from tests.support.plain_first import postgres, smtp
from tests.support.raw_server import RawServer

_PASSWD = "root:x:0:0::/root:/bin/sh\ntester:x:1000:1000::/tmp:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"


def prepare(folder: Path) -> None:
    """The keys and the repository; who runs it needs no rights."""
    for name in ("key", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "authorized").write_bytes((folder / "key.pub").read_bytes())
    (folder / "passwd").write_text(_PASSWD)
    work, bare = folder / "work", folder / "www" / "repository.git"
    who = ("-c", "user.name=me", "-c", "user.email=me@a.test")
    for command in (
        ["init", "-q", str(work)],
        ["-C", str(work), *who, "commit", "-q", "--allow-empty", "-m", "what was committed"],
        ["clone", "-q", "--bare", str(work), str(bare)],
        ["-C", str(bare), "update-server-info"],
    ):
        subprocess.run(["git", *command], check=True)


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Nobody reads it."""


class _Https(ThreadingHTTPServer):
    address_family = socket.AF_INET6  # and IPv4 in it

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def _sshd(folder: Path) -> subprocess.Popen[str]:
    """As `tester`, whom only its own /etc/passwd knows: the root of a user's namespace may not do what sshd does as root."""
    keys = f"-o HostKey={folder / 'host'} -o AuthorizedKeysFile={folder / 'authorized'}"
    shell = (
        f"sysctl -qw net.ipv4.ip_unprivileged_port_start=22; mount --bind {folder / 'passwd'} /etc/passwd;"
        " exec unshare --user --map-user=1000 --map-group=1000 setpriv --pdeathsig TERM"
        f" $(command -v sshd || echo /usr/sbin/sshd) -D -e -f /dev/null {keys} -o StrictModes=no -o UsePAM=no -o PidFile=none"
    )
    return subprocess.Popen(["unshare", "--mount", "sh", "-ec", shell], stderr=subprocess.PIPE, text=True)


def _main(certificate: ServerCertificate, folder: Path) -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit())
    ssh = _sshd(folder)
    assert ssh.stderr is not None
    mails: list[bytes] = []
    with ExitStack() as running:
        for host in ("0.0.0.0", "::"):
            running.enter_context(RawServer(smtp(certificate, mails), host=host, port=25))
            running.enter_context(RawServer(postgres(certificate, b"42"), host=host, port=5432))
        files = _Https(("::", 443), functools.partial(_Files, directory=str(folder / "www")))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.file)
        files.socket = context.wrap_socket(files.socket, server_side=True)
        threading.Thread(target=files.serve_forever, daemon=True).start()
        heard = ""
        while "listening on ::" not in heard:
            line = ssh.stderr.readline()
            assert line, f"sshd has ended: {heard}"
            heard += line
        print("serving", flush=True)
        try:
            for line in ssh.stderr:
                print(line, end="", file=sys.stderr)
        finally:
            ssh.terminate()


if __name__ == "__main__":
    _main(ServerCertificate(Path(sys.argv[1])), Path(sys.argv[2]))
