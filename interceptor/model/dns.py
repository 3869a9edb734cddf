"""DNS messages (RFC 1035 §4.1) as they were on the wire, and what is cheap to know of them.

The wire is what is kept and passed on. Header and question are read here; records are read by dnspython, which is loaded when
somebody first looks at one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, Final

HEADER_BYTES: Final = 12
LARGEST: Final = 65_535
SERVFAIL: Final = 2
HTTPS: Final = 65
SVCB: Final = 64
A, AAAA, ANY = 1, 28, 255
_OPT: Final = 41

_HEADER: Final = struct.Struct(">HHHHHH")
_TYPES: Final = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 28: "AAAA", 29: "LOC", 33: "SRV",
    35: "NAPTR", 39: "DNAME", 43: "DS", 44: "SSHFP", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 50: "NSEC3", 52: "TLSA",
    64: "SVCB", 65: "HTTPS", 99: "SPF", 251: "IXFR", 252: "AXFR", 255: "ANY", 256: "URI", 257: "CAA",
}  # fmt: skip
_RCODES: Final = {
    0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN", 8: "NXRRSET",
    9: "NOTAUTH", 10: "NOTZONE",
}  # fmt: skip
_OPCODES: Final = {0: "QUERY", 1: "IQUERY", 2: "STATUS", 4: "NOTIFY", 5: "UPDATE"}


@dataclass(eq=False, slots=True)
class DnsMessage:
    """`wire` is the message without the length that goes before it in a stream. It is never changed: an edit makes another."""

    wire: bytes
    timestamp: float = 0.0
    _answers: list[str] | None = field(default=None, repr=False)

    @property
    def id(self) -> int:
        return int.from_bytes(self.wire[:2], "big")

    @property
    def is_response(self) -> bool:
        return len(self.wire) > 2 and bool(self.wire[2] & 0x80)

    @property
    def is_truncated(self) -> bool:
        """It says that it is not all (TC)."""
        return len(self.wire) > 2 and bool(self.wire[2] & 0x02)

    @property
    def opcode(self) -> str:
        number = self.wire[2] >> 3 & 15 if len(self.wire) > 2 else 0
        return _OPCODES.get(number, f"OPCODE{number}")

    @property
    def rcode(self) -> int:
        return self.wire[3] & 15 if len(self.wire) > 3 else 0

    @property
    def rcode_name(self) -> str:
        return _RCODES.get(self.rcode, f"RCODE{self.rcode}")

    @property
    def name(self) -> str:
        """Of the first question, as text without the last dot; "" if there is none, "." for the root."""
        return question_of(self.wire)[0]

    @property
    def type_name(self) -> str:
        number = question_of(self.wire)[1]
        return _TYPES.get(number, f"TYPE{number}") if number else ""

    def answers(self) -> list[str]:
        """The data of the records of the answer section, each as text; empty if it cannot be read."""
        if self._answers is None:
            self._answers = _answers_of(self.wire)
        return self._answers

    def text(self) -> str:
        """Question and records, a line each; "" if it cannot be read."""
        import dns.message

        try:
            return str(dns.message.from_wire(self.wire, ignore_trailing=True, one_rr_per_rrset=True))
        except Exception:  # what hostile bytes do in the readers of seventy record types is not known
            return ""

    def with_id_of(self, other: DnsMessage) -> DnsMessage:
        """The same as an answer to that query."""
        return self if self.wire[:2] == other.wire[:2] else DnsMessage(other.wire[:2] + self.wire[2:], self.timestamp)


def question_of(wire: bytes) -> tuple[str, int, int]:
    """Name and type of the first question, and where the questions' first ends; ("", 0, 12) if there is none that can be read."""
    if len(wire) < HEADER_BYTES or wire[4:6] == b"\0\0":
        return "", 0, HEADER_BYTES
    labels, at, size = [], HEADER_BYTES, len(wire)
    while at < size and (length := wire[at]):
        if length > 63 or at + length >= size:
            return "", 0, HEADER_BYTES
        labels.append(_label(wire[at + 1 : at + 1 + length]))
        at += length + 1
    if at + 5 > size:
        return "", 0, HEADER_BYTES
    return ".".join(labels) or ".", wire[at + 1] << 8 | wire[at + 2], at + 5


_QUERY_CLASSES: Final = (b"\0\1", b"\0\3", b"\0\xff", b"\x80\1")
"""Internet, Chaos, any; and the one of mDNS whose answer need not go to all."""


def looks_like_query(wire: bytes) -> bool:
    """So much like one that it can hardly be anything else: no flags but those of a query, one question that can be read, and
    behind it two additional records at most (EDNS, a signature)."""
    if len(wire) < HEADER_BYTES + 5 or wire[2] & 0xFE or wire[3] & 0xCF or wire[4:11] != b"\0\1\0\0\0\0\0" or wire[11] > 2:
        return False
    name, _, end = question_of(wire)
    if not name or wire[end - 2 : end] not in _QUERY_CLASSES:
        return False
    return end == len(wire) if not wire[11] else end < len(wire)


def _label(raw: bytes) -> str:
    """As zone files have it (RFC 1035 §5.1)."""
    if raw.isalnum() or not raw.translate(None, b"-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"):
        return raw.decode("ascii")
    return "".join(
        f"\\{chr(byte)}" if byte in b'.\\"();@$' else chr(byte) if 33 <= byte < 127 else f"\\{byte:03}" for byte in raw
    )


def payload_size(query: bytes) -> int:
    """How large an answer in a datagram the client takes: what its OPT record says (RFC 6891 §6.2.3), else 512."""
    if len(query) < HEADER_BYTES or query[10:12] == b"\0\0":
        return 512
    at = query.rfind(b"\0\0\x29")  # the root's name, type OPT; its class is the size
    return max(int.from_bytes(query[at + 3 : at + 5], "big"), 512) if at >= HEADER_BYTES and at + 5 <= len(query) else 512


def address_query(query_id: int, name: str, kind: int) -> bytes:
    """Asks for the addresses of a name, in datagrams of up to 1232 bytes. ValueError if the name cannot be asked for."""
    labels = name.encode("idna").split(b".")
    if not all(0 < len(label) < 64 for label in labels) or sum(map(len, labels)) + len(labels) > 254:
        raise ValueError(f"{name!r} is no name that a name server could know")
    question = b"".join(bytes((len(label),)) + label for label in labels) + struct.pack(">BHH", 0, kind, 1)
    return _HEADER.pack(query_id, 0x0100, 1, 0, 0, 1) + question + struct.pack(">BHHIH", 0, _OPT, 1232, 0, 0)


def addresses_in(answer: bytes, kind: int) -> list[bytes]:
    """Packed: those of the question's name, and of the names that it stands for. ValueError if it cannot be read."""
    import dns.message

    try:
        message = dns.message.from_wire(answer, ignore_trailing=True)
        return [rdata.to_wire() or b"" for rrset in message.answer if rrset.rdtype == kind for rdata in rrset]
    except Exception as error:
        raise ValueError(f"its answer cannot be read: {error}") from None


def failure(query: bytes, rcode: int) -> bytes:
    """An answer without records that says why there are none."""
    end = question_of(query)[2]
    count = 1 if end > HEADER_BYTES else 0
    flags = 0x8080 | (query[2] & 0x79) << 8 | rcode
    return _HEADER.pack(int.from_bytes(query[:2], "big"), flags, count, 0, 0, 0) + query[HEADER_BYTES:end]


def cut_for_datagram(answer: bytes) -> bytes:
    """The answer without its records, and with TC set: the client asks again by TCP."""
    end = question_of(answer)[2]
    head = bytes((*answer[:2], answer[2] | 0x02, answer[3]))
    return head + (b"\0\1" if end > HEADER_BYTES else b"\0\0") + bytes(6) + answer[HEADER_BYTES:end]


def addresses_answer(query: bytes, packed_addresses: list[bytes], seconds: int) -> bytes:
    """An answer with those addresses, of the question's type, that hold so long."""
    _, kind, end = question_of(query)
    records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, seconds, len(packed)) + packed for packed in packed_addresses)
    flags = 0x8080 | (query[2] & 0x79) << 8
    header = _HEADER.pack(int.from_bytes(query[:2], "big"), flags, 1, len(packed_addresses), 0, 0)
    return header + query[HEADER_BYTES:end] + records


def without_ech(wire: bytes) -> tuple[bytes, int]:
    """The message without the keys for Encrypted ClientHello in its HTTPS and SVCB records (RFC 9460 §7), and how many had one.
    As it is if it has none or cannot be read."""
    if b"\0\5" not in wire:
        return wire, 0
    import dns.message
    from dns.rdtypes.svcbbase import MandatoryParam, ParamKey

    try:
        message = dns.message.from_wire(wire, one_rr_per_rrset=True)
        found = 0
        for rrset in (*message.answer, *message.authority, *message.additional):
            if rrset.rdtype not in (SVCB, HTTPS):
                continue
            for rdata in list(rrset):
                params = dict(rdata.params)
                if params.pop(ParamKey.ECH, None) is None:
                    continue
                mandatory: Any = params.get(ParamKey.MANDATORY)
                if mandatory is not None and ParamKey.ECH in mandatory.keys:
                    keys = [key for key in mandatory.keys if key != ParamKey.ECH]
                    params.pop(ParamKey.MANDATORY)
                    if keys:
                        params[ParamKey.MANDATORY] = MandatoryParam(keys)  # type: ignore[no-untyped-call]
                time_to_live = rrset.ttl
                rrset.clear()  # type: ignore[no-untyped-call]
                rrset.add(rdata.replace(params=params), time_to_live)
                found += 1
        return (message.to_wire(max_size=LARGEST) if found else wire), found
    except Exception:  # hostile bytes; they pass as they are, as all that cannot be read
        return wire, 0


def _answers_of(wire: bytes) -> list[str]:
    if len(wire) < HEADER_BYTES or wire[6:8] == b"\0\0":
        return []
    import dns.message

    try:
        message = dns.message.from_wire(wire, ignore_trailing=True, one_rr_per_rrset=True, continue_on_error=True)
        return [str(rdata) for rrset in message.answer for rdata in rrset]
    except Exception:  # what hostile bytes do in the readers of seventy record types is not known
        return []
