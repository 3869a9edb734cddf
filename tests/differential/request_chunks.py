"""Chunked bodies of requests, in all their abuses: sizes, extensions, line ends, the last chunk, trailers."""

from __future__ import annotations

from tests.differential.cases import Case, broken, distinct, forwarded

HEAD = b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


def chunks(body: bytes) -> bytes:
    return HEAD + body


def size(line: bytes) -> bytes:
    """A chunk of five bytes with that line before it."""
    return HEAD + line + b"\r\nhello\r\n" + LAST


SIZES = [
    *forwarded(
        {
            "one chunk": size(b"5"),
            "zeros before the size": size(b"0005"),
            "hexadecimal sizes": chunks(b"a\r\n0123456789\r\nA\r\n0123456789\r\n" + LAST),
            "many chunks of one byte": chunks(b"1\r\nx\r\n" * 200 + LAST),
            "a chunk of line ends": chunks(b"4\r\n\r\n\r\n\r\n" + LAST),
            "a chunk like a last chunk": chunks(b"5\r\n0\r\n\r\n\r\n" + LAST),
            "a chunk of a request": chunks(b"%x\r\n%b\r\n" % (len(NEXT), NEXT) + LAST),
            "a big chunk": chunks(b"10000\r\n" + b"x" * 65536 + b"\r\n" + LAST),
            "a last chunk of many zeros": chunks(b"5\r\nhello\r\n0000\r\n\r\n"),
        }
    ),
    *broken(
        "chunk",
        {
            f"a size of {line.decode('latin-1')!r}": size(line)
            for line in (
                b"",
                b" 5",
                b"\t5",
                b"+5",
                b"-5",
                b"0x5",
                b"0X5",
                b"5h",
                b"h",
                b"5,",
                b"5 5",
                b"five",
                b"5.0",
                b"5_",
                b"_5",
                b"5\x00",
                b"\x005",
                b"5\x0b",
                b"\xa05",
                b"5\r",
                b"\r5",
                b"'5'",
                b"5=",
                b"5:",
                b"10000000000000005",
                b"fffffffffffffffff",
                b"-0",
                b"g5",
                b"\xef\xbc\x95",
                b"5\xff",
            )
        },
    ),
    *broken("chunk", {"a blank behind a size": size(b"5 "), "a tab behind a size": size(b"5\t")}, lenient=1),
]

EXTENSIONS = [
    *forwarded(
        {
            "an extension": size(b"5;a"),
            "an extension with a value": size(b"5;a=b"),
            "an extension with a quoted value": size(b'5;a="b;c"'),
            "two extensions": size(b"5;a=b;c=d"),
            "an extension like a size": size(b"5;6"),
            "an extension on the last chunk": chunks(b"5\r\nhello\r\n0;a=b\r\n\r\n"),
        }
    ),
    *broken(
        "chunk",
        {
            "a blank before an extension": size(b"5 ;a"),
            "CR in an extension": size(b"5;a\rb"),
            "a long extension": size(b"5;" + b"a" * 40_000),
            "LF in an extension": size(b"5;a\nb"),
            "LF at the end of an extension": chunks(b"5;a\nhello\r\n" + LAST),
            "an extension of line ends": chunks(b"5;\n\r\nhello\r\n" + LAST),
            "an extension without a semicolon": size(b"5 a=b"),
            "a size in an extension behind LF": chunks(b"2;\nxx\r\n4c\r\n0\r\n\r\n" + NEXT),
        },
    ),
    *broken(
        "chunk",
        {
            "NUL in an extension": size(b"5;a\x00b"),
            "DEL in an extension": size(b"5;\x7f"),
        },
        lenient=1,
    ),
]

ENDS = [
    *broken(
        "chunk",
        {
            "LF alone behind the size": chunks(b"5\nhello\r\n" + LAST),
            "CR alone behind the size": chunks(b"5\rhello\r\n" + LAST),
            "LF alone behind the chunk": chunks(b"5\r\nhello\n" + LAST),
            "CR alone behind the chunk": chunks(b"5\r\nhello\r" + LAST),
            "nothing behind the chunk": chunks(b"5\r\nhello" + LAST),
            "a blank behind the chunk": chunks(b"5\r\nhello \r\n" + LAST),
            "two bytes too many": chunks(b"5\r\nhelloXX" + LAST),
            "a chunk longer than its size": chunks(b"4\r\nhello\r\n" + LAST),
            "a chunk shorter than its size": chunks(b"6\r\nhello\r\n" + LAST),
            "an empty line before the size": chunks(b"\r\n5\r\nhello\r\n" + LAST),
            "an empty line between chunks": chunks(b"5\r\nhello\r\n\r\n" + LAST),
            "LF CR behind the chunk": chunks(b"5\r\nhello\n\r" + LAST),
            "LF alone behind the last size": chunks(b"5\r\nhello\r\n0\n\r\n"),
        },
    ),
    *broken(
        "LF without CR",
        {
            "LF alone at the very end": chunks(b"5\r\nhello\r\n0\r\n\n"),
            "LF alone behind the last size, twice": chunks(b"5\r\nhello\r\n0\r\n\n\r\n"),
        },
    ),
    Case("a request behind the last chunk", chunks(b"5\r\nhello\r\n" + LAST + NEXT), 2),
    Case("a chunked one behind the last chunk", chunks(b"5\r\nhello\r\n" + LAST) * 3, 3),
    Case("an empty line too many", chunks(b"5\r\nhello\r\n" + LAST + b"\r\n" + NEXT), 2),
    Case("a chunk behind the last chunk", chunks(b"5\r\nhello\r\n" + LAST + b"5\r\nhello\r\n0\r\n\r\n"), 1, "request line"),
]

TRAILERS = [
    *forwarded(
        {
            "a trailer": chunks(b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"),
            "trailers": chunks(b'0\r\nX: y\r\nx: z\r\nEtag: "a"\r\n\r\n'),
            "a trailer with white space around": chunks(b"0\r\nX: \t y \t\r\n\r\n"),
            "a trailer of a value that is not ASCII": chunks(b"0\r\nX: \xe4\xff\r\n\r\n"),
            "a trailer without a value": chunks(b"0\r\nX:\r\n\r\n"),
        }
    ),
    *broken(
        "trailer",
        {
            "a length in the trailers": chunks(b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"),
            "a coding in the trailers": chunks(b"5\r\nhello\r\n0\r\ntransfer-encoding: chunked\r\n\r\n"),
            "a Host in the trailers": chunks(b"5\r\nhello\r\n0\r\nHOST: b\r\n\r\n"),
        },
    ),
    *broken("folded", {"a folded trailer": chunks(b"0\r\nX: y\r\n z\r\n\r\n")}),
    *broken("folded", {"a trailer that begins folded": chunks(b"0\r\n X: y\r\n\r\n")}),
    *broken(
        "field name",
        {
            "a trailer of no name": chunks(b"0\r\n: y\r\n\r\n"),
            "a trailer with a blank in its name": chunks(b"0\r\nX Y: z\r\n\r\n"),
            "a trailer with NUL in its name": chunks(b"0\r\nX\x00: z\r\n\r\n"),
        },
    ),
    *broken("white space before the colon", {"a trailer with a blank before the colon": chunks(b"0\r\nX : y\r\n\r\n")}),
    *broken("without a colon", {"a request instead of trailers": chunks(b"0\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n")}),
    *broken(
        "control character",
        {"CR in a trailer": chunks(b"0\r\nX: y\rz\r\n\r\n"), "NUL in a trailer": chunks(b"0\r\nX: y\x00\r\n\r\n")},
    ),
    *broken(
        "LF without CR",
        {
            "LF alone behind a trailer": chunks(b"0\r\nX: y\nZ: a\r\n\r\n"),
            "LF alone behind the last trailer": chunks(b"0\r\nX: y\n\r\n"),
            "LF alone behind the trailers": chunks(b"0\r\nX: y\r\n\n"),
        },
    ),
]

CASES = distinct([*SIZES, *EXTENSIONS, *ENDS, *TRAILERS])
