"""Modes as typed, and what is said about those that are not right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.connection import Origin
from interceptor.specs.errors import UserError
from interceptor.specs.modes import Mode, ascii_host, check_modes, parse_mode


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("regular", Mode("regular", "regular")),
        ("Regular@8081", Mode("Regular@8081", "regular", None, None, 8081)),
        ("regular@0", Mode("regular@0", "regular", None, None, 0)),
        ("regular@[::1]:9", Mode("regular@[::1]:9", "regular", None, "::1", 9)),
        ("regular@:9", Mode("regular@:9", "regular", None, "", 9)),
        ("reverse:example.com", Mode("reverse:example.com", "reverse", Origin("https", "example.com", 443))),
        ("reverse:HTTP://Example.com/", Mode("reverse:HTTP://Example.com/", "reverse", Origin("http", "example.com", 80))),
        ("reverse:example.com:81", Mode("reverse:example.com:81", "reverse", Origin("https", "example.com", 81))),
        (
            "reverse:http://[2001:DB8::1]:8000@127.0.0.1:9000",
            Mode(
                "reverse:http://[2001:DB8::1]:8000@127.0.0.1:9000",
                "reverse",
                Origin("http", "2001:db8::1", 8000),
                "127.0.0.1",
                9000,
            ),
        ),
        ("reverse:tcp://db:5432", Mode("reverse:tcp://db:5432", "reverse", Origin("tcp", "db", 5432))),
        ("transparent", Mode("transparent", "transparent", transports=("tcp", "udp"))),
        ("transparent@:8081", Mode("transparent@:8081", "transparent", None, "", 8081, transports=("tcp", "udp"))),
        ("dns", Mode("dns", "dns", default_port=53, transports=("udp", "tcp"))),
        (
            "reverse:dns://ns.test@5353",
            Mode("reverse:dns://ns.test@5353", "reverse", Origin("dns", "ns.test", 53), None, 5353, 53, ("udp", "tcp")),
        ),
        ("reverse:udp://db:9", Mode("reverse:udp://db:9", "reverse", Origin("udp", "db", 9), transports=("udp",))),
        ("wireguard", Mode("wireguard", "wireguard", default_port=51820, transports=("udp",))),
        (
            "wireguard:~/k.conf@:9",
            Mode("wireguard:~/k.conf@:9", "wireguard", None, "", 9, 51820, ("udp",), data="~/k.conf"),
        ),
        ("local", Mode("local", "local", transports=())),
        ("local:curl,!4711", Mode("local:curl,!4711", "local", transports=(), data="curl,!4711")),
        ("tun:tun7", Mode("tun:tun7", "tun", transports=(), data="tun7")),
        ("reverse:tls://db:5432@1", Mode("reverse:tls://db:5432@1", "reverse", Origin("tls", "db", 5432), None, 1)),
    ],
)
def test_a_mode_is_read(text: str, expected: Mode) -> None:
    assert parse_mode(text) == expected


@pytest.mark.parametrize("scheme", ["http3", "quic"])
def test_reverse_schemes_of_other_programs_likewise(scheme: str) -> None:
    with pytest.raises(UserError, match=f"^Mode reverse to {scheme} is not in this version, which has http, https, tcp, tls"):
        parse_mode(f"reverse:{scheme}://example.com:53")


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("", "There is no mode ''", 0),
        ("osproxy", "local:NAME", 0),
        ("wiregard", "Did you mean wireguard?", 0),
        ("local:curl@8080", "listens on no address: write local:curl", 10),
        ("tun@1", "listens on no address", 3),
        ("regluar", "Did you mean regular?", 0),
        ("regular:x", "takes nothing after its name", 7),
        ("transparent:x", "Mode transparent takes nothing after its name", 11),
        ("transparant", "Did you mean transparent?", 0),
        ("regular@", "is not a port", 8),
        ("regular@70000", "from 0 to 65535", 8),
        ("regular@localhost", "is not a port", 8),
        ("regular@::1:80", r"goes in brackets: @\[::1\]:80", 8),
        ("regular@a b:80", "not an address to listen on", 8),
        ("reverse:", "where to", 8),
        ("reverse:http://", "host is missing", 15),
        ("reverse:ftp://x", "no scheme 'ftp'", 0),
        ("reverse:http://h/path", "takes no path: write reverse:http://h,", 16),
        ("reverse:http://h?q", "takes no path", 16),
        ("reverse:http://h:0", "from 1 to 65535", 17),
        ("reverse:http://h:x", "'x' is not a port", 17),
        ("reverse:http://::1:80", r"brackets, \[::1:80\]", 15),
        ("reverse:http://999.1.1.1", "is not a host name or address", 15),
        ("reverse:http://a..b", "is not a host name or address", 15),
        ("reverse:http://[zz]", "is not a host name or address", 15),
        ("reverse:http://me:secret@h:80@8080", "takes no user name", 15),
        ("reverse:tcp://h", "needs a port", 15),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, message: str, position: int) -> None:
    with pytest.raises(UserError, match=message) as caught:
        parse_mode(text)
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("Example.COM", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),  # IDNA 2003 would lead to fass.example
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("example.com.", "example.com."),
        ("under_score.example", "under_score.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("[0:0::1]", "::1"),
        ("::1", "::1"),
    ],
)
def test_a_host_as_the_wire_wants_it(host: str, expected: str) -> None:
    assert ascii_host(host) == expected


@pytest.mark.parametrize(
    "host", ["", "a..b", "-a", "a" * 64, "a." * 127 + "a", "a b", "1.2.3", "[1.2.3.4]", "a/b", "x\x00y", "%41"]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError):
        ascii_host(host)


@pytest.mark.parametrize(
    ("modes", "host", "port"),
    [
        (["regular", "reverse:a.example"], "127.0.0.1", None),
        (["regular", "regular@127.0.0.1:8080"], "", None),
        (["regular@0.0.0.0:8080", "regular@127.0.0.1:8080"], "", None),
        (["regular@[::]:1", "regular@[::1]:1"], "", None),
        (["regular@localhost:1", "regular@127.0.0.1:1"], "", None),
        (["regular", "regular@9000"], "127.0.0.1", 9000),
        (["regular@[0:0::1]:1", "regular@[::1]:1"], "", None),
    ],
)
def test_two_modes_on_one_address_are_refused_naming_both(modes: list[str], host: str, port: int | None) -> None:
    with pytest.raises(UserError) as caught:
        check_modes([parse_mode(text) for text in modes], host, port)
    assert all(repr(text) in caught.value.message for text in modes)


@pytest.mark.parametrize(
    ("modes", "host", "port"),
    [
        (["regular", "reverse:a.example@8081"], "127.0.0.1", None),
        (["regular@0", "regular@0"], "", None),
        (["regular@1", "reverse:udp://a.example:9@1"], "", None),
        (["regular@0.0.0.0:1", "regular@[::]:1"], "", None),
        (["regular@127.0.0.1:1", "regular@127.0.0.2:1", "regular@[::1]:1"], "", None),
        (["regular", "regular@8080"], "127.0.0.1", 9000),
    ],
)
def test_modes_that_do_not_meet_are_fine(modes: list[str], host: str, port: int | None) -> None:
    check_modes([parse_mode(text) for text in modes], host, port)


@given(st.text("regularvs:/@[]1.x%ü\u3002-", max_size=30) | st.text(max_size=20).map("reverse:".__add__))
def test_nothing_that_is_typed_raises_anything_else(text: str) -> None:
    try:
        mode = parse_mode(text)
    except UserError:
        return
    assert mode.text == text
    check_modes([mode], "127.0.0.1", None)
