"""Which process has the other end of a connection: of this kernel's own sockets, and of recorded answers of other systems."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from interceptor.model.process import Process
from interceptor.platform.processes import Ends, LinuxFinder, PsutilFinder, inode_in, request_for

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="asks a Linux kernel")
HERE = ("127.0.0.1", 8080)


def tcp(host: str, family: int = socket.AF_INET) -> tuple[Ends, list[socket.socket]]:
    server = socket.create_server((host, 0), family=family)
    client = socket.socket(socket.AF_INET6 if ":" in host or family == socket.AF_INET6 else family)
    client.connect(server.getsockname()[:2])
    accepted, peer = server.accept()
    return Ends("tcp", peer[:2], accepted.getsockname()[:2]), [server, client, accepted]


def udp(host: str, is_connected: bool) -> tuple[Ends, list[socket.socket]]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server, client = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
    server.bind((host, 0))
    if is_connected:
        client.connect(server.getsockname())
        client.send(b"?")
    else:
        client.sendto(b"?", server.getsockname())
    _, peer = server.recvfrom(9)
    return Ends("udp", peer[:2], server.getsockname()[:2]), [server, client]


@only_linux
@pytest.mark.parametrize("case", ["tcp", "tcp6", "mapped", "udp", "udp6", "connected udp"])
def test_the_kernel_tells(case: str) -> None:
    match case:
        case "tcp" | "tcp6":
            ends, sockets = tcp("127.0.0.1") if case == "tcp" else tcp("::1", socket.AF_INET6)
        case "mapped":  # a client that has one socket for both families, as Java's are
            with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET6) as client:
                client.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
                accepted, peer = server.accept()
                ends, sockets = Ends("tcp", peer, accepted.getsockname()), [accepted, client.dup()]
        case _:
            ends, sockets = udp("::1" if case == "udp6" else "127.0.0.1", case == "connected udp")
    [process] = LinuxFinder().find([ends])
    assert process is not None and process.pid == os.getpid()
    assert process.executable == os.path.realpath(sys.executable)
    assert list(process.arguments) == Path("/proc/self/cmdline").read_text().rstrip("\0").split("\0")
    for each in sockets:
        each.close()


@only_linux
def test_what_is_not_the_socket_of_a_client_is_none() -> None:
    ends, sockets = tcp("127.0.0.1")
    listening = sockets[0].getsockname()
    for wrong in (
        ends._replace(client=("127.0.0.1", 1)),
        ends._replace(client=("192.0.2.1", listening[1])),
        ends._replace(client=listening),
        ends._replace(client=("nonsense", 7)),
        ends._replace(ours=("::1", 7)),
    ):
        assert LinuxFinder().find([wrong]) == [None], wrong
    for each in sockets:
        each.close()


def folder_of(root: Path, pid: int, start: int, executable: str, *links: str) -> None:
    folder = root / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "stat").write_text(f"{pid} (a (b) c) S " + " ".join(["0"] * 18) + f" {start} 0 0")
    (folder / "cmdline").write_bytes(b"word\0two words\0\xff\0")
    (folder / "exe").symlink_to(executable)
    for number, link in enumerate(links):
        (folder / "fd" / str(number)).symlink_to(link)


class Fixed(LinuxFinder):
    """A finder of sockets that are known by number already."""

    def _inode(self, ends: Ends) -> int:
        return ends.client[1]


def asked(*inodes: int) -> list[Ends]:
    return [Ends("tcp", ("127.0.0.1", inode), HERE) for inode in inodes]


def test_processes_are_read_as_proc_writes_them(tmp_path: Path) -> None:
    folder_of(tmp_path, 7, 100, "/bin/a b (deleted)", "/dev/null", "socket:[31]")
    folder_of(tmp_path, 9, 100, "/bin/c", "socket:[32]", "pipe:[31]", "socket:[3]")
    (tmp_path / "self").mkdir()
    finder = Fixed(str(tmp_path))
    found = finder.find(asked(31, 32, 33, 0))
    assert [each and each.pid for each in found] == [7, 9, None, None]
    process = found[0]
    assert process is not None and (process.name, process.executable) == ("a (b) c", "/bin/a b")
    assert process.arguments == ("word", "two words", "\udcff")
    assert process.text == "7 a (b) c /bin/a b word two words \udcff"


def test_the_same_process_is_the_same_object_until_its_number_means_another(tmp_path: Path) -> None:
    folder_of(tmp_path, 7, 100, "/bin/a", "socket:[31]")
    finder = Fixed(str(tmp_path))
    first, again = finder.find(asked(31))[0], finder.find(asked(31))[0]
    assert first is again is not None
    (tmp_path / "7" / "exe").unlink()
    (tmp_path / "7" / "exe").symlink_to("/bin/b")  # it has become another program
    other = finder.find(asked(31))[0]
    assert other is not None and other.executable == "/bin/b"


def test_likely_owners_are_looked_at_first(tmp_path: Path) -> None:
    for pid in range(1, 40):
        folder_of(tmp_path, pid, 100, "/bin/a", f"socket:[{pid + 100}]")
    finder = Fixed(str(tmp_path))
    looked_at: list[int] = []
    look = finder._sockets

    def watched(pid: int, links: dict[str, int]) -> Any:
        looked_at.append(pid)
        return look(pid, links)

    finder._sockets = watched  # type: ignore[method-assign]
    finder.find(asked(103))
    assert len(looked_at) == 37
    looked_at.clear()
    finder.find(asked(103))
    assert looked_at == [3]
    folder_of(tmp_path, 50, 100, "/bin/new", "socket:[150]")
    looked_at.clear()
    assert finder.find(asked(150))[0] is not None
    assert looked_at == [3, 50]


def test_an_answer_is_read_with_care() -> None:
    ends = Ends("tcp", ("127.0.0.1", 40_000), HERE)
    head = struct.pack("=IHHII", 88, 20, 0, 1, 0)

    def answer(state: int = 1, port: int = 40_000, inode: int = 77) -> bytes:
        body = struct.pack("=BBBB", 2, state, 0, 0) + struct.pack("!HH", port, 8080) + bytes(16 + 16 + 4 + 8)
        return head + body + struct.pack("=IIIII", 0, 0, 0, 1000, inode)

    assert inode_in(answer(), ends) == 77
    assert inode_in(answer(state=10), ends) == 0, "a listening socket that has the port"
    assert inode_in(answer(port=1), ends) == 0
    assert inode_in(answer()[:-1], ends) == inode_in(b"", ends) == 0
    assert inode_in(struct.pack("=IHHIIi", 36, 2, 0, 1, 0, -2) + bytes(80), ends) == 0, "ENOENT"
    with pytest.raises(ValueError, match="one family"):
        request_for(ends._replace(ours=("::1", 1)))


# --- other systems: psutil's answers as it gives them there

Sconn = namedtuple("Sconn", "fd family type laddr raddr status pid")
Pconn = namedtuple("Pconn", "fd family type laddr raddr status")
Addr = namedtuple("Addr", "ip port")
STREAM, DGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM


class Denied(Exception):
    pass


class OtherProcess:
    def __init__(self, pid: int, name: str, executable: str | None, arguments: list[str] | None, connections: Any = ()) -> None:
        self.pid, self._facts, self._connections = pid, (name, executable, arguments), connections

    def name(self) -> str:
        return self._facts[0]

    def exe(self) -> str:
        if self._facts[1] is None:
            raise Denied
        return self._facts[1]

    def cmdline(self) -> list[str]:
        if self._facts[2] is None:
            raise Denied
        return self._facts[2]

    def net_connections(self, kind: str) -> Any:
        assert kind == "inet"
        if self._connections is None:
            raise Denied
        return self._connections


def system(processes: list[OtherProcess], connections: list[Any] | None) -> Any:
    def net_connections(kind: str) -> Any:
        if connections is None:
            raise Denied
        return connections

    def process(pid: int) -> OtherProcess:
        found = [each for each in processes if each.pid == pid]
        if not found:
            raise Denied
        return found[0]

    return SimpleNamespace(Error=Denied, net_connections=net_connections, Process=process, process_iter=lambda: processes)


def test_windows_tells_everybody() -> None:
    edge = OtherProcess(5120, "msedge.exe", r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe", ["msedge.exe", "-x"])
    protected = OtherProcess(1184, "svchost.exe", None, None)
    connections = [
        Sconn(-1, 2, STREAM, Addr("0.0.0.0", 135), (), "LISTEN", 1184),
        Sconn(-1, 2, STREAM, Addr("127.0.0.1", 8080), Addr("127.0.0.1", 50112), "ESTABLISHED", 900),
        Sconn(-1, 2, STREAM, Addr("127.0.0.1", 50112), Addr("127.0.0.1", 8080), "ESTABLISHED", 5120),
        Sconn(-1, 2, STREAM, Addr("127.0.0.1", 50113), Addr("127.0.0.1", 8080), "TIME_WAIT", 0),
        Sconn(-1, 2, DGRAM, Addr("0.0.0.0", 5353), (), "NONE", 1184),
    ]
    finder = PsutilFinder(system([edge, protected], connections))
    wanted = [Ends("tcp", ("127.0.0.1", port), HERE) for port in (50112, 50113, 4)] + [Ends("udp", ("127.0.0.1", 5353), HERE)]
    browser, ended, unknown, service = finder.find(wanted)
    assert browser is not None and browser.executable.endswith("msedge.exe") and browser.arguments == ("msedge.exe", "-x")
    assert ended is unknown is None
    assert service == Process(1184, "svchost.exe")


def test_macos_tells_a_user_of_their_own_processes() -> None:
    both = Pconn(9, 30, STREAM, Addr("::ffff:127.0.0.1", 60001), Addr("::ffff:127.0.0.1", 8080), "ESTABLISHED")
    mine = OtherProcess(812, "curl", "/usr/bin/curl", ["curl", "http://a.test/"], [both])
    roots = OtherProcess(1, "launchd", None, None, None)
    [process] = PsutilFinder(system([roots, mine], None)).find([Ends("tcp", ("127.0.0.1", 60001), HERE)])
    assert process is not None and (process.pid, process.name) == (812, "curl")
