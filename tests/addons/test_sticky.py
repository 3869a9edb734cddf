"""Cookies and credentials that are said again: whose, where, and for how long."""

from __future__ import annotations

import pytest

from interceptor.addons.sticky import StickyAuth, StickyCookie
from interceptor.options import Options
from tests.addons.rule_flows import Exchanges, answered, flow_of, noted

NOW = 1_800_000_000.0


def cookies(wanted: str = "~all") -> Exchanges:
    return Exchanges(lambda options: StickyCookie(options, lambda: NOW), stickycookie=wanted)


def learn(exchanges: Exchanges, url: str, *fields: str) -> None:
    exchanges.response(answered(flow_of(url), fields=[(b"Set-Cookie", field.encode()) for field in fields]))


def sent(exchanges: Exchanges, url: str, *own: str) -> str | None:
    flow = flow_of(url, fields=[(b"Cookie", each.encode()) for each in own])
    exchanges.request(flow)
    return flow.request.headers.get("cookie")


def test_a_cookie_comes_back() -> None:
    exchanges = cookies()
    learn(exchanges, "http://a.test/x/login", "sid=1; HttpOnly", "lang=de; Path=/")
    assert sent(exchanges, "http://a.test/x/y") == "lang=de; sid=1"
    assert sent(exchanges, "http://a.test/other") == "lang=de"
    learn(exchanges, "http://a.test/x/login", "sid=2")
    assert sent(exchanges, "http://a.test/x/y") == "lang=de; sid=2"


@pytest.mark.parametrize("url", ["http://b.test/", "http://a.test:81/", "http://xa.test/", "http://test/"])
def test_it_comes_back_to_its_server_only(url: str) -> None:
    exchanges = cookies()
    learn(exchanges, "http://a.test/", "sid=1")
    assert sent(exchanges, url) is None


def test_domains() -> None:
    exchanges = cookies()
    learn(exchanges, "http://www.a.test/", "all=1; Domain=.a.test", "foreign=1; Domain=b.test", "top=1; Domain=test")
    assert sent(exchanges, "http://api.a.test/") == "all=1"
    assert sent(exchanges, "http://b.test/") is None


def test_the_clients_own_cookies_stay_and_those_of_the_jar_count() -> None:
    exchanges = cookies()
    learn(exchanges, "http://a.test/", "sid=server")
    assert sent(exchanges, "http://a.test/", "mine=1; sid=old", "also=2") == "mine=1; also=2; sid=server"


@pytest.mark.parametrize(
    "end", ["Max-Age=0", "Expires=Thu, 01 Jan 1970 00:00:00 GMT", "Max-Age=-1; Expires=Fri, 01 Jan 2100 00:00:00 GMT"]
)
def test_an_expired_cookie_is_forgotten(end: str) -> None:
    exchanges = cookies()
    learn(exchanges, "http://a.test/", "sid=1; Expires=Fri, 01 Jan 2100 00:00:00 GMT")
    assert sent(exchanges, "http://a.test/") == "sid=1"
    learn(exchanges, "http://a.test/", f"sid=; {end}")
    assert sent(exchanges, "http://a.test/") is None


def test_only_requests_that_the_filter_matches_get_it_but_all_are_learnt_from() -> None:
    exchanges = cookies("~u /api")
    learn(exchanges, "http://a.test/login", "sid=1; Path=/")
    assert sent(exchanges, "http://a.test/web") is None
    assert sent(exchanges, "http://a.test/api") == "sid=1"


def test_the_flow_says_so_and_keeps_what_was_received() -> None:
    exchanges = cookies()
    learn(exchanges, "http://a.test/", "sid=1")
    flow = flow_of("http://a.test/")
    exchanges.request(flow)
    assert noted(flow) == ["stickycookie"]
    assert flow.original is not None
    assert "cookie" not in flow.original[0].headers


def test_unset_forgets() -> None:
    exchanges = cookies()
    learn(exchanges, "http://a.test/", "sid=1")
    exchanges.set(stickycookie=None)
    assert exchanges.has_no_say()
    exchanges.set(stickycookie="~all")
    assert sent(exchanges, "http://a.test/") is None


def auth(url: str, exchanges: Exchanges, own: str | None = None) -> str | None:
    flow = flow_of(url, fields=[(b"Authorization", own.encode())] if own else [])
    exchanges.request(flow)
    return flow.request.headers.get("authorization")


def test_the_last_authorization_of_a_server_is_said_again() -> None:
    exchanges = Exchanges(StickyAuth, stickyauth="~all")
    assert auth("http://a.test/", exchanges) is None
    assert auth("http://a.test/", exchanges, "Bearer 1") == "Bearer 1"
    assert auth("http://a.test/x", exchanges) == "Bearer 1"
    assert auth("http://b.test/", exchanges) is None
    assert auth("http://a.test/", exchanges, "Bearer 2") == "Bearer 2"
    assert auth("http://a.test/", exchanges) == "Bearer 2"
    exchanges.set(stickyauth="~d nowhere")
    assert auth("http://a.test/", exchanges) is None
    exchanges.set(stickyauth=None)
    assert exchanges.has_no_say()


def test_a_filter_for_bodies_waits_for_them() -> None:
    exchanges = Exchanges(StickyAuth, stickyauth="~bq secret")
    auth("http://a.test/", exchanges, "Bearer 1")
    flow = flow_of("http://a.test/", "POST", b"a secret")
    exchanges.request(flow)
    assert exchanges.collected
    assert flow.request.headers["authorization"] == "Bearer 1"


def test_nothing_is_said_without_the_options() -> None:
    for make in (StickyAuth, StickyCookie):
        assert Exchanges(make).has_no_say()
    assert Options().stickycookie is None
