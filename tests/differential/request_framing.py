"""What frames a request: Content-Length and Transfer-Encoding in every spelling, alone, doubled and against each other."""

from __future__ import annotations

from tests.differential.cases import Case, Way, cut, distinct, forwarded, refused

HEAD = b"POST /p HTTP/1.1\r\nHost: a\r\n"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
CL, TE = b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"


def length(value: bytes) -> bytes:
    return HEAD + b"Content-Length:" + value + b"\r\n\r\nhello"


def coding(value: bytes, body: bytes = CHUNKS) -> bytes:
    return HEAD + b"Transfer-Encoding:" + value + b"\r\n\r\n" + body


LENGTHS = [
    *forwarded(
        {
            "a length": length(b" 5"),
            "a length without a space": length(b"5"),
            "a length with white space around": length(b" \t5 \t"),
            "a length with zeros": length(b" 0005"),
            "no length": HEAD + b"\r\n",
            "a length of nothing": HEAD + b"Content-Length: 0\r\n\r\n",
            "a length in capitals": HEAD + b"CONTENT-LENGTH: 5\r\n\r\nhello",
            "a length first": b"POST /p HTTP/1.1\r\nContent-Length: 5\r\nHost: a\r\n\r\nhello",
            "a GET with a body": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            "a HEAD with its body": b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            "a DELETE with a body": b"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            "an OPTIONS with a body": b"OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.0 with a length": b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
            "a body of line ends": HEAD + b"Content-Length: 8\r\n\r\n\r\n\r\n\r\n\r\n",
            "a body like a request": HEAD + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
            "a body of zeros": HEAD + b"Content-Length: 5\r\n\r\n\0\0\0\0\0",
            "a body of chunks": HEAD + b"Content-Length: %d\r\n\r\n" % len(CHUNKS) + CHUNKS,
        }
    ),
    *refused(
        "not a number",
        {
            f"a length of {value.decode('latin-1')!r}": length(b" " + value)
            for value in (
                b"+5",
                b"-5",
                b"-0",
                b"0x5",
                b"5.0",
                b"5e0",
                b"5 5",
                b"5;",
                b"5,",
                b",5",
                b"'5'",
                b'"5"',
                b"five",
                b"5\xa0",
                b"5_0",
                b"\xd9\xa5",
                b"",
                b"5h",
                b"99999999999999999999",
                b"5, x",
                b"=5",
                b"5/1",
            )
        },
    ),
    *refused(
        "Content-Length twice",
        {
            "two lengths": HEAD + CL + b"Content-Length: 6\r\n\r\nhello!",
            "two lengths in a list": length(b" 5, 6"),
            "a length and zero": HEAD + b"Content-Length: 0\r\n" + CL + b"\r\nhello",
            "three lengths": HEAD + CL + CL + b"Content-Length: 0\r\n\r\nhello",
            "lengths of other spelling": HEAD + CL + b"content-length: 05\r\n\r\nhello",
        },
    ),
    *refused(
        "Content-Length twice",
        {
            "the same length twice": HEAD + CL + CL + b"\r\nhello",
            "the same length in a list": length(b" 5, 5"),
            "the same length apart": HEAD + CL + b"X: y\r\ncontent-length:5\r\n\r\nhello",
        },
        lenient=1,
    ),
    *refused(
        "control character",
        {"a length behind a vertical tab": length(b" \x0b5"), "a length behind a form feed": length(b"\x0c5")},
    ),
    *refused("control character", {"a length before NUL": length(b" 5\x00")}, lenient=1),
    *refused("white space before the colon", {"a length before a blank": HEAD + b"Content-Length : 5\r\n\r\nhello"}, lenient=1),
    *refused("folded", {"a folded length": HEAD + b"Content-Length:\r\n 5\r\n\r\nhello"}, lenient=1),
    *refused("folded", {"a length folded into two": HEAD + b"Content-Length: 5\r\n 6\r\n\r\nhello"}),
]

CODINGS = [
    *forwarded(
        {
            "chunked": coding(b" chunked"),
            "chunked in capitals": coding(b" CHUNKED"),
            "chunked in mixed case": coding(b" ChunKed"),
            "chunked without a space": coding(b"chunked"),
            "chunked with white space around": coding(b"\t chunked \t"),
            "the name in capitals": HEAD + b"TRANSFER-ENCODING: chunked\r\n\r\n" + CHUNKS,
            "a chunked GET": b"GET / HTTP/1.1\r\nHost: a\r\n" + TE + b"\r\n" + CHUNKS,
            "a chunked HEAD": b"HEAD / HTTP/1.1\r\nHost: a\r\n" + TE + b"\r\n" + CHUNKS,
            "an empty chunked body": coding(b" chunked", b"0\r\n\r\n"),
        }
    ),
    *refused(
        "Transfer-Encoding other than a single chunked",
        {
            f"a coding of {value.decode('latin-1')!r}": coding(b" " + value)
            for value in (
                b"",
                b"identity",
                b"gzip",
                b"xchunked",
                b"chunkedx",
                b"chunked;q=1",
                b'"chunked"',
                b"'chunked'",
                b"chunked chunked",
                b"chunked, chunked",
                b"chunked, identity",
                b"chunked, gzip",
                b",chunked",
                b"chunked,",
                b"chun ked",
                b"x chunked",
                b"c\xaahunked",
                b"chunked\xa0",
                b"ch\xc5\xabnked",
                b"cow",
                b"compress",
                b"chunked;",
                b"identity, chunked, identity",
            )
        },
    ),
    *refused(
        "Transfer-Encoding other than a single chunked",
        {
            "gzip, chunked": coding(b" gzip, chunked"),
            "gzip and chunked apart": HEAD + b"Transfer-Encoding: gzip\r\n" + TE + b"\r\n" + CHUNKS,
        },
    ),
    *refused(
        "Transfer-Encoding other than a single chunked",
        {
            "chunked twice": HEAD + TE + TE + b"\r\n" + CHUNKS,
            "chunked and identity": HEAD + TE + b"Transfer-Encoding: identity\r\n\r\n" + CHUNKS,
            "identity and chunked": HEAD + b"Transfer-Encoding: identity\r\n" + TE + b"\r\n" + CHUNKS,
            "chunked and nothing": HEAD + TE + b"Transfer-Encoding:\r\n\r\n" + CHUNKS,
        },
    ),
    *refused(
        "white space before the colon",
        {
            "a coding before a blank": HEAD + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKS,
            "a coding before a tab": HEAD + b"Transfer-Encoding\t: chunked\r\n\r\n" + CHUNKS,
        },
        lenient=1,
    ),
    *refused("folded", {"a folded coding": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKS}, lenient=1),
    *refused("folded", {"a coding folded into two": HEAD + b"Transfer-Encoding: chunked\r\n identity\r\n\r\n" + CHUNKS}),
    *refused(
        "control character",
        {f"0x{byte:02x} before the coding": coding(b" " + bytes([byte]) + b"chunked") for byte in (0x0B, 0x0C, 0x1F)},
    ),
    *refused("control character", {"NUL behind the coding": coding(b" chunked\x00")}, lenient=1),
    *refused("LF without CR", {"a coding behind LF": HEAD + CL + b"X: y\nTransfer-Encoding: chunked\r\n\r\nhello"}),
    *refused(
        "control character", {"a coding behind CR": HEAD + CL + b"X: y\rTransfer-Encoding: chunked\r\n\r\nhello"}, lenient=1
    ),
    *refused("HTTP/1.0", {"HTTP/1.0 and chunked": b"POST / HTTP/1.0\r\nHost: a\r\n" + TE + b"\r\n" + CHUNKS}),
]

BOTH = [
    *refused(
        "together",
        {
            "length, then chunked": HEAD + CL + TE + b"\r\n" + CHUNKS,
            "chunked, then length": HEAD + TE + CL + b"\r\n" + CHUNKS,
            "chunked and a length of nothing": HEAD + TE + b"Content-Length: 0\r\n\r\n" + CHUNKS,
            "CL.TE": HEAD + b"Content-Length: %d\r\n" % (5 + len(SMUGGLED)) + TE + b"\r\n0\r\n\r\n" + SMUGGLED,
            "TE.CL": HEAD + b"Content-Length: 3\r\n" + TE + b"\r\n8\r\nSMUGGLED\r\n0\r\n\r\n",
            "TE.CL with the right length": HEAD + b"Content-Length: %d\r\n" % len(CHUNKS) + TE + b"\r\n" + CHUNKS,
        },
    ),
    *refused(
        "Transfer-Encoding other than a single chunked",
        {
            "length and a coding nobody knows": HEAD + CL + b"Transfer-Encoding: x\r\n\r\nhello",
            "length and identity": HEAD + CL + b"Transfer-Encoding: identity\r\n\r\nhello",
            "length and no coding": HEAD + CL + b"Transfer-Encoding:\r\n\r\nhello",
        },
    ),
    *refused(
        "white space before the colon",
        {
            "length and a coding before a blank": HEAD + CL + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKS,
            "a length before a blank and a coding": HEAD + TE + b"Content-Length : 5\r\n\r\n" + CHUNKS,
        },
    ),
    *refused(
        "not a field name",
        {
            "length and a coding with NUL": HEAD + CL + b"Transfer-Encoding\x00: chunked\r\n\r\n" + CHUNKS,
            "length and a coding with a vertical tab": HEAD + CL + b"Transfer-Encoding\x0b: chunked\r\n\r\n" + CHUNKS,
            "length and a coding behind a vertical tab": HEAD + CL + b"\x0bTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        },
    ),
    *refused(
        "without a colon", {"length and a coding without a colon": HEAD + CL + b"Transfer-Encoding chunked\r\n\r\n" + CHUNKS}
    ),
    *refused(
        "folded",
        {"a coding in a fold, and a length": HEAD + b"X: y\r\n Transfer-Encoding: chunked\r\n" + CL + b"\r\nhello"},
        lenient=1,
    ),
]

AROUND = [
    Case("bytes behind the body", length(b" 5") + b"extra", 1),
    Case("a request behind the body", length(b" 5") + SMUGGLED, 2),
    Case("a request behind the chunks", coding(b" chunked") + SMUGGLED, 2),
    Case("an empty line behind the body", length(b" 5") + b"\r\n" + SMUGGLED, 2),
    Case("a head behind a body too short", HEAD + b"Content-Length: 3\r\n\r\nhelloGET /x HTTP/1.1\r\nHost: a\r\n\r\n", 2),
    Case("noise behind the body", length(b" 5") + b"no request\r\n\r\n", 1, "request line"),
    Case("two bodies", length(b" 5") + coding(b" chunked") + length(b" 5"), 3),
    *cut(
        {
            "a body too short": HEAD + b"Content-Length: 10\r\n\r\nhello",
            "a body that never comes": HEAD + b"Content-Length: 10\r\n\r\n",
            "a length that nobody has": HEAD + b"Content-Length: 9999999999999999999\r\n\r\nhello",
            "chunks without an end": HEAD + TE + b"\r\n5\r\nhello\r\n",
            "a chunk cut off": HEAD + TE + b"\r\n5\r\nhel",
            "no chunk at all": HEAD + TE + b"\r\n",
            "a last chunk without its end": HEAD + TE + b"\r\n5\r\nhello\r\n0\r\n",
            "a trailer cut off": HEAD + TE + b"\r\n0\r\nX: y\r\n",
        }
    ),
]

CONNECTS = [
    *refused(
        "CONNECT with a body",
        {
            "CONNECT with a length": b"CONNECT %O HTTP/1.1\r\nHost: %O\r\nContent-Length: 5\r\n\r\nhello",
            "CONNECT with chunks": b"CONNECT %O HTTP/1.1\r\nHost: %O\r\n" + TE + b"\r\n" + CHUNKS,
            "CONNECT with a request as its body": b"CONNECT %O HTTP/1.1\r\nHost: %O\r\nContent-Length: 35\r\n\r\n" + SMUGGLED,
        },
        way=Way.PROXY,
    ),
    *refused(
        "CONNECT with a body",
        {
            "CONNECT to the origin, with a length": b"CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\nContent-Length: 5\r\n\r\nhello",
            "CONNECT to the origin, with chunks": b"CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n" + TE + b"\r\n" + CHUNKS,
        },
    ),
]

CASES = distinct([*LENGTHS, *CODINGS, *BOTH, *AROUND, *CONNECTS])
