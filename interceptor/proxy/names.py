"""What this machine knows of names: its name servers and its hosts file, looked at again when the files have changed.

    resolv.conf (Linux, macOS, the BSDs) ─▸ servers        `dns_name_servers` stands in their place
                                         ─▸ search list
    hosts ─▸ name ─▸ addresses                               unless `dns_use_hosts_file` is off
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Final, Generic, TypeVar

from interceptor.proxy.asks import LookUp, NamesFound
from interceptor.specs.servers import NameServer, parse_server

LOOKED_AT_SECONDS: Final = 1.0
RESOLV_CONF: Final = Path("/etc/resolv.conf")
RESOLVED_CONF: Final = Path("/run/systemd/resolve/resolv.conf")
_RESOLVED: Final = "127.0.0.53"
"""systemd-resolved, where it stands between programs and name servers. It answers from the hosts file, too; RESOLVED_CONF names
those that it asks itself."""
_WINDOWS_HOSTS: Final = r"C:\Windows\System32\drivers\etc\hosts"
HOSTS: Final = Path(_WINDOWS_HOSTS if sys.platform == "win32" else "/etc/hosts")

T = TypeVar("T")


class _Watched(Generic[T]):
    """What a file says, read again when it has changed; at most once a second it is asked whether it has."""

    def __init__(self, path: Path, read: Callable[[str], T]) -> None:
        self._path, self._read = path, read
        self._looked_at = -LOOKED_AT_SECONDS
        self._version: tuple[int, int] | None = (0, 0)
        self._value = read("")

    def value(self) -> T:
        now = monotonic()
        if now - self._looked_at >= LOOKED_AT_SECONDS:
            self._looked_at = now
            try:
                found = os.stat(self._path)
                version = found.st_mtime_ns, found.st_size
                if version != self._version:
                    self._value = self._read(self._path.read_text("utf-8", "replace"))
                    self._version = version
            except OSError:  # it is not there, or not for us
                self._value, self._version = self._read(""), None
        return self._value


class SystemNames:
    """`look_up` is called from the loop for each query of the mode dns, and answers at once."""

    def __init__(self, resolv_conf: Path = RESOLV_CONF, hosts: Path = HOSTS, resolved_conf: Path = RESOLVED_CONF) -> None:
        self._servers, self._hosts = _Watched(resolv_conf, name_servers), _Watched(hosts, host_addresses)
        self._searched, self._behind = _Watched(resolv_conf, search_list), _Watched(resolved_conf, name_servers)
        self._own_servers: list[NameServer] = []
        self._uses_hosts = True

    def configure(self, servers: Sequence[str], uses_hosts: bool) -> None:
        self._own_servers, self._uses_hosts = [parse_server(text) for text in servers], uses_hosts

    @property
    def uses_hosts(self) -> bool:
        return self._uses_hosts

    def full_names(self, name: str) -> list[str]:
        """What a name that was told to this machine may mean, in the order in which it is to be asked for."""
        if name.endswith("."):
            return [name.rstrip(".")]
        domains, dots = self._searched.value()
        longer = [f"{name}.{domain}" for domain in domains]
        return [name, *longer] if name.count(".") >= dots else [*longer, name]

    def look_up(self, ask: LookUp) -> NamesFound:
        addresses = self._hosts.value().get(ask.name.lower()) if ask.name and self._uses_hosts else None
        return NamesFound(self._own_servers or self._system_servers(), addresses)

    def _system_servers(self) -> Sequence[NameServer]:
        servers = self._servers.value()
        if not self._uses_hosts and [server.host for server in servers] == [_RESOLVED]:
            return self._behind.value() or servers
        return servers


def name_servers(text: str) -> list[NameServer]:
    """Those of a resolv.conf, in order."""
    servers: list[NameServer] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            servers.append(NameServer(words[1]))
    return servers


def search_list(text: str) -> tuple[list[str], int]:
    """Domains in which short names are looked for, and with how many dots a name is not short (resolv.conf(5): `search`,
    `domain`, `options ndots:n`)."""
    domains, dots = list[str](), 1
    for line in text.splitlines():
        match line.split():
            case ["search" | "domain", *named]:
                domains = [domain.strip(".") for domain in named if domain.strip(".")]
            case ["options", *options]:
                for option in options:
                    name, _, number = option.partition(":")
                    dots = int(number) if name == "ndots" and number.isdecimal() else dots
            case _:
                pass
    return domains, dots


def host_addresses(text: str) -> dict[str, list[bytes]]:
    """Name in lower case -> addresses as they are on the wire."""
    found: dict[str, list[bytes]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        packed = _packed(address)
        for name in names if packed else ():
            found.setdefault(name.lower().rstrip("."), []).append(packed)
    return found


def _packed(address: str) -> bytes:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_pton(family, address.partition("%")[0])
        except OSError:
            continue
    return b""
