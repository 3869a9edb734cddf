"""Which process of this machine has the other end of a connection.

    Linux      addresses ─ sock_diag(7), the one socket ─▸ inode ─ /proc/PID/fd, likely owners first ─▸ pid ─▸ Process
    elsewhere  addresses ─ psutil's list of connections ─▸ pid ─▸ Process

All of it takes system calls, some of them many: it is for a thread of its own. Nothing is an error here: what cannot be told (the
process has ended, or is another user's) is None. A connection of another network namespace is asked for through a socket that was
made in it.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, Final, NamedTuple, Protocol

from interceptor.model.connection import Address
from interceptor.model.process import Process, limited

NETLINK_SOCK_DIAG: Final = 4  # <linux/netlink.h>
_SOCK_DIAG_BY_FAMILY: Final = 20  # <linux/sock_diag.h>
_NLM_F_REQUEST: Final = 1
_REQUEST: Final = struct.Struct("=IHHIIBBBBIHH")
"""A netlink header, then `inet_diag_req_v2` up to the ports, which are the peers' own byte order already."""
_NO_COOKIE: Final = b"\xff" * 8
_LISTENS: Final = 10  # TCP_LISTEN
_STATE_AT, _PORTS_AT, _INODE_AT = 17, 20, 84
_WAIT_SECONDS: Final = 0.5

_LIKELY_OWNERS: Final = 16
_KNOWN: Final = 256


class Ends(NamedTuple):
    """A connection as its client sees it: (from, to)."""

    transport: str  # "tcp" or "udp"
    client: Address
    ours: Address
    network: socket.socket | None = None  # sock_diag in the client's network namespace; None is our own


class Finder(Protocol):
    def find(self, wanted: Sequence[Ends]) -> Sequence[Process | None]: ...


def finder() -> Finder:
    return LinuxFinder() if sys.platform == "linux" else PsutilFinder()


def described(pid: int, name: str) -> Process:
    """A process that somebody else has found; `name` is what he knows of it, its path perhaps."""
    found = LinuxFinder().process(pid) if sys.platform == "linux" else None
    return found or Process(pid, name.replace("\\", "/").rpartition("/")[2] or name, name if "/" in name or "\\" in name else "")


# --- Linux --------------------------------------------------------------------------------------------------------------------


def diagnosing_socket() -> socket.socket:
    """For the network namespace that this thread is in. OSError."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
    sock.settimeout(_WAIT_SECONDS)
    return sock


def request_for(ends: Ends) -> bytes:
    """Asks for exactly this socket. ValueError for what are no addresses."""
    is_six = ":" in ends.client[0]
    family = socket.AF_INET6 if is_six else socket.AF_INET
    try:
        client, ours = (socket.inet_pton(family, host.partition("%")[0]).ljust(16, b"\0") for host, _ in ends[1:3])
    except OSError:
        raise ValueError("these are no two addresses of one family") from None
    ports = [socket.htons(port) for port in (ends.client[1], ends.ours[1])]
    is_udp = ends.transport == "udp"
    if is_udp:  # "src and dst are swapped for historical reasons" (net/ipv4/udp_diag.c)
        client, ours = ours, client
        ports.reverse()
    protocol = socket.IPPROTO_UDP if is_udp else socket.IPPROTO_TCP
    rest = client + ours + struct.pack("=I", 0) + _NO_COOKIE
    length = _REQUEST.size + len(rest)
    header = _REQUEST.pack(length, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0, family, protocol, 0, 0, 0xFFFFFFFF, *ports)
    return header + rest


def inode_in(answer: bytes, ends: Ends) -> int:
    """0 if there is no such socket, or it is another one: what listens, or a wildcard that has the same port."""
    if len(answer) < _INODE_AT + 4 or struct.unpack_from("=H", answer, 4)[0] != _SOCK_DIAG_BY_FAMILY:
        return 0
    if answer[_STATE_AT] == _LISTENS and ends.transport == "tcp":
        return 0
    if struct.unpack_from("!H", answer, _PORTS_AT)[0] != ends.client[1]:
        return 0
    inode: int = struct.unpack_from("=I", answer, _INODE_AT)[0]
    return inode


class LinuxFinder:
    """`root` is another /proc in tests."""

    def __init__(self, root: str = "/proc") -> None:
        self._root = root
        self._own: socket.socket | None = None
        self._owners: dict[int, None] = {}  # whose sockets were found, the last one last
        self._seen = self._there()  # processes that were there when it was last looked: who comes now was started since
        self._known: dict[tuple[int, str, str], Process] = {}  # by pid, start and executable

    def find(self, wanted: Sequence[Ends]) -> Sequence[Process | None]:
        inodes = [self._inode(ends) for ends in wanted]
        pids = self._pids({inode for inode in inodes if inode})
        processes = {pid: self.process(pid) for pid in set(pids.values())}
        return [processes.get(pids.get(inode, 0)) for inode in inodes]

    def _inode(self, ends: Ends) -> int:
        try:
            if ends.network is None and self._own is None:
                self._own = diagnosing_socket()
            sock = ends.network or self._own
            assert sock is not None
            sock.send(request_for(ends))
            return inode_in(sock.recv(4_096), ends)
        except (OSError, ValueError):
            return 0

    def _pids(self, missing: set[int]) -> dict[int, int]:
        """By inode."""
        found: dict[int, int] = {}
        if not missing:
            return found
        links = {f"socket:[{inode}]": inode for inode in missing}
        for pid in self._candidates():
            for inode in self._sockets(pid, links):
                found.setdefault(inode, pid)
                self._owners.pop(pid, None)
                self._owners[pid] = None
            if len(found) == len(missing):
                break
        while len(self._owners) > _LIKELY_OWNERS:
            del self._owners[next(iter(self._owners))]
        return found

    def _candidates(self) -> Iterable[int]:
        """Those that had sockets of ours lately, then those that are new, then all others."""
        likely = list(reversed(self._owners))
        yield from likely
        there = self._there()
        new = there - self._seen
        self._seen = there
        for some in (new, there - new):
            yield from sorted(some.difference(likely), reverse=True)

    def _there(self) -> set[int]:
        try:
            return {int(name) for name in os.listdir(self._root) if name.isdigit()}
        except OSError:
            return set()

    def _sockets(self, pid: int, links: dict[str, int]) -> Sequence[int]:
        folder = f"{self._root}/{pid}/fd"
        found = []
        try:
            for name in os.listdir(folder):
                with suppress(OSError):  # closed meanwhile
                    if (inode := links.get(os.readlink(f"{folder}/{name}"))) is not None:
                        found.append(inode)
                        if len(found) == len(links):
                            break
        except OSError:  # it has ended, or is another user's
            return ()
        return found

    def process(self, pid: int) -> Process | None:
        folder = f"{self._root}/{pid}"
        try:
            stat = _read(f"{folder}/stat")
            name, _, rest = stat.partition("(")[2].rpartition(")")
            start = rest.split()[19]  # of the fields behind the name; starttime is the 22nd of all (proc_pid_stat(5))
        except (OSError, IndexError):
            return None
        executable = ""
        with suppress(OSError):
            executable = os.readlink(f"{folder}/exe").removesuffix(" (deleted)")
        key = pid, start, executable
        process = self._known.get(key)
        if process is None:
            arguments = ""
            with suppress(OSError):
                arguments = _read(f"{folder}/cmdline").rstrip("\0")
            process = Process(pid, name, executable, limited(arguments.split("\0")) if arguments else ())
            self._known[key] = process
            while len(self._known) > _KNOWN:
                del self._known[next(iter(self._known))]
        return process


def _read(path: str) -> str:
    with open(path, "rb", buffering=0) as file:
        return file.read(65_536).decode("utf-8", "surrogateescape")


# --- elsewhere ----------------------------------------------------------------------------------------------------------------


class PsutilFinder:
    """macOS tells root of all processes and a user of their own; Windows tells everybody. `psutil` is another one in tests."""

    def __init__(self, psutil: Any = None) -> None:
        self._psutil: Any = psutil if psutil is not None else import_module("psutil")

    def find(self, wanted: Sequence[Ends]) -> Sequence[Process | None]:
        owners: dict[tuple[str, Address, Address | None], int] = {}
        for pid, each in self._connections():
            if pid and each.laddr:
                transport = "udp" if each.type == socket.SOCK_DGRAM else "tcp"
                remote = (_plain(each.raddr[0]), each.raddr[1]) if each.raddr else None
                owners[transport, (_plain(each.laddr[0]), each.laddr[1]), remote] = pid
        pids = [self._owner(ends, owners) for ends in wanted]
        processes = {pid: self._process(pid) for pid in set(pids) if pid}
        return [processes.get(pid) for pid in pids]

    @staticmethod
    def _owner(ends: Ends, owners: dict[tuple[str, Address, Address | None], int]) -> int:
        pid = owners.get((ends.transport, ends.client, ends.ours))
        if pid is None and ends.transport == "udp":  # few of those who send datagrams are connected, or bound to an address
            anywhere = [(host, ends.client[1]) for host in (ends.client[0], "0.0.0.0", "::")]
            pid = next((owner for each in anywhere if (owner := owners.get(("udp", each, None)))), None)
        return pid or 0

    def _connections(self) -> Iterable[tuple[int, Any]]:
        psutil = self._psutil
        try:
            return [(each.pid or 0, each) for each in psutil.net_connections("inet")]
        except psutil.Error:  # not of everybody's, then of those that we may ask
            return self._one_by_one()

    def _one_by_one(self) -> Iterable[tuple[int, Any]]:
        for process in self._psutil.process_iter():
            with suppress(self._psutil.Error, OSError):
                for each in process.net_connections("inet"):
                    yield process.pid, each

    def _process(self, pid: int) -> Process | None:
        executable, arguments = "", []
        try:
            process = self._psutil.Process(pid)
            name = process.name()
        except self._psutil.Error:
            return None
        with suppress(self._psutil.Error, OSError):
            executable = process.exe() or ""
        with suppress(self._psutil.Error, OSError):
            arguments = process.cmdline()
        return Process(pid, name, executable, limited(arguments))


def _plain(host: str) -> str:
    """An IPv4 address that a socket for both families has."""
    return host[7:] if host.startswith("::ffff:") and "." in host else host
