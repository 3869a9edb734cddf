"""A DNS message as the dict that mitmproxy's flow file has for it, and back. Records are kept uncompressed there, so what is read
from a file says the same as what was on the wire, and need not be the same bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

from interceptor.model.dns import DnsMessage, question_of

State = dict[str, Any]
_SECTIONS: Final = ("answers", "authorities", "additionals")


def state_of_message(message: DnsMessage) -> State:
    wire = message.wire
    flags = int.from_bytes(wire[2:4].ljust(2, b"\0"), "big")
    return {
        "id": message.id,
        "query": not flags & 0x8000,
        "op_code": flags >> 11 & 15,
        "authoritative_answer": bool(flags & 0x0400),
        "truncation": bool(flags & 0x0200),
        "recursion_desired": bool(flags & 0x0100),
        "recursion_available": bool(flags & 0x0080),
        "reserved": flags >> 4 & 7,
        "response_code": flags & 15,
        **_sections(wire),
        "timestamp": float(message.timestamp),
    }


def _sections(wire: bytes) -> State:
    import dns.message

    try:
        message = dns.message.from_wire(wire, ignore_trailing=True, one_rr_per_rrset=True)
        questions = [_question(str(each.name), each.rdtype, each.rdclass) for each in message.question]
        sections = [[_record(rrset) for rrset in section] for section in (message.answer, message.authority, message.additional)]
        if message.opt is not None:
            sections[2].append(_record(message.opt))
    except Exception:  # it cannot be read: what can be told of it is its header and its question
        name, kind, _ = question_of(wire)
        questions, sections = [_question(name, kind, 1)] if name else [], [[], [], []]
    return {"questions": questions, **dict(zip(_SECTIONS, sections, strict=True))}


def _question(name: str, kind: int, its_class: int) -> State:
    return {"name": name.rstrip("."), "type": int(kind), "class_": int(its_class)}


def _record(rrset: Any) -> State:
    rdata = rrset[0]
    return {
        **_question(str(rrset.name), rrset.rdtype, rdata.rdclass),
        "ttl": int(rrset.ttl),
        "data": rdata.to_wire(),
    }


def message_of_state(state: Mapping[Any, Any]) -> DnsMessage:
    """ValueError, TypeError, LookupError or struct.error if it is none."""
    flags = 0 if state["query"] else 0x8000
    flags |= (state["op_code"] & 15) << 11 | (state["reserved"] & 7) << 4 | state["response_code"] & 15
    bits = ("authoritative_answer", 0x0400), ("truncation", 0x0200), ("recursion_desired", 0x0100), ("recursion_available", 0x80)
    flags |= sum(bit for name, bit in bits if state[name])
    counts = [len(state[name]) for name in ("questions", *_SECTIONS)]
    wire = struct.pack(">HHHHHH", state["id"], flags, *counts)
    for each in state["questions"]:
        wire += _name(each["name"]) + struct.pack(">HH", each["type"], each["class_"])
    for name in _SECTIONS:
        for each in state[name]:
            data = each["data"]
            wire += _name(each["name"]) + struct.pack(">HHIH", each["type"], each["class_"], each["ttl"], len(data)) + data
    timestamp = state.get("timestamp")
    return DnsMessage(wire, float(timestamp) if isinstance(timestamp, (int, float)) else 0.0)


def _name(text: object) -> bytes:
    import dns.exception
    import dns.name

    if not isinstance(text, str):
        raise TypeError(f"{type(text).__name__} stands where a name belongs")
    try:
        return bytes(dns.name.from_text(text or ".", dns.name.root).to_wire())  # type: ignore[arg-type]
    except dns.exception.DNSException as error:
        raise ValueError(f"{text!r} is no name: {error}") from None
