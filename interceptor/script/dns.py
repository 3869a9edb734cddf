"""DNS queries and their answers as scripts see them. A response put on a flow in `dns_request` is the answer."""

from __future__ import annotations

from typing import Any

from interceptor.model.dns import SERVFAIL, DnsMessage, failure
from interceptor.model.flow import DnsFlow
from interceptor.script.flow import Flow


class DNSMessage:
    """A message of the wire. Nothing of it can be changed: `replace` gives another, which is put on the flow."""

    def __init__(self, record: DnsMessage) -> None:
        self.record = record

    @property
    def packed(self) -> bytes:
        """As on the wire."""
        return self.record.wire

    @property
    def content(self) -> bytes:
        return self.record.wire

    @property
    def id(self) -> int:
        return self.record.id

    @property
    def query(self) -> bool:
        return not self.record.is_response

    @property
    def response_code(self) -> int:
        return self.record.rcode

    @property
    def truncation(self) -> bool:
        return self.record.is_truncated

    @property
    def timestamp(self) -> float:
        return self.record.timestamp

    @property
    def name(self) -> str:
        """Of the first question."""
        return self.record.name

    @property
    def type(self) -> str:
        """Of the first question: "AAAA"."""
        return self.record.type_name

    @property
    def parsed(self) -> Any:
        """A `dns.message.Message` of dnspython, made anew each time."""
        import dns.message

        return dns.message.from_wire(self.record.wire, ignore_trailing=True, one_rr_per_rrset=True)

    def fail(self, response_code: int = SERVFAIL) -> DNSMessage:
        """An answer to this query without records: 3 says that there is no such name, 5 that we do not say."""
        return DNSMessage(DnsMessage(failure(self.record.wire, response_code), self.record.timestamp))

    @classmethod
    def unpack(cls, content: bytes, timestamp: float = 0.0) -> DNSMessage:
        """A message of the wire's bytes, such as `to_wire()` of dnspython gives."""
        return cls(DnsMessage(content, timestamp))

    def __repr__(self) -> str:
        return f"<DNSMessage {self.record.type_name} {self.record.name}>"


class DNSFlow(Flow):
    record: DnsFlow

    @property
    def request(self) -> DNSMessage:
        return DNSMessage(self.record.request)

    @request.setter
    def request(self, message: DNSMessage) -> None:
        self.record.backup()
        self.record.request = message.record

    @property
    def response(self) -> DNSMessage | None:
        return DNSMessage(self.record.response) if self.record.response is not None else None

    @response.setter
    def response(self, message: DNSMessage | None) -> None:
        self.record.backup()
        self.record.response = message.record if message is not None else None
