"""Commands about single messages of conversations: leaving a held one out, and saying something in one that runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from interceptor.model.flow import Flow, HttpFlow, TcpFlow, UdpFlow
from interceptor.specs.errors import UserError
from interceptor.tui.application import Application


class MessageCommands:
    def __init__(self, app: Application, tell: Callable[[str], None]) -> None:
        self._app, self._tell = app, tell

    def register(self) -> None:
        self._app.commands.add("flow.message.drop", self.drop)
        self._app.commands.add("inject.tcp", self.inject_tcp)
        self._app.commands.add("inject.udp", self.inject_udp)
        self._app.commands.add("inject.websocket", self.inject_websocket)

    def drop(self, flows: Sequence[Flow]) -> None:
        """Leave out the messages of flows that are held; what follows them goes on."""
        dropped = 0
        for flow in flows:
            for message in self._app.intercept.messages_of(flow):
                self._app.intercept.drop(message)
                dropped += 1
        if not dropped:
            raise UserError("no message is held here; an HTTP request is killed (X), not dropped")
        self._tell("message dropped" if dropped == 1 else f"{dropped} messages dropped")

    def inject_tcp(self, flow: Flow, to_client: bool, message: bytes) -> None:
        r"""Say something in a running TCP conversation, to the client (true) or the server (false); \n, \r, \xNN are bytes."""
        if not isinstance(flow, TcpFlow) or isinstance(flow, UdpFlow):
            raise UserError("this is not a TCP conversation; only into one can raw bytes be sent")
        if not message:
            raise UserError("an empty message cannot be sent")
        self._app.inject(flow, not to_client, message)
        self._tell(f"{len(message)} bytes sent to the {'client' if to_client else 'server'}")

    def inject_udp(self, flow: Flow, to_client: bool, message: bytes) -> None:
        r"""Say a datagram in a running UDP conversation, to the client (true) or the server (false); \n, \r, \xNN are bytes."""
        if not isinstance(flow, UdpFlow):
            raise UserError("this is not a UDP conversation; only into one can datagrams be sent")
        self._app.inject(flow, not to_client, message)
        self._tell(f"{len(message)} bytes sent to the {'client' if to_client else 'server'}")

    def inject_websocket(self, flow: Flow, to_client: bool, message: bytes, is_text: bool = True) -> None:
        r"""Say something in an open WebSocket, to the client (true) or the server (false), as text or (false) binary; \xNN are
        bytes."""
        if not isinstance(flow, HttpFlow) or flow.websocket is None:
            raise UserError("this is not a WebSocket; only in one can a WebSocket message be sent")
        self._app.inject(flow, not to_client, message, is_text=is_text)
        self._tell(f"{len(message)} bytes sent to the {'client' if to_client else 'server'}")
