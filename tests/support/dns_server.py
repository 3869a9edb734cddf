"""A name server on loopback, UDP and TCP on one port, on dnspython: a zone with a record of many kinds.

    with DnsServer() as server:  server.port, server.asked
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from types import TracebackType
from typing import Final, Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zone

_ECH: Final = "AEX+DQBBpAAgACCOcYvV5lJzMWbUi0qZQ3T2rB3o8J0fTrAHzZuEXyPDeQAEAAEAAQASY292ZXIuZXhhbXBsZS50ZXN0AAA="
_KEY: Final = "mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ=="
ZONE: Final = dns.zone.from_text(
    """
$ORIGIN example.test.
$TTL 300
@       IN SOA ns hostmaster 1 3600 600 86400 300
@       IN NS ns
ns      IN A 192.0.2.53
www     IN A 192.0.2.1
www     IN A 192.0.2.2
www     IN AAAA 2001:db8::1
alias   IN CNAME www
@       IN MX 10 mail
mail    IN A 192.0.2.25
@       IN TXT "v=spf1 -all" "and more"
_sip._tcp IN SRV 1 2 5060 sip
sip     IN A 192.0.2.60
@       IN CAA 0 issue "ca.example"
secure  IN HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.7 ech=ECH
plain   IN HTTPS 1 . alpn=h2
@       IN DNSKEY 257 3 13 KEY
xn--bcher-kva IN A 192.0.2.99
led     IN A 127.0.0.2
""".replace("ECH", _ECH).replace(" KEY", f" {_KEY}"),
    relativize=False,
    check_origin=True,
)
LARGE_TXT: Final = [f"{number:03}" + "x" * 240 for number in range(20)]


class DnsServer:
    def __init__(self, host: str = "127.0.0.1") -> None:
        self._stream, self._datagrams = _bound_pair(host)
        self.port: int = self._stream.getsockname()[1]
        self.asked: list[tuple[str, str]] = []
        """Transport, and question as text."""
        self.is_silent = False
        self._wake, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        peers: list[socket.socket] = []
        while True:
            ready, _, _ = select.select([self._wake, self._stream, self._datagrams, *peers], [], [])
            if self._wake in ready:
                break
            for each in ready:
                if each is self._stream:
                    peers.append(self._stream.accept()[0])
                elif each is self._datagrams:
                    wire, peer = self._datagrams.recvfrom(65535)
                    if (answer := self._answer(wire, "udp")) and not self.is_silent:
                        self._datagrams.sendto(answer, peer)
                elif not self._serve(each):
                    each.close()
                    peers.remove(each)
        for each in peers:
            each.close()

    def _serve(self, peer: socket.socket) -> bool:
        head = peer.recv(2, socket.MSG_WAITALL)
        if len(head) < 2:
            return False
        wire = peer.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL)
        answer = self._answer(wire, "tcp")
        peer.sendall(struct.pack("!H", len(answer)) + answer)
        return True

    def _answer(self, wire: bytes, transport: str) -> bytes:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        self.asked.append((transport, f"{question.name} {dns.rdatatype.to_text(question.rdtype)}"))
        response = dns.message.make_response(query, our_payload=1232)
        response.flags |= dns.flags.AA
        self._fill(response, question.name, question.rdtype)
        if transport == "tcp":
            return bytes(response.to_wire(max_size=65535, want_shuffle=False))
        most = query.payload if query.edns >= 0 else 512
        try:
            return bytes(response.to_wire(max_size=most, want_shuffle=False))
        except dns.exception.TooBig:
            cut = dns.message.make_response(query, our_payload=1232)
            cut.flags |= dns.flags.AA | dns.flags.TC
            return bytes(cut.to_wire())

    def _fill(self, response: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> None:
        if kind == dns.rdatatype.ANY:
            response.set_rcode(dns.rcode.REFUSED)
            return
        if name.to_text().lower() == "large.example.test." and kind == dns.rdatatype.TXT:
            texts = [f'"{text}"' for text in LARGE_TXT]
            response.answer.append(dns.rrset.from_text(name, 300, "IN", "TXT", *texts))
            return
        node = ZONE.get_node(name)
        if node is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        for wanted in (kind, dns.rdatatype.CNAME) if node is not None else ():
            found = ZONE.get_rrset(name, wanted)
            if found is not None:
                response.answer.append(found)
                if wanted != kind and (target := ZONE.get_rrset(found[0].target, kind)) is not None:
                    response.answer.append(target)
                return
        soa = ZONE.get_rrset("example.test.", "SOA")
        if soa is not None:
            response.authority.append(soa)

    def close(self) -> None:
        self._stop.send(b"x")
        self._thread.join(5)
        for each in (self._stream, self._datagrams, self._wake, self._stop):
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _bound_pair(host: str) -> tuple[socket.socket, socket.socket]:
    """Both on the same free port."""
    while True:
        stream = socket.create_server((host, 0), backlog=16)
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            datagrams.bind(stream.getsockname())
        except OSError:
            stream.close()
            datagrams.close()
            continue
        return stream, datagrams
