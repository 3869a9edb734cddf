"""Responses: status lines, fields, framing, bodies where there are none, informational ones, switches, chunks, breaking off."""

from __future__ import annotations

from tests.differential.cases import Case, broken, distinct, forwarded, refused

OK = b"HTTP/1.1 200 OK\r\n"
CL, TE = b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"
BODY = b"\r\nhello"
CHUNKS = b"\r\n5\r\nhello\r\n0\r\n\r\n"
FINE = OK + CL + BODY


def line(first: bytes) -> bytes:
    return first + b"\r\n" + CL + BODY


def fields(more: bytes) -> bytes:
    return OK + more + CL + BODY


def chunks(body: bytes) -> bytes:
    return OK + TE + b"\r\n" + body


STATUS_LINES = [
    *forwarded(
        {
            "fine": FINE,
            "no reason": line(b"HTTP/1.1 200 "),
            "no reason and no space": line(b"HTTP/1.1 200"),
            "an odd reason": line(b"HTTP/1.1 200 O  K \t yes"),
            "a reason that is not ASCII": line(b"HTTP/1.1 200 \xe4\xff"),
            "a reason like a status line": line(b"HTTP/1.1 200 HTTP/1.1 404 No"),
            "a status nobody knows": line(b"HTTP/1.1 799 What"),
            "the largest status": line(b"HTTP/1.1 999 Most"),
            "HTTP/1.0": line(b"HTTP/1.0 200 OK"),
            "HTTP/1.2": line(b"HTTP/1.2 200 OK"),
        }
    ),
    *refused(
        "status line",
        {
            "a status of two digits": line(b"HTTP/1.1 20 OK"),
            "a status of four digits": line(b"HTTP/1.1 2000 OK"),
            "a status of letters": line(b"HTTP/1.1 OK 200"),
            "no status": line(b"HTTP/1.1"),
            "two spaces": line(b"HTTP/1.1  200 OK"),
            "a negative status": line(b"HTTP/1.1 -20 OK"),
            "ICY": line(b"ICY 200 OK"),
            "a version in lower case": line(b"http/1.1 200 OK"),
            "an empty line first": b"\r\n" + FINE,
            "a blank first": b" " + FINE,
            "no version": line(b"200 OK"),
            "a request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "noise": b"<html>hello</html>\r\n\r\n",
            "a tab before the status": line(b"HTTP/1.1\t200 OK"),
            "fullwidth digits": line("HTTP/1.1 ２００ OK".encode()),
        },
    ),
    *refused("status below 100", {"a status of zeros": line(b"HTTP/1.1 000 No"), "a status below 100": line(b"HTTP/1.1 099 No")}),
    *refused("version", {"HTTP/2.0": line(b"HTTP/2.0 200 OK"), "HTTP/0.9": line(b"HTTP/0.9 200 OK")}),
    *refused(
        "control character",
        {
            "NUL in the reason": line(b"HTTP/1.1 200 O\x00K"),
            "CR in the reason": line(b"HTTP/1.1 200 O\rSet-Cookie: a"),
        },
    ),
    *refused("control character", {"LF behind the status line": b"HTTP/1.1 200 OK\n" + CL + BODY}, lenient=1),
]

FIELDS = [
    *forwarded(
        {
            "an empty value": fields(b"X:\r\n"),
            "white space around": fields(b"X: \t a \t\r\n"),
            "the same field often": fields(b"Set-Cookie: a\r\nset-cookie: b\r\n" * 9),
            "a value that is not ASCII": fields(b"X: \xe4\xff\r\n"),
            "a location that is not ASCII": fields("Location: /ä\r\n".encode()),
            "many fields": fields(b"X: a\r\n" * 900),
        }
    ),
    *refused("white space before the colon", {"a blank before the colon": fields(b"X : a\r\n")}, lenient=1),
    *refused(
        "not a field name",
        {"a blank in a name": fields(b"X Y: a\r\n"), "a name that is not ASCII": fields(b"X\xe4: a\r\n")},
        lenient=1,
    ),
    *refused(
        "not a field name",
        {
            "no name": fields(b": a\r\n"),
            "NUL in a name": fields(b"X\x00: a\r\n"),
            "a length behind an odd byte": OK + b"\xa0Content-Length: 9\r\n" + CL + BODY,
        },
    ),
    *refused("without a colon", {"no colon": fields(b"X\r\n"), "a second status line": OK + FINE}),
    *refused(
        "folded",
        {"a folded value": fields(b"X: a\r\n b\r\n"), "a fold like a field": fields(b"X: a\r\n Content-Length: 9\r\n")},
        lenient=1,
    ),
    *refused("folded", {"a fold first": OK + b" X: a\r\n" + CL + BODY}),
    *refused(
        "control character",
        {f"0x{byte:02x} in a value": fields(b"X: a" + bytes([byte]) + b"b\r\n") for byte in (0, 1, 0x0B, 0x0D, 0x1B, 0x7F)},
        lenient=1,
    ),
    *refused(
        "LF without CR",
        {
            "LF behind a field": fields(b"X: a\nY: b\r\n"),
            "LF everywhere": b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
            "LF at the end": OK + b"Content-Length: 5\r\n\nhello",
        },
        lenient=1,
    ),
]

FRAMING = [
    *forwarded(
        {
            "a length of nothing": OK + b"Content-Length: 0\r\n\r\n",
            "until the end": OK + b"\r\nhello",
            "until the end, nothing": OK + b"\r\n",
            "until the end, in HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nhello",
            "until the end, and a response in it": OK + b"\r\n" + FINE,
            "chunked": OK + TE + CHUNKS,
            "chunked in capitals": OK + b"TRANSFER-ENCODING: CHUNKED\r\n" + CHUNKS,
            "bytes behind the body": FINE + b"extra",
            "a response behind the body": FINE + FINE,
            "a response behind the chunks": OK + TE + CHUNKS + FINE,
            "bytes behind no body": OK + b"Content-Length: 0\r\n\r\nextra",
            "zeros before the length": OK + b"Content-Length: 005\r\n" + BODY,
            "a 205 with a body": line(b"HTTP/1.1 205 Reset"),
            "a 404 with a body": line(b"HTTP/1.1 404 No"),
            "a redirect with a body": line(b"HTTP/1.1 302 Found"),
        }
    ),
    *refused(
        "not a number",
        {
            f"a length of {value.decode('latin-1')!r}": OK + b"Content-Length: " + value + b"\r\n" + BODY
            for value in (b"+5", b"-1", b"0x5", b"5 5", b"5,", b"", b"five", b"5.0", b"99999999999999999999", b"\xd9\xa5")
        },
    ),
    *refused(
        "Content-Length twice",
        {
            "two lengths": OK + CL + b"Content-Length: 3\r\n" + BODY,
            "two lengths in a list": OK + b"Content-Length: 5, 3\r\n" + BODY,
            "a length of nothing too": OK + b"Content-Length: 0\r\n" + CL + BODY,
        },
    ),
    *refused(
        "Content-Length twice",
        {"the same length twice": OK + CL + CL + BODY, "the same length in a list": OK + b"Content-Length: 5, 5\r\n" + BODY},
        lenient=1,
    ),
    *refused(
        "together",
        {
            "length, then chunked": OK + CL + TE + CHUNKS,
            "chunked, then length": OK + TE + CL + CHUNKS,
            "chunked and a length of nothing": OK + TE + b"Content-Length: 0\r\n" + CHUNKS,
        },
    ),
    *refused(
        "Transfer-Encoding other than a single chunked",
        {
            f"a coding of {value.decode('latin-1')!r}": OK + b"Transfer-Encoding: " + value + b"\r\n" + CHUNKS
            for value in (
                b"",
                b"identity",
                b"gzip",
                b"xchunked",
                b"chunked, chunked",
                b"chunked, identity",
                b"chunked,",
                b"chunked;a",
                b'"chunked"',
                b"chunked\xa0",
            )
        },
    ),
    *refused(
        "Transfer-Encoding other than a single chunked", {"gzip, chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n" + CHUNKS}
    ),
    *refused("Transfer-Encoding other than a single chunked", {"chunked twice": OK + TE + TE + CHUNKS}),
    *refused("control character", {"a vertical tab before the coding": OK + b"Transfer-Encoding: \x0bchunked\r\n" + CHUNKS}),
    *refused(
        "white space before the colon", {"a coding before a blank": OK + b"Transfer-Encoding : chunked\r\n" + CHUNKS}, lenient=1
    ),
    *refused(
        "white space before the colon",
        {"a coding before a blank, and a length": OK + CL + b"Transfer-Encoding : chunked\r\n" + CHUNKS},
    ),
    *refused("HTTP/1.0", {"chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\n" + TE + CHUNKS}, lenient=1),
]

BODILESS = [
    *forwarded(
        {
            "a 204": b"HTTP/1.1 204 Nothing\r\n\r\n",
            "a 204 with a length of nothing": b"HTTP/1.1 204 Nothing\r\nContent-Length: 0\r\n\r\n",
            "a 204 with a body": b"HTTP/1.1 204 Nothing\r\n\r\nhello",
            "a 304": b"HTTP/1.1 304 Same\r\n\r\n",
            "a 304 with a length": b"HTTP/1.1 304 Same\r\n" + CL + b"\r\n",
            "a 304 with a length and a body": b"HTTP/1.1 304 Same\r\n" + CL + BODY,
            "a 304 with chunks": b"HTTP/1.1 304 Same\r\n" + TE + CHUNKS,
            "a 304 and another response": b"HTTP/1.1 304 Same\r\n\r\n" + FINE,
        }
    ),
    *forwarded(
        {
            "HEAD and a length": OK + CL + b"\r\n",
            "HEAD and a body": FINE,
            "HEAD and chunks": OK + TE + CHUNKS,
            "HEAD and chunked without chunks": OK + TE + b"\r\n",
            "HEAD and nothing": OK + b"\r\n",
            "HEAD and another response": OK + CL + b"\r\n" + FINE,
        },
        method=b"HEAD",
    ),
    *refused(
        "may not have a body",
        {
            "a 204 with a length": b"HTTP/1.1 204 Nothing\r\n" + CL + BODY,
            "a 204 with chunks": b"HTTP/1.1 204 Nothing\r\n" + TE + CHUNKS,
        },
        lenient=1,
    ),
]

INFORMATIONAL = [
    *forwarded(
        {
            "a 103 first": b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" + FINE,
            "a 102 first": b"HTTP/1.1 102 Processing\r\n\r\n" + FINE,
            "a 199 first": b"HTTP/1.1 199 What\r\n\r\n" + FINE,
            "many first": b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" * 20 + FINE,
            "a 100 that nobody asked for": b"HTTP/1.1 100 Continue\r\n\r\n" + FINE,
            "two 100": b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + FINE,
            "a 103, then chunks": b"HTTP/1.1 103 Early\r\n\r\n" + OK + TE + CHUNKS,
            "a 100 with a length of nothing": b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n" + FINE,
        }
    ),
    *broken(
        "may not have a body",
        {
            "a 103 with a body": b"HTTP/1.1 103 Early\r\n" + CL + BODY + FINE,
            "a 100 with chunks": b"HTTP/1.1 100 Continue\r\n" + TE + CHUNKS + FINE,
        },
    ),
    *broken("status line", {"noise behind a 103": b"HTTP/1.1 103 Early\r\n\r\nnoise\r\n\r\n"}),
    *refused(
        "nobody asked for",
        {"a 101 that nobody asked for": b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + FINE},
        lenient=1,
    ),
]

CHUNKED = [
    *forwarded(
        {
            "an extension": chunks(b"5;a=b\r\nhello\r\n0\r\n\r\n"),
            "zeros": chunks(b"0005\r\nhello\r\n000\r\n\r\n"),
            "no chunk": chunks(b"0\r\n\r\n"),
            "a trailer": chunks(b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"),
            "many chunks": chunks(b"1\r\nx\r\n" * 100 + b"0\r\n\r\n"),
            "a chunk of line ends": chunks(b"4\r\n\r\n\r\n\r\n0\r\n\r\n"),
            "bytes behind the last chunk": chunks(b"5\r\nhello\r\n0\r\n\r\nextra"),
        }
    ),
    *broken(
        "chunk",
        {
            f"a chunk size of {size.decode('latin-1')!r}": chunks(size + b"\r\nhello\r\n0\r\n\r\n")
            for size in (b"", b" 5", b"+5", b"-5", b"0x5", b"g", b"5\x00", b"5\x0b", b"5 5", b"10000000000000005", b"5;a\nb")
        },
    ),
    *broken(
        "chunk",
        {
            "a blank behind a size": chunks(b"5 \r\nhello\r\n0\r\n\r\n"),
            "CR in an extension": chunks(b"5;\r\r\nhello\r\n0\r\n\r\n"),
        },
    ),
    *broken(
        "chunk",
        {
            "LF behind a size": chunks(b"5\nhello\r\n0\r\n\r\n"),
            "LF behind a chunk": chunks(b"5\r\nhello\n0\r\n\r\n"),
            "nothing behind a chunk": chunks(b"5\r\nhello0\r\n\r\n"),
            "a chunk too long": chunks(b"4\r\nhello\r\n0\r\n\r\n"),
            "HTML instead of chunks": chunks(b"<html></html>\r\n"),
        },
    ),
    *broken(
        "trailer",
        {
            "a length in the trailers": chunks(b"0\r\nContent-Length: 5\r\n\r\n"),
            "a coding in the trailers": chunks(b"0\r\nTransfer-Encoding: x\r\n\r\n"),
        },
    ),
    *broken(
        "LF without CR",
        {"LF behind a trailer": chunks(b"0\r\nX: y\nA: b\r\n\r\n"), "LF at the end of the trailers": chunks(b"0\r\nX: y\r\n\n")},
    ),
    *broken("folded", {"a folded trailer": chunks(b"0\r\nX: y\r\n z\r\n\r\n")}),
]

BROKEN_OFF = [
    Case(name, wire, 0, is_cut=True)
    for name, wire in {
        "nothing at all": b"",
        "cut in the status line": b"HTTP/1.1 20",
        "cut behind the status line": OK,
        "cut in a field": OK + b"Content-Le",
        "cut before the empty line": OK + CL,
        "cut in the body": OK + CL + b"\r\nhel",
        "cut before the body": OK + CL + b"\r\n",
        "cut in a chunk": chunks(b"5\r\nhel"),
        "cut behind a chunk": chunks(b"5\r\nhello\r\n"),
        "cut in the last chunk": chunks(b"5\r\nhello\r\n0\r\n"),
        "cut in the trailers": chunks(b"5\r\nhello\r\n0\r\nX: y\r\n"),
        "cut behind a 103": b"HTTP/1.1 103 Early\r\n\r\n",
    }.items()
]

CASES = distinct([*STATUS_LINES, *FIELDS, *FRAMING, *BODILESS, *INFORMATIONAL, *CHUNKED, *BROKEN_OFF])
