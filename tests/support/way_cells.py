"""Every way in with every way out and what can be said over them: the cells of the matrix, and the page that tells of them.

A cell's origin has an address of its own for each route, so that one program serves all: its rules choose by that. In
`tests.support.gateway`'s networks the program runs on the gateway, origins and parents on the server. Mode `run` has a program,
and a client, of its own there. Which name server mode `dns` asks a script says by the name that is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from tests.support.gateway import SERVER, SERVER6
from tests.support.parents import PASSWORD, USER

FAMILIES = {"4": "an IPv4 address", "6": "an IPv6 address", "n": "a name that has both"}
"""What the client, or the mode, knows the origin by. Client and parents are reached over the same family."""
PORTS = {"HTTP/1": 80, "WebSocket": 80, "HTTPS, HTTP/2": 443, "TCP": 2525, "TLS": 2526, "UDP": 2527, "DNS": 53}
PORTS |= {"DNS by TCP": PORTS["DNS"]}
"""What is said -> the origin's port."""
PARENTS = {"http": 3128, "https": 3129, "h2": 3130, "socks": 1080}
HOPS = {
    "http": ("http", "http"),
    "https": ("https", "https"),
    "h2": ("https", "h2"),
    "socks5h": ("socks5h", "socks"),
    "socks5": ("socks5", "socks"),
    "socks4a": ("socks4a", "socks"),
    "socks4": ("socks4", "socks"),
}
"""A hop's name here -> the scheme in its URL, and the kind of parent."""
ROUTES = {
    "direct": (),
    "http": ("http",),
    "https": ("https",),
    "socks5h": ("socks5h",),
    "socks5": ("socks5",),
    "socks4a": ("socks4a",),
    "socks4": ("socks4",),
    "http, socks5h": ("http", "socks5h"),
    "socks5h, https": ("socks5h", "https"),
    "https, http, socks4a": ("https", "http", "socks4a"),
    "https in HTTP/2": ("h2",),
    "socks5h, https in HTTP/2, http": ("socks5h", "h2", "http"),
    "https in HTTP/2, https in HTTP/2": ("h2", "h2"),
    "a PAC file": ("http",),
}
"""A way out as the page names it -> its hops."""
MODES = {"regular": 8080, "regular, over TLS": 8443, "socks5": 1080, "socks5 (4a)": 1081, "transparent": 8081, "reverse": 0}
MODES |= {"dns": 5353, "run": 0}
"""A way in as the page names it -> its port; a reverse mode has one for each of its cells, and `run` has none."""
LED = ("transparent", "run")
"""The system leads clients here."""
_REVERSE = {"HTTP/1": "http", "WebSocket": "http", "HTTPS, HTTP/2": "https", "TCP": "tcp", "TLS": "tls", "UDP": "udp"}
_REVERSE |= {"DNS": "dns", "DNS by TCP": "dns"}
_FIRST_REVERSE_PORT = 10_000


@dataclass(frozen=True)
class Cell:
    mode: str
    route: str
    protocol: str
    family: str

    @property
    def name(self) -> str:
        """Without blanks, for a path."""
        words = (list(MODES).index(self.mode), list(ROUTES).index(self.route), list(PORTS).index(self.protocol), self.family)
        return "-".join(map(str, words))

    @property
    def origin(self) -> tuple[str, int]:
        number = 10 + list(ROUTES).index(self.route)
        hosts = {"4": f"198.51.100.{number}", "6": f"2001:db8:2::{number:x}", "n": f"r{number}.test"}
        return hosts[self.family], PORTS[self.protocol]

    @property
    def authority(self) -> str:
        host, port = self.origin
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def hops(self) -> list[str]:
        """As the flow tells of them: without credentials."""
        host = {"4": SERVER, "6": f"[{SERVER6}]", "n": "parent.test"}[self.family]
        return [f"{HOPS[hop][0]}://{host}:{PARENTS[HOPS[hop][1]]}" for hop in ROUTES[self.route]]

    @property
    def parents(self) -> list[str]:
        return [HOPS[hop][1] for hop in ROUTES[self.route]]

    @property
    def port(self) -> int:
        """Where the client finds the program."""
        return MODES[self.mode] or _FIRST_REVERSE_PORT + _REVERSE_CELLS[(self.route, _REVERSE[self.protocol], self.family)]

    @property
    def mode_text(self) -> str:
        if self.mode == "reverse":
            return f"reverse:{_REVERSE[self.protocol]}://{self.authority}@:{self.port}"
        if self.mode == "run":
            return f"run {Path(sys.executable).name}"
        return f"{self.mode.partition(',')[0].partition(' ')[0]}@:{self.port}"

    @property
    def question(self) -> str:
        """The name that is asked for."""
        return f"c{self.name}.cells.test"

    def rule(self, pac_file: Path) -> str:
        """What the option `route` is to say for this origin."""
        pattern = "^" + self.authority.rpartition(":")[0].replace("[", r"\[").replace("]", r"\]") + ":"
        if self.route == "a PAC file":
            return f"{pattern} pac:{pac_file}"
        hops = [hop.replace("://", f"://{USER}@" if "socks4" in hop else f"://{USER}:{PASSWORD}@") for hop in self.hops]
        return f"{pattern} {','.join(hops) or 'direct'}"

    def why_not(self) -> str:
        """Why there is nothing of that kind, or ""."""
        if self.protocol in ("UDP", "DNS"):
            if self.mode not in ("reverse", "socks5", "dns", *LED):
                return "this way in takes no datagrams"
            if self.route not in ("direct", "socks5h", "socks5"):
                return "this way out carries no datagrams"
        if self.protocol == "DNS by TCP" and self.mode not in ("reverse", "dns"):
            return "nothing says that a stream is DNS"
        if self.mode == "dns" and "DNS" not in self.protocol:
            return "this way in takes DNS alone"
        if self.mode == "dns" and self.family == "n":
            return "name servers are known by their addresses"
        if self.family == "6" and (self.mode == "socks5 (4a)" or (self.parents[-1:] == ["socks"] and "socks4" in self.hops[-1])):
            return "SOCKS4 cannot say IPv6 addresses"
        if self.family == "n" and self.mode in LED:
            return "the client resolves names itself"
        return ""


_REVERSE_CELLS = {key: number for number, key in enumerate(product(ROUTES, dict.fromkeys(_REVERSE.values()), FAMILIES))}


def cells() -> list[Cell]:
    """All that there are."""
    return [cell for cell in _combinations() if not cell.why_not()]


def _combinations() -> Iterator[Cell]:
    for mode, route, protocol, family in product(MODES, ROUTES, PORTS, FAMILIES):
        yield Cell(mode, route, protocol, family)


def covering() -> list[Cell]:
    """Few of them, in which each two of a mode, a route, a protocol and a family come together somewhere."""
    pairs = {cell: _pairs(cell) for cell in cells() if cell.mode != "run"}  # which takes a program of its own
    wanted = set[tuple[str, str]]().union(*pairs.values())
    chosen: list[Cell] = []
    while wanted:
        best = max(pairs, key=lambda cell: len(wanted & pairs[cell]))
        wanted -= pairs.pop(best)
        chosen.append(best)
    return chosen


def _pairs(cell: Cell) -> set[tuple[str, str]]:
    words = (f"in {cell.mode}", f"out {cell.route}", cell.protocol, cell.family)
    return {(one, other) for index, one in enumerate(words) for other in words[index + 1 :]}


def hosts_file() -> str:
    lines = ["127.0.0.1 localhost", f"{SERVER} parent.test", f"{SERVER6} parent.test"]
    for route in ROUTES:
        four, six, name = (Cell("regular", route, "TCP", family).origin[0] for family in FAMILIES)
        lines += [f"{four} {name}", f"{six} {name}"]
    return "\n".join(lines) + "\n"


def pac_script() -> str:
    """Credentials are not in it: they are `upstream_auth`. The first way of some is not there."""
    port = PARENTS["http"]
    return (
        f'function FindProxyForURL(url, host) {{ if (shExpMatch(host, "*:*")) return "PROXY [{SERVER6}]:{port}";'
        f' if (dnsDomainIs(host, ".test")) return "PROXY parent.test:{port}; DIRECT";'
        f' return "HTTPS {SERVER}:9; PROXY {SERVER}:{port}"; }}'
    )


def name_server_script() -> str:
    """Has mode `dns` ask the origin of the cell. One query at a time: what is set holds for all."""
    servers = {cell.question: cell.authority for cell in cells() if cell.mode == "dns"}
    return (
        f"from mitmproxy import ctx\n\nSERVERS = {servers!r}\n\n\n"
        "def dns_request(flow):\n"
        "    if server := SERVERS.get(flow.request.name):\n"
        "        ctx.options.dns_name_servers = [server]\n"
    )


def origin_names() -> list[str]:
    return [Cell("regular", route, "TCP", family).origin[0] for route in ROUTES for family in FAMILIES]


def page(results: Mapping[Cell, str]) -> str:
    """`results`: "" for what passed, else what went wrong; cells that are not in it were not run."""
    lines = [
        "# Every way in with every way out",
        "",
        "What `make matrix` has run: a client, this program on a gateway, servers and proxies behind that, in networks",
        "of their own. A row is a way out (option `route`, nearest proxy first; each wants credentials), a column what was",
        "said. `4` is a server known by " + FAMILIES["4"] + ", `6` by " + FAMILIES["6"] + ", `n` by " + FAMILIES["n"] + ".",
        "A cell has passed if the client got the right answer, the flow has no error and names the way, and every proxy on",
        "it was asked. An empty one has nothing to run. A part that covers all pairs but those of `run` runs in `make test`.",
    ]
    for mode in MODES:
        lines += ["", f"## {mode}", "", f"| | {' | '.join(PORTS)} |", "|---" * (len(PORTS) + 1) + "|"]
        for route in ROUTES:
            row = [_mark([Cell(mode, route, protocol, family) for family in FAMILIES], results) for protocol in PORTS]
            lines.append(f"| {route} | {' | '.join(row)} |")
    reasons = dict.fromkeys(cell.why_not() for cell in _combinations() if cell.why_not())
    lines += ["", f"Nothing to run where {'; where '.join(reasons)}.", ""]
    return "\n".join(lines)


def _mark(three: list[Cell], results: Mapping[Cell, str]) -> str:
    marks = []
    for cell in three:
        if not cell.why_not():
            marks.append("not run" if cell not in results else f"**{cell.family} fails**" if results[cell] else cell.family)
    return " ".join(marks)
