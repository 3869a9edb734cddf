"""Requests to the proxy itself: absolute URLs, the Host beside them, user names, ports, addresses."""

from __future__ import annotations

from tests.differential.cases import Way, distinct, forwarded, refused


def get(target: bytes, host: bytes = b"%O", method: bytes = b"GET") -> bytes:
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (method, target, host)


CASES = distinct(
    [
        *forwarded(
            {
                "an absolute URL": get(b"http://%O/a?b"),
                "an absolute URL without a path": get(b"http://%O"),
                "an absolute URL with a query alone": get(b"http://%O?a=b"),
                "an absolute URL with a fragment": get(b"http://%O/a#b"),
                "an absolute URL with a fragment alone": get(b"http://%O#b"),
                "a scheme in capitals": get(b"HTTP://%O/a"),
                "a host in capitals": get(b"http://LOCALHOST:%P/a"),
                "another Host": get(b"http://%O/a", b"other.test"),
                "an empty Host": get(b"http://%O/a", b""),
                "Host without the port": get(b"http://%O/a", b"127.0.0.1"),
                "a user name": get(b"http://user:pass@%O/a"),
                "a user name like a host": get(b"http://good.test:80@%O/a"),
                "zeros before the port": get(b"http://127.0.0.1:0%P/a"),
                "an absolute URL for OPTIONS": get(b"http://%O", method=b"OPTIONS"),
                "an absolute URL with a path for OPTIONS": get(b"http://%O/", method=b"OPTIONS"),
                "an at sign in the path": get(b"http://%O/@other.test/"),
                "a URL in the query": get(b"http://%O/?u=http://other.test/"),
                "bytes that are not ASCII in the path": get(b"http://%O/\xe4\xff"),
                "a backslash in the path": get(b"http://%O/\\other.test"),
                "only a Host": get(b"/a"),
                "only a Host, and an asterisk": get(b"*", method=b"OPTIONS"),
                "HTTP/1.0 and no Host": b"GET http://%O/a HTTP/1.0\r\n\r\n",
                "a body": b"POST http://%O/a HTTP/1.1\r\nHost: %O\r\nContent-Length: 5\r\n\r\nhello",
                "Proxy-Connection is ours": b"GET http://%O/ HTTP/1.1\r\nHost: %O\r\nProxy-Connection: keep-alive\r\n\r\n",
                "slashes": get(b"http://%O///a"),
            },
            way=Way.PROXY,
        ),
        *refused(
            "not a host and port",
            {
                "no host": get(b"http:///a"),
                "a port alone": get(b"http://:%P/a"),
                "a port that is none": get(b"http://127.0.0.1:x/a"),
                "a port too large": get(b"http://127.0.0.1:65536/a"),
                "a port with a sign": get(b"http://127.0.0.1:+%P/a"),
                "two ports": get(b"http://127.0.0.1:%P:%P/a"),
                "a port of other digits": get("http://127.0.0.1:８０/a".encode()),
                "an IPv6 address without brackets": get(b"http://::1/a"),
                "an IPv6 address with one bracket": get(b"http://[::1/a"),
                "a name in brackets": get(b"http://[a.test]/a"),
                "bytes behind the bracket": get(b"http://[::1]x/a"),
                "a backslash in the host": get(b"http://a.test\\b/a"),
                "a backslash and an at sign": get(b"http://other.test\\@%O/a"),
                "a bracket in the host": get(b"http://a]b/a"),
                "a Host with a path": get(b"/a", b"%O/x"),
                "a Host with an at sign": get(b"/a", b"u@%O"),
                "a Host with a blank": get(b"/a", b"127.0.0.1 :%P"),
                "a list as Host": get(b"/a", b"%O, other.test"),
                "CONNECT to a path": get(b"/a", method=b"CONNECT"),
                "CONNECT to a URL": get(b"http://%O/", method=b"CONNECT"),
                "CONNECT with a user name": get(b"u@%O", method=b"CONNECT"),
            },
            way=Way.PROXY,
        ),
        *refused("a port is missing", {"CONNECT without a port": get(b"127.0.0.1", method=b"CONNECT")}, way=Way.PROXY),
        *refused("not a host name", {"a name that cannot be": get("http://ä..test/a".encode())}, way=Way.PROXY),
        *refused("must name its destination", {"a path, and an empty Host": get(b"/a", b"")}, way=Way.PROXY),
        *refused(
            "neither a path nor",
            {"another scheme": get(b"ftp://%O/a"), "no scheme": get(b"%O/a"), "one slash": get(b"http:/%O/a")},
            way=Way.PROXY,
        ),
        *refused(
            "more than one Host",
            {"two Hosts": b"GET http://%O/ HTTP/1.1\r\nHost: %O\r\nHost: other.test\r\n\r\n"},
            way=Way.PROXY,
        ),
    ]
)
