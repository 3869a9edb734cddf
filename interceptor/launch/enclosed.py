"""Runs in a child process of its own, before the program that it becomes: gives it a network that leads to the proxy only.

    unshare user, network, mounts ─▸ lo up, every address is local ─▸ nftables: TCP ▸ our listener, UDP ▸ our socket (TPROXY)
        ─▸ the sockets go to the proxy over a Unix socket ─▸ trust stores mounted over the system's ─▸ exec

Datagrams are answered over raw sockets that are made here, too: whoever has them can write any source on a packet. What they send
has a mark, by which it is told from what the program sends.

No privilege is needed: in a user namespace of its own a process may do all this, and nothing of it is seen outside. A script that
imports the standard library only, and is started by its path (`python -I enclosed.py FD SPEC`): it has to be quick.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from typing import Any, Final, NoReturn

_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000  # <linux/sched.h>
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18  # <linux/mount.h>
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_RTM_NEWROUTE, _NLM_F_REQUEST_ACK_CREATE = 24, 0x405
_RT_TABLE_LOCAL, _RTPROT_BOOT, _RT_SCOPE_HOST, _RTN_LOCAL, _RTA_OIF, _RTA_PREFSRC = 255, 3, 254, 2, 4, 7
_LO_INDEX: Final = 1
_IP_TRANSPARENT, _IP_RECVORIGDSTADDR = 19, 20  # <linux/in.h>
_IPV6_TRANSPARENT, _IPV6_RECVORIGDSTADDR = 75, 74  # <linux/in6.h>
_SO_MARK, _MARK = 36, 1  # <asm-generic/socket.h>
_NETLINK_SOCK_DIAG: Final = 4  # <linux/netlink.h>

REDIRECTION: Final = """
table inet interceptor {{
    chain output {{
        type nat hook output priority -100; policy accept;
        meta l4proto tcp redirect to :{tcp}
    }}
    chain datagrams {{
        type filter hook prerouting priority mangle; policy accept;
        meta mark {mark} return
        meta l4proto udp tproxy to :{udp} accept
    }}
}}
"""


class Refused(Exception):
    """Why there can be no such network here, for a person."""


def main(argv: list[str]) -> NoReturn:
    """`argv`: the number of a Unix socket to the proxy, and a JSON object: `command`, `environment` (what changes; null
    removes), `mounts` (pairs of what and where). Says {"error": …}, or sends the sockets and goes on after a byte."""
    proxy = socket.socket(fileno=int(argv[0]))
    spec = json.loads(argv[1])
    try:
        sockets = _enclose([(source, target) for source, target in spec["mounts"]])
    except (Refused, OSError) as error:
        proxy.sendall(json.dumps({"error": str(error)}).encode())
        sys.exit(125)
    ends = [sock.fileno() for sock in sockets]
    socket.send_fds(proxy, [json.dumps({"sockets": len(ends)}).encode()], ends)
    for sock in sockets:
        sock.close()
    if proxy.recv(1) != b"!":
        sys.exit(125)  # the proxy has gone
    proxy.close()
    _become(spec)


def _become(spec: dict[str, Any]) -> NoReturn:
    environment = dict(os.environ)
    for name, value in spec["environment"].items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    command = spec["command"]
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        sys.stderr.write(f"interceptor: {command[0]} cannot be started: {error.strerror}\n")
        sys.exit(126 if isinstance(error, PermissionError) else 127)


# --- the network ------------------------------------------------------------------------------------------------


def _enclose(mounts: list[tuple[str, str]]) -> list[socket.socket]:
    """TCP for IPv4 and IPv6, then UDP likewise, then what answers UDP; without the second of each where there is no IPv6.
    Last one that tells whose the sockets of this network are, where the kernel has that."""
    user, group = os.getuid(), os.getgid()
    _unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWNS)
    _be(user, group, 0, 0)
    _bring_up_loopback()
    with suppress(OSError):  # no IPv6 in this kernel
        _make_all_local(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "::1"))
    _make_all_local(socket.AF_INET, socket.inet_aton("127.0.0.1"))
    tcp, udp = _bound(socket.SOCK_STREAM), _bound(socket.SOCK_DGRAM)
    for sock in tcp:
        sock.listen(1024)
    raw = [_raw(sock.family) for sock in udp]
    _redirect(tcp[0].getsockname()[1], udp[0].getsockname()[1])
    _mount_over(mounts)
    if user:
        _unshare(_CLONE_NEWUSER)  # what was root in there to set this up is the user again
        _be(0, 0, user, group)
    return [*tcp, *udp, *raw, *_diagnosing()]


def _unshare(what: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(what):
        reason = os.strerror(ctypes.get_errno())
        raise Refused(f"this machine does not let its users make namespaces ({reason.lower()})")


def _be(user: int, group: int, as_user: int, as_group: int) -> None:
    try:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{as_user} {user} 1"), ("gid_map", f"{as_group} {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    except OSError as error:
        raise Refused(f"this machine does not let its users map themselves in a namespace ({error.strerror})") from None


def _bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def _make_all_local(family: int, source: bytes) -> None:
    """`ip route add local default dev lo src …`: no address is elsewhere, so nothing has to be routed (rtnetlink(7))."""
    route = struct.pack("=BBBBBBBBI", family, 0, 0, 0, _RT_TABLE_LOCAL, _RTPROT_BOOT, _RT_SCOPE_HOST, _RTN_LOCAL, 0)
    attributes = struct.pack("=HHI", 8, _RTA_OIF, _LO_INDEX)
    if family == socket.AF_INET:  # IPv6 chooses ::1 by itself
        attributes += struct.pack("=HH", 4 + len(source), _RTA_PREFSRC) + source
    length = 16 + len(route) + len(attributes)
    message = struct.pack("=IHHII", length, _RTM_NEWROUTE, _NLM_F_REQUEST_ACK_CREATE, 1, 0) + route + attributes
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.send(message)
        error = struct.unpack_from("=i", kernel.recv(4096), 16)[0]
    if error:
        raise OSError(-error, f"no route: {os.strerror(-error)}")


def _bound(kind: int) -> list[socket.socket]:
    four = socket.socket(socket.AF_INET, kind)
    if kind == socket.SOCK_DGRAM:
        four.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)
        four.setsockopt(socket.IPPROTO_IP, _IP_RECVORIGDSTADDR, 1)
    four.bind(("127.0.0.1", 0))
    port = four.getsockname()[1]
    try:
        six = socket.socket(socket.AF_INET6, kind)
        if kind == socket.SOCK_DGRAM:
            six.setsockopt(socket.IPPROTO_IPV6, _IPV6_TRANSPARENT, 1)
            six.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVORIGDSTADDR, 1)
        six.bind(("::1", port))
    except OSError:
        return [four]
    return [four, six]


def _raw(family: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    made.setsockopt(socket.SOL_SOCKET, _SO_MARK, _MARK)
    return made


def _diagnosing() -> list[socket.socket]:
    try:
        return [socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)]
    except OSError:
        return []


def _redirect(tcp: int, udp: int) -> None:
    if shutil.which("nft") is None:
        raise Refused("there is no nft in PATH (apt install nftables)")
    rules = REDIRECTION.format(tcp=tcp, udp=udp, mark=_MARK)
    done = subprocess.run(["nft", "-f", "-"], input=rules, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"nft cannot redirect here: {(done.stderr.strip().splitlines() or ['it said nothing'])[0]}")


# --- trust ------------------------------------------------------------------------------------------------------


def _mount_over(pairs: list[tuple[str, str]]) -> None:
    """Seen by this process and its children only."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None):
        return  # the variables have to do
    for source, target in pairs:
        if os.path.isfile(target):
            libc.mount(source.encode(), os.path.realpath(target).encode(), None, _MS_BIND, None)


if __name__ == "__main__":
    main(sys.argv[1:])
