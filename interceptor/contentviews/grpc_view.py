"""gRPC: messages behind a flag and a length (grpc's PROTOCOL-HTTP2, "Length-Prefixed-Message"), and back again.

    message {            message gzip {           message "…"        trailers "grpc-status:0\\r\\n"      rest h'…'
      1: "text"            1: 5                   ↑ grpc+json         ↑ gRPC-Web
    }                    }

Compressed messages are decoded by what grpc-encoding says, up to a total of `MOST_DECODED`. `application/grpc-web-text` is
base64 around all of it. Every message is its own protobuf, or JSON.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from interceptor.contentviews.notation import Tokens, hexed, quoted, remark
from interceptor.contentviews.protobuf_text import read_bytes, read_fields
from interceptor.contentviews.protobuf_view import message_lines
from interceptor.contentviews.rendered import Cancelled, ContentFacts, JoinedLines, Line, NotThisView, Rendered, check
from interceptor.model.encoding import PartialContent, TooLarge, decode_content, encode_content
from interceptor.specs.errors import UserError

MOST_DECODED: Final = 16 * 1024 * 1024
MOST_MESSAGES: Final = 2000
_LONGEST_PIECE: Final = 10_000
_CODINGS: Final = ("gzip", "deflate", "br", "zstd")


@dataclass(slots=True)
class _Frame:
    """`end` is where it ends in the body."""

    flags: int
    content: bytes
    end: int


def show_grpc(body: bytes, facts: ContentFacts, cancelled: Cancelled) -> Rendered:
    frames, rest = _frames(_unwrapped(body, facts), cancelled)
    if not frames:
        raise NotThisView("not gRPC: no whole message is there")
    shown: list[Sequence[Line]] = []
    room = MOST_DECODED
    for frame in frames[:MOST_MESSAGES]:
        check(cancelled)
        lines, used = _shown(frame, facts, room, cancelled)
        room -= used
        shown += lines
    count = sum(1 for frame in frames if not frame.flags & 0x80)
    notes = "1 message" if count == 1 else f"{count} messages"
    if len(frames) > MOST_MESSAGES:
        notes += f", only the first {MOST_MESSAGES} shown"
        shown.append([[("error", f"… {len(frames) - MOST_MESSAGES} more")]])
    if rest:
        notes += f", {len(rest)} bytes at the end are no whole message"
        shown += _long([("error", "rest ")], rest, is_text=False)
    return Rendered("grpc", f"gRPC, {notes}", JoinedLines(shown))


def _unwrapped(body: bytes, facts: ContentFacts) -> bytes:
    if "grpc-web-text" not in facts.media_type:
        return body
    # Each chunk of the answer may be padded for itself.
    output, text = bytearray(), b"".join(body.split())
    try:
        while text:
            end = text.find(b"=") + 1 or len(text)
            while text[end : end + 1] == b"=":
                end += 1
            output += binascii.a2b_base64(text[:end])
            text = text[end:]
            if len(output) < 3:
                break
    except binascii.Error as error:
        raise NotThisView(f"not gRPC-Web text: {error}") from None
    return bytes(output)


def _frames(body: bytes, cancelled: Cancelled) -> tuple[list[_Frame], bytes]:
    frames: list[_Frame] = []
    position = 0
    while position + 5 <= len(body):
        if len(frames) % 1000 == 999:
            check(cancelled)
        flags, size = body[position], int.from_bytes(body[position + 1 : position + 5], "big")
        if flags & 0x7E or position + 5 + size > len(body):
            break
        frames.append(_Frame(flags, body[position + 5 : position + 5 + size], position + 5 + size))
        position += 5 + size
    return frames, body[position:]


def _coding(facts: ContentFacts) -> str:
    coding = (facts.headers.get("grpc-encoding") or "" if facts.headers is not None else "").strip().lower()
    return coding if coding in _CODINGS else ""


def _shown(frame: _Frame, facts: ContentFacts, room: int, cancelled: Cancelled) -> tuple[list[Sequence[Line]], int]:
    """The lines of a message, and how much was decoded for it."""
    content, coding, note = frame.content, "", ""
    if frame.flags & 1:
        coding = _coding(facts)
        try:
            if not coding:
                raise ValueError("there is no grpc-encoding that we know")
            content = decode_content(content, coding, max(room, 1))
        except (ValueError, TooLarge, PartialContent) as error:
            coding, note = "undecoded", str(error)
    head: Line = [("header", "trailers " if frame.flags & 0x80 else "message ")]
    is_in_place = "grpc-web-text" not in facts.media_type
    if is_in_place and (seconds := facts.seconds_at(frame.end - 1)) is not None:
        head.insert(0, ("offset", f"+{seconds:.3f} s  "))
    if coding:
        head.append(("keyword", coding + " "))
    used = len(content) if frame.flags & 1 else 0
    if coding == "undecoded":
        return _long(head, content, False, note), 0
    if frame.flags & 0x80 or "json" in facts.media_type:
        return _long(head, content, True), used
    lines, rest = message_lines(content, cancelled, 1)
    if rest and rest == len(content):
        is_text = _is_text(content)
        return _long(head, content, is_text), used
    size = f"{len(frame.content)} bytes" + (f", {len(content)} decoded" if coding else "")
    return [[[*head, ("punctuation", "{"), *remark(size)]], lines, [[("punctuation", "}")]]], used


def _is_text(content: bytes) -> bool:
    try:
        return content.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _long(head: Line, content: bytes, is_text: bool, note: str = "") -> list[Sequence[Line]]:
    """One value, in as many strings as it takes: those that follow one another are one."""
    pieces = [content[at : at + _LONGEST_PIECE] for at in range(0, len(content), _LONGEST_PIECE)] or [b""]
    lines = [[("text", "  "), *(quoted(piece) if is_text else hexed(piece))] for piece in pieces]
    lines[0] = [*head, *lines[0][1:], *(remark(note) if note else [])]
    return [lines]


def read_grpc(text: str, facts: ContentFacts) -> bytes:
    """The bytes of an edited text. UserError with the line of the first mistake."""
    tokens, output = Tokens(text), bytearray()
    while not tokens.is_at_end():
        if tokens.accept("rest"):
            output += _values(tokens)
            continue
        flags = 0 if tokens.accept("message") else 0x80 if tokens.accept("trailers") else -1
        if flags < 0:
            raise tokens.mistake("'message', 'trailers' or 'rest' expected")
        coding = next((name for name in (*_CODINGS, "undecoded") if tokens.accept(name)), "")
        if tokens.accept("{"):
            content = read_fields(tokens)
            if not tokens.accept("}"):
                raise tokens.mistake("the number of a field or '}' expected")
        else:
            content = _values(tokens)
        if coding and coding != "undecoded":
            try:
                content = encode_content(content, coding)
            except ValueError as error:
                raise UserError(f"this message cannot be compressed: {error}.") from None
        output += bytes([flags | (1 if coding else 0)]) + len(content).to_bytes(4, "big") + content
    return binascii.b2a_base64(bytes(output), newline=False) if "grpc-web-text" in facts.media_type else bytes(output)


def _values(tokens: Tokens) -> bytes:
    output = bytearray(read_bytes(tokens))
    while isinstance(tokens.peek().value, bytes):
        output += read_bytes(tokens)
    return bytes(output)
