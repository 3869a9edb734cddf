"""Datagrams as scripts see them: a conversation like that of `tcp`, each message of which is one datagram."""

from __future__ import annotations

from collections.abc import Sequence

from interceptor.script.messages import Message, Messages
from interceptor.script.tcp import TCPFlow, TCPMessage


class UDPMessage(TCPMessage):
    """One datagram."""


class UDPFlow(TCPFlow):
    """A conversation of datagrams."""

    @property
    def messages(self) -> Sequence[Message]:
        return Messages(lambda: self.record.messages, UDPMessage.of, self.asked) if self.replayed is None else self.replayed
