"""Raw conversations as scripts see them: messages in both directions, the last of which may be edited in `tcp_message`."""

from __future__ import annotations

from collections.abc import Sequence

from interceptor.model.flow import TcpFlow
from interceptor.model.flow import TcpMessage as Record
from interceptor.script.flow import Flow
from interceptor.script.messages import Message, Messages


class TCPMessage(Message):
    """What one side said in one piece."""

    @classmethod
    def of(cls, record: Record) -> TCPMessage:
        """One that has been sent."""
        message = cls(record.from_client, record.body.read(), record.timestamp)
        message.is_sent, message.dropped = True, record.is_dropped
        return message


class TCPFlow(Flow):
    record: TcpFlow

    @property
    def messages(self) -> Sequence[Message]:
        return Messages(lambda: self.record.messages, TCPMessage.of, self.asked) if self.replayed is None else self.replayed
