"""DNS of an enclosed program: what goes in comes out at the name server, and back; over real sockets."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import cast

from interceptor.launch.names import Names, name_servers


def test_the_name_servers_of_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# nameserver 192.0.2.9\nsearch a.test\nnameserver 192.0.2.1\nnameserver\nnameserver 2001:db8::1 # more\n")
    assert name_servers(file) == ["192.0.2.1", "2001:db8::1"]


def test_without_any_it_is_the_local_one(tmp_path: Path) -> None:
    assert name_servers(tmp_path / "none") == ["127.0.0.1"]


class Server(asyncio.DatagramProtocol):
    """Answers with what it was asked, backwards; not at all to "silence"."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data != b"silence":
            self.transport.sendto(data[::-1], addr)
            self.transport.sendto(b"again", addr)  # whatever it says later is nobody's answer


def test_queries_and_answers() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        inside, program = sockets
        inside.bind(("127.0.0.1", 0))
        names = Names([inside], transport.get_extra_info("sockname"))
        program.setblocking(False)
        program.connect(inside.getsockname())
        for query in (b"silence", b"one", b"two"):
            await loop.sock_sendall(program, query)
        async with asyncio.timeout(10):
            assert {await loop.sock_recv(program, 100) for _ in range(2)} == {b"eno", b"owt"}
        names.close()
        assert inside.fileno() == -1
        program.close()
        transport.close()

    asyncio.run(main())
