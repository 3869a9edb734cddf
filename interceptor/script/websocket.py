"""What is said in a WebSocket as scripts see it: `websocket_message` asks about the last of `flow.websocket.messages`."""

from __future__ import annotations

from collections.abc import Sequence

from interceptor.model.flow import Opcode
from interceptor.model.flow import WebSocketData as DataRecord
from interceptor.model.flow import WebSocketMessage as Record
from interceptor.script.messages import Message, Messages


class WebSocketMessage(Message):
    """`content` is inflated; of a text it is UTF-8, and `text` is it decoded. `type` is the opcode."""

    def __init__(self, type: int, from_client: bool, content: bytes, timestamp: float = 0.0) -> None:
        super().__init__(from_client, content, timestamp)
        self.type = Opcode(type)
        self.injected = False

    @classmethod
    def of(cls, record: Record) -> WebSocketMessage:
        """One that has been sent."""
        message = cls(record.opcode, record.from_client, record.body.read(), record.timestamp)
        message.is_sent, message.dropped, message.injected = True, record.is_dropped, record.is_injected
        return message

    @property
    def is_text(self) -> bool:
        return self.type is Opcode.TEXT

    @property
    def text(self) -> str:
        """AttributeError if it is a binary message."""
        if not self.is_text:
            raise AttributeError("a binary message has no text; there is `content`")
        return self.content.decode("utf-8", "surrogateescape")

    @text.setter
    def text(self, text: str) -> None:
        if not self.is_text:
            raise AttributeError("a binary message has no text; there is `content`")
        self.content = text.encode("utf-8", "surrogateescape")


class WebSocketData:
    """What was said, and how it ended."""

    def __init__(self, record: DataRecord, asked: Sequence[Message], replayed: Sequence[Message] | None) -> None:
        self._record, self._asked, self._replayed = record, asked, replayed

    @property
    def messages(self) -> Sequence[Message]:
        """Without pings, pongs and closes."""
        if self._replayed is not None:
            return self._replayed
        return Messages(self._said, WebSocketMessage.of, self._asked)

    def _said(self) -> Sequence[Record]:
        return [each for each in self._record.messages if not each.is_control]

    @property
    def closed_by_client(self) -> bool | None:
        return self._record.closed_by_client

    @property
    def close_code(self) -> int | None:
        return self._record.close_code

    @property
    def close_reason(self) -> str:
        return self._record.close_reason

    @property
    def timestamp_end(self) -> float | None:
        return self._record.timestamp_end
