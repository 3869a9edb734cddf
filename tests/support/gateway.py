"""Three networks of a test's own: a client, a gateway on which the program runs, and a server behind it.

    client 192.0.2.2, 2001:db8:1::2  ──▸  gateway .1, ::1  ──▸  server 198.51.100.2, 2001:db8:2::2

Needs no root: run under `unshare --user --map-root-user --net` (see `namespaces_are_missing`). `python -m tests.support.gateway`
sets them up and does there what `Networks` asks of it, one line of JSON each; with `serve CERTIFICATE` it is the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

UNSHARE = ("unshare", "--user", "--map-root-user", "--net", "--kill-child")
TOP = Path(__file__).parent.parent.parent
SERVER, SERVER6 = "198.51.100.2", "2001:db8:2::2"


def namespaces_are_missing() -> str:
    """Why they cannot be made here, or ""."""
    for program in ("unshare", "nsenter", "ip", "nft"):
        if shutil.which(program) is None:
            return f"{program} not found in PATH"
    probe = ["nft", "add table inet probe { chain c { type nat hook output priority 0; fib daddr type local return; } ; }"]
    tried = subprocess.run([*UNSHARE, *probe], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"no namespaces of a user's own here: {tried.stderr.strip()[:120]}"


class Networks:
    """From the test's side."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("ab")
        command = [*UNSHARE, sys.executable, "-m", "tests.support.gateway"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, cwd=TOP, start_new_session=True
        )

    def run(self, where: str, command: str, seconds: float = 60) -> dict[str, Any]:
        """`status`, `out`, `err` of that line of shell in "client", "gateway" or "server"."""
        return self._say({"where": where, "command": command, "seconds": seconds})

    def start(self, where: str, command: str, until: str) -> int:
        """In the background; returns when it has printed a line with `until` in it. What `stop` wants to know."""
        return int(self._say({"where": where, "command": f"exec {command}", "until": until})["number"])

    def stop(self, number: int) -> str:
        """Asks it to end and waits until it has. All that it printed."""
        return str(self._say({"stop": number})["out"])

    def _say(self, what: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the networks have ended by themselves"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()
        self._log.close()


# --- inside -----------------------------------------------------------------------------------------------------

_LINKS = (("client", "192.0.2", "2001:db8:1"), ("server", "198.51.100", "2001:db8:2"))


def _sh(command: str, inside: int | None = None) -> None:
    prefix = ["nsenter", "-t", str(inside), "-n"] if inside is not None else []
    subprocess.run([*prefix, "sh", "-ec", command], check=True, stdout=sys.stderr)


def _set_up() -> dict[str, subprocess.Popen[bytes]]:
    """Who keeps each of the other two networks alive."""
    _sh("ip link set lo up; sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
    holders: dict[str, subprocess.Popen[bytes]] = {}
    for name, four, six in _LINKS:
        command = ["unshare", "--net", "sh", "-c", "echo there; exec cat"]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert holder.stdout is not None and holder.stdout.readline() == b"there\n"
        holders[name] = holder
        _sh(
            f"ip link add to-{name} type veth peer name eth0 netns {holder.pid};"
            f"ip addr add {four}.1/24 dev to-{name}; ip addr add {six}::1/64 dev to-{name} nodad; ip link set to-{name} up"
        )
        _sh(
            f"ip link set lo up; ip addr add {four}.2/24 dev eth0; ip addr add {six}::2/64 dev eth0 nodad; ip link set eth0 up;"
            f"ip route add default via {four}.1; ip route add default via {six}::1",
            holder.pid,
        )
    return holders


async def _serve(certificate: str) -> None:
    """80 and 443: HTTP that tells the path; 2525: speaks first, then repeats what it hears until the client has ended. UDP 2525:
    says who asked, and what; 53: DNS, whose every name is 192.0.2.55."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(path), path))
        writer.close()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        writer.write(await reader.read())
        writer.close()

    await asyncio.start_server(http, None, 80)
    await asyncio.start_server(http, None, 443, ssl=context)
    await asyncio.start_server(greet, None, 2525)
    loop = asyncio.get_running_loop()
    for protocol, port in ((_Repeats, 2525), (_Names, 53)):
        for family in (socket.AF_INET, socket.AF_INET6):
            sock = socket.socket(family, socket.SOCK_DGRAM)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(("", port))
            await loop.create_datagram_endpoint(protocol, sock=sock)
    print("serving", flush=True)
    await asyncio.Event().wait()


class _Repeats(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(f"{addr[0]} said ".encode() + data, addr)


class _Names(_Repeats):
    def datagram_received(self, data: bytes, addr: Any) -> None:
        end = data.index(b"\0", 12) + 5
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton("192.0.2.55")
        self.transport.sendto(data[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + data[12:end] + answer, addr)


def _main() -> None:
    holders = _set_up()
    started: list[_Started] = []

    def prefix(where: str) -> list[str]:
        return [] if where == "gateway" else ["nsenter", "-t", str(holders[where].pid), "-n"]

    try:
        for line in sys.stdin:
            said = json.loads(line)
            if "stop" in said:
                print(json.dumps({"out": started[said["stop"]].stop()}), flush=True)
                continue
            command = [*prefix(said["where"]), "sh", "-c", said["command"]]
            if "until" in said:
                started.append(_Started(command, said["until"]))
                answer: dict[str, Any] = {"number": len(started) - 1}
            else:
                done = subprocess.run(command, capture_output=True, text=True, timeout=said["seconds"], stdin=subprocess.DEVNULL)
                answer = {"status": done.returncode, "out": done.stdout, "err": done.stderr}
            print(json.dumps(answer), flush=True)
    finally:
        for each in started:
            each.stop()
        for holder in holders.values():
            holder.kill()


class _Started:
    """A program in the background; all that it says is read."""

    def __init__(self, command: list[str], until: str) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._said = ""
        self._until, self._has_said_it = until, threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._has_said_it.wait(30), f"{command} never said {until!r}: {self._said}"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said += line
            if self._until in line:
                self._has_said_it.set()

    def stop(self) -> str:
        self._process.terminate()
        self._process.wait(20)
        self._reader.join()
        return self._said


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(_serve(sys.argv[2]))
    else:
        _main()
