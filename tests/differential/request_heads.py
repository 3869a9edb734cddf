"""Heads of requests: first lines, versions, white space, controls, line ends, folding, Host, blank lines around."""

from __future__ import annotations

from tests.differential.cases import Case, cut, distinct, forwarded, refused

H = b"Host: a\r\n"
END = b"\r\n"
GET = b"GET / HTTP/1.1\r\n"


def line(first: bytes) -> bytes:
    return first + b"\r\n" + H + END


def fields(more: bytes) -> bytes:
    """With these lines behind Host."""
    return GET + H + more + END


def control(byte: int) -> bytes:
    return fields(b"X: a" + bytes([byte]) + b"b\r\n")


FIRST_LINES = [
    *forwarded(
        {
            "a path": line(b"GET /a/b?c=d&e HTTP/1.1"),
            "a method nobody knows": line(b"FROB /a HTTP/1.1"),
            "a method of odd token characters": line(b"G!#$%&'*+-.^_`|~ /a HTTP/1.1"),
            "a method in lower case": line(b"get /a HTTP/1.1"),
            "a fragment in the target": line(b"GET /a#b HTTP/1.1"),
            "an empty query": line(b"GET /? HTTP/1.1"),
            "two slashes": line(b"GET //a.test/b HTTP/1.1"),
            "dots in the path": line(b"GET /../../a/./b HTTP/1.1"),
            "escapes in the path": line(b"GET /%00%0d%0a%2e%zz%f HTTP/1.1"),
            "bytes that are not ASCII in the target": line(b"GET /\xe4\xff\x80 HTTP/1.1"),
            "UTF-8 in the target": line("GET /ä€😀 HTTP/1.1".encode()),
            "characters that no URL may have": line(b'GET /"<>\\^`{|} HTTP/1.1'),
            "an asterisk": line(b"OPTIONS * HTTP/1.1"),
            "an absolute URL to its origin": line(b"GET http://a.test/b HTTP/1.1"),
            "an absolute URL without a path": line(b"GET http://a.test HTTP/1.1"),
            "an absolute URL and another host": line(b"GET http://b.test:81/x?y HTTP/1.1"),
            "HTTP/1.0": b"GET / HTTP/1.0\r\n" + H + END,
            "HTTP/1.0 without Host": b"GET / HTTP/1.0\r\n\r\n",
            "HEAD": line(b"HEAD /a HTTP/1.1"),
            "TRACE": line(b"TRACE /a HTTP/1.1"),
            "a very long target": line(b"GET /" + b"a" * 20_000 + b" HTTP/1.1"),
        }
    ),
    *refused(
        "request line",
        {
            "HTTP/0.9": b"GET /\r\n\r\n",
            "no target": line(b"GET HTTP/1.1"),
            "no method": line(b" / HTTP/1.1"),
            "an empty target": b"GET  HTTP/1.1\r\n" + H + END,
            "a space in the target": line(b"GET /a b HTTP/1.1"),
            "a request in the target": line(b"GET / HTTP/1.1 /x HTTP/1.1"),
            "a method that is no token": line(b"G(T / HTTP/1.1"),
            "a method that is not ASCII": line(b"G\xc4T / HTTP/1.1"),
            "a colon behind the method": line(b"GET: / HTTP/1.1"),
            "a version in lower case": line(b"GET / http/1.1"),
            "a version without a minor one": line(b"GET / HTTP/1"),
            "a version of two digits": line(b"GET / HTTP/1.10"),
            "a version with a comma": line(b"GET / HTTP/1,1"),
            "a version of another protocol": line(b"GET / HTCPCP/1.0"),
            "a version with a sign": line(b"GET / HTTP/+1.1"),
            "a response": b"HTTP/1.1 200 OK\r\n\r\n",
            "a field first": b"Host: a\r\n\r\n",
        },
    ),
    *refused(
        "request line",
        {
            "two spaces before the target": line(b"GET  / HTTP/1.1"),
            "two spaces behind the target": line(b"GET /  HTTP/1.1"),
            "a space behind the version": line(b"GET / HTTP/1.1 "),
        },
        lenient=1,
    ),
    *refused("request line", {"a tab instead of a space": line(b"GET\t/ HTTP/1.1")}, lenient=1),
    *refused(
        "control character",
        {
            "NUL in the method": line(b"G\x00T / HTTP/1.1"),
            "NUL in the target": line(b"GET /\x00a HTTP/1.1"),
            "CR in the target": line(b"GET /\ra HTTP/1.1"),
            "vertical tab as a space": line(b"GET\x0b/ HTTP/1.1"),
            "form feed in the target": line(b"GET /\x0c HTTP/1.1"),
            "DEL in the target": line(b"GET /\x7f HTTP/1.1"),
            "CR behind the version": b"GET / HTTP/1.1\r\r\n" + H + END,
        },
    ),
    *refused("version", {"HTTP/1.2": line(b"GET / HTTP/1.2"), "HTTP/1.9": line(b"GET / HTTP/1.9")}, lenient=1),
    *refused(
        "version",
        {
            "HTTP/2.0": line(b"GET / HTTP/2.0"),
            "HTTP/0.9 spelt out": line(b"GET / HTTP/0.9"),
            "HTTP/3.1": line(b"GET / HTTP/3.1"),
        },
    ),
    *refused(
        "neither a path nor",
        {
            "a word as target": line(b"GET a HTTP/1.1"),
            "a question mark as target": line(b"GET ?a HTTP/1.1"),
            "another scheme": line(b"GET ftp://a.test/ HTTP/1.1"),
            "a scheme without slashes": line(b"GET http:a HTTP/1.1"),
            "authority-form without CONNECT": line(b"GET a.test:80 HTTP/1.1"),
        },
    ),
]

HOSTS = [
    *forwarded(
        {
            "an empty Host": GET + b"Host:\r\n\r\n",
            "Host with odd characters": GET + b"Host: a_b!$&'()*+;=~\r\n\r\n",
            "Host that is not ASCII": GET + b"Host: \xe4.test\r\n\r\n",
            "HOST in capitals": GET + b"HOST: a\r\n\r\n",
            "Host last": GET + b"A: b\r\nC: d\r\nhost: a\r\n\r\n",
            "Host with white space around": GET + b"Host: \t a \t\r\n\r\n",
            "Host without a space": GET + b"Host:a\r\n\r\n",
            "X-Host too": fields(b"X-Host: b\r\n"),
        }
    ),
    *refused("without Host", {"no Host": GET + END, "no Host but fields": GET + b"A: b\r\n\r\n"}, lenient=1),
    *refused("more than one Host", {"the same Host twice": fields(H)}, lenient=1),
    *refused(
        "more than one Host",
        {
            "two Hosts": fields(b"Host: b\r\n"),
            "two Hosts apart": fields(b"A: b\r\nhOST: b\r\n"),
            "a second Host that is empty": fields(b"Host:\r\n"),
            "three Hosts": fields(H + b"Host: b\r\n"),
        },
    ),
]

FIELD_LINES = [
    *forwarded(
        {
            "an empty value": fields(b"X:\r\n"),
            "a value of white space": fields(b"X: \t \r\n"),
            "white space around a value": fields(b"X: \t a \t \r\n"),
            "tabs and blanks inside a value": fields(b"X: a \t  b\r\n"),
            "colons in a value": fields(b"X: :a:b:\r\n"),
            "odd token characters in a name": fields(b"!#$%&'*+-.^_`|~1: a\r\n"),
            "the same field many times": fields(b"X: a\r\nx: b\r\nX: a\r\n" * 20),
            "a value that is not ASCII": fields(b"X: \x80\xff\xe4\r\n"),
            "a long value": fields(b"X: " + b"a" * 60_000 + b"\r\n"),
            "many fields": fields(b"X: a\r\n" * 900),
            "a value like a request": fields(b"X: GET /x HTTP/1.1\r\n"),
            "a name with an underscore": fields(b"Content_Length: 5\r\n"),
            "a name like a framing field": fields(b"Content-Lengt: 5\r\nXTransfer-Encoding: chunked\r\n"),
            "names of framing fields in Connection": fields(b"Connection: Content-Length, Host, Transfer-Encoding\r\n"),
            "Proxy-Connection": fields(b"Proxy-Connection: keep-alive\r\n"),
            "TE": fields(b"TE: trailers, chunked\r\n"),
        }
    ),
    *refused(
        "white space before the colon",
        {
            "a blank before the colon": fields(b"X : a\r\n"),
            "a tab before the colon": fields(b"X\t: a\r\n"),
            "blanks before the colon of Host": GET + b"Host  : a\r\n\r\n",
        },
        lenient=1,
    ),
    *refused(
        "not a field name",
        {
            "a blank in a name": fields(b"X Y: a\r\n"),
            "parentheses in a name": fields(b"X(Y): a\r\n"),
            "a quote in a name": fields(b'X"Y: a\r\n'),
            "a slash in a name": fields(b"X/Y: a\r\n"),
            "a name that is not ASCII": fields(b"X\xe4: a\r\n"),
            "brackets in a name": fields(b"[X]: a\r\n"),
        },
        lenient=1,
    ),
    *refused(
        "not a field name",
        {
            "no name": fields(b": a\r\n"),
            "only a colon": fields(b":\r\n"),
            "NUL in a name": fields(b"X\x00Y: a\r\n"),
            "vertical tab behind a name": fields(b"X\x0b: a\r\n"),
            "DEL in a name": fields(b"X\x7f: a\r\n"),
            "CR in a name": fields(b"X\rY: a\r\n"),
            "a length behind an odd byte": fields(b"\xa0Content-Length: 5\r\n") + b"hello",
            "a coding with a byte too much": fields(b"Transfer-Encoding\xa0: chunked\r\n") + b"0\r\n\r\n",
            "a coding in parentheses": fields(b"(Transfer-Encoding): chunked\r\n") + b"0\r\n\r\n",
            "a coding in two words": fields(b"Transfer Encoding: chunked\r\n") + b"0\r\n\r\n",
            "a Host in quotes": fields(b'"Host": b\r\n'),
        },
    ),
    *refused("without a colon", {"no colon": fields(b"X\r\n"), "no colon, last": fields(b"A: b\r\nGET /x HTTP/1.1\r\n")}),
    *refused(
        "folded",
        {
            "a folded value": fields(b"X: a\r\n b\r\n"),
            "a value folded with a tab": fields(b"X: a\r\n\tb\r\n"),
            "a value folded often": fields(b"X:\r\n a\r\n \r\n b\r\n"),
            "a folded Host": GET + b"Host:\r\n a\r\n\r\n",
            "a line of blanks": fields(b"X: a\r\n  \r\n"),
            "a fold like a field": fields(b"X: a\r\n Content-Length: 5\r\n"),
        },
        lenient=1,
    ),
    *refused(
        "folded", {"a fold before any field": GET + b" X: a\r\n" + H + END, "a folded first line": GET + b"\tX\r\n" + H + END}
    ),
]

CONTROLS = [
    *refused(
        "control character",
        {
            f"0x{byte:02x} in a value": control(byte)
            for byte in (0x00, 0x01, 0x07, 0x08, 0x0B, 0x0C, 0x0D, 0x0E, 0x1B, 0x1F, 0x7F)
        },
        lenient=1,
    ),
    *refused(
        "control character",
        {
            "NUL behind a value": fields(b"X: a\x00\r\n"),
            "CR before the line end": fields(b"X: a\r\r\n"),
            "CR as a value": fields(b"X: \r\r\n"),
        },
        lenient=1,
    ),
]

LINE_ENDS = [
    *refused(
        "LF without CR",
        {
            "LF alone behind a field": fields(b"X: a\nY: b\r\n"),
            "LF alone behind Host": GET + b"Host: a\n\r\n",
            "LF alone everywhere": b"GET / HTTP/1.1\nHost: a\n\n",
            "LF alone at the end": GET + b"Host: a\r\n\n",
        },
        lenient=1,
    ),
    *refused("LF without CR", {"a line end inside of a value": fields(b"X: a\n\r\nGET /x HTTP/1.1\r\nHost: b\r\n")}, lenient=2),
    *refused("LF without CR", {"LF CR": GET + b"Host: a\n\r" + END + END}),
    *refused("control character", {"LF alone behind the first line": b"GET / HTTP/1.1\nHost: a\r\n\r\n"}, lenient=1),
    *refused(
        "control character",
        {
            "LF before the request": b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "CR alone as line end": b"GET / HTTP/1.1\rHost: a\r\r\r\n\r\n",
        },
    ),
]

AROUND = [
    *forwarded(
        {
            "an empty line before": END + fields(b""),
            "empty lines before": END * 5 + fields(b""),
            "empty lines behind": fields(b"") + END * 3,
        }
    ),
    Case("empty lines between two", fields(b"") + END * 2 + fields(b"A: 1\r\n"), 2),
    Case("two at once", fields(b"") + fields(b"A: 2\r\n"), 2),
    Case("five at once", b"".join(fields(b"A: %d\r\n" % number) for number in range(5)), 5),
    Case("a blank before", b" " + fields(b""), 0, "request line", lenient=1),
    Case("a blank line of blanks before", b"  \r\n" + fields(b""), 0, "request line"),
    Case("noise behind", fields(b"A: 3\r\n") + b"noise\r\n\r\n", 1, "request line"),
    Case("a bad one behind a good one", fields(b"") + fields(b"X : a\r\n"), 1, "white space before the colon", lenient=2),
    Case("a bad one between good ones", fields(b"") + fields(b"X\r\n") + fields(b""), 1, "without a colon"),
    Case("NUL behind", fields(b"A: 4\r\n") + b"\x00\r\n\r\n", 1, "control character"),
    *cut(
        {
            "cut in the method": b"GE",
            "cut in the first line": b"GET / HT",
            "cut behind the first line": GET,
            "cut in a name": GET + b"Ho",
            "cut in a value": GET + b"Host: a",
            "cut before the empty line": GET + H,
            "cut in the empty line": GET + H + b"\r",
        }
    ),
]

CASES = distinct([*FIRST_LINES, *HOSTS, *FIELD_LINES, *CONTROLS, *LINE_ENDS, *AROUND])
