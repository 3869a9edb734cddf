"""The page for devices: what is served for which request, and that it needs nothing from elsewhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from interceptor.addons.onboarding import Onboarding
from interceptor.certs.authority import Authority
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Headers, Request, Response
from tests.certs.wire import authority_in

ANDROID = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Mobile Safari/604.1"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority_in(tmp_path_factory.mktemp("ca"))


def flow(path: str, host: str = "interceptor.test", method: str = "GET", agent: str = "") -> HttpFlow:
    headers = Headers([(b"Host", host.encode()), (b"User-Agent", agent.encode())])
    return HttpFlow(1, request=Request(method, "http", host, 80, path.encode(), headers=headers))


def ask(addon: Onboarding, path: str, host: str = "interceptor.test", method: str = "GET", agent: str = "") -> Response:
    verdict = addon.requestheaders(flow(path, host, method, agent))
    assert verdict is not None
    return verdict.response


class TestHosts:
    @pytest.mark.parametrize("host", ["interceptor.test", "mitm.it", "MITM.it", "mitm.it.", "mitm.it:80"])
    def test_ours(self, authority: Authority, host: str) -> None:
        assert ask(Onboarding(authority), "/", host).status_code == 200

    @pytest.mark.parametrize("host", ["example.com", "www.mitm.it", "notmitm.it", "test"])
    def test_all_others_are_none_of_its_business(self, authority: Authority, host: str) -> None:
        assert Onboarding(authority).requestheaders(flow("/cert/pem", host)) is None

    def test_by_the_host_field_where_the_destination_is_an_address(self, authority: Authority) -> None:
        request = flow("/", "mitm.it")
        request.request.host = "192.0.2.1"
        assert Onboarding(authority).requestheaders(request) is not None

    def test_one_more_by_option_looked_up_each_time(self, authority: Authority) -> None:
        hosts: list[str] = []
        addon = Onboarding(authority, lambda: hosts)
        assert addon.requestheaders(flow("/", "ca.example")) is None
        hosts.append("ca.example")
        assert addon.requestheaders(flow("/", "ca.example")) is not None
        assert addon.requestheaders(flow("/", "interceptor.test")) is not None

    def test_switched_off(self, authority: Authority) -> None:
        assert Onboarding(authority, lambda: None).requestheaders(flow("/")) is None


class TestDownloads:
    def test_pem(self, authority: Authority) -> None:
        response = ask(Onboarding(authority), "/cert/pem")
        assert x509.load_pem_x509_certificate(response.body.read()) == authority.certificate
        assert response.headers["content-type"] == "application/x-x509-ca-cert"
        assert response.headers["content-disposition"] == 'attachment; filename="interceptor-ca-cert.pem"'

    def test_cer(self, authority: Authority) -> None:
        response = ask(Onboarding(authority), "/cert/cer?again")
        assert x509.load_der_x509_certificate(response.body.read()) == authority.certificate
        assert response.headers["content-type"] == "application/x-x509-ca-cert"
        assert response.headers["content-disposition"] == 'attachment; filename="interceptor-ca-cert.cer"'

    def test_p12_without_the_key(self, authority: Authority) -> None:
        response = ask(Onboarding(authority), "/cert/p12")
        key, _, certificates = pkcs12.load_key_and_certificates(response.body.read(), None)
        assert key is None
        assert certificates == [authority.certificate]
        assert response.headers["content-type"] == "application/x-pkcs12"
        assert response.headers["content-disposition"] == 'attachment; filename="interceptor-ca-cert.p12"'

    @pytest.mark.parametrize("path", ["/", "/cert/pem", "/cert/cer", "/cert/p12", "/nothing"])
    def test_lengths_and_no_name_of_a_server(self, authority: Authority, path: str) -> None:
        response = ask(Onboarding(authority), path)
        assert response.headers["content-length"] == str(response.body.size)
        assert "server" not in response.headers
        assert response.headers["cache-control"] == "no-store"

    def test_head_is_the_same_without_body(self, authority: Authority) -> None:
        full, head = (ask(Onboarding(authority), "/cert/pem", method=method) for method in ("GET", "HEAD"))
        assert head.headers == full.headers
        assert head.body.size == 0

    @pytest.mark.parametrize("path", ["/nothing", "/cert/", "/cert/key", "/../interceptor-ca.pem", "*"])
    def test_anything_else_is_not_found(self, authority: Authority, path: str) -> None:
        response = ask(Onboarding(authority), path)
        assert (response.status_code, response.reason) == (404, b"Not Found")

    def test_nothing_can_be_sent_to_it(self, authority: Authority) -> None:
        response = ask(Onboarding(authority), "/", method="POST")
        assert response.status_code == 405
        assert response.headers["allow"] == "GET, HEAD"


class Outline(HTMLParser):
    """What the page refers to, whether its tags match, and which guide is open."""

    VOID = frozenset({"meta", "wbr", "br", "link", "img"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self.opened: list[str] = []
        self._stack: list[str] = []
        self._is_in_open_guide = False
        self.feed(page)
        assert self._stack == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attributes)
        self.references += [str(named[name]) for name in ("href", "src", "action") if name in named]
        if tag == "details":
            self._is_in_open_guide = "open" in named
        if tag not in self.VOID:
            self._stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._stack and self._stack[-1] == "summary" and self._is_in_open_guide:
            self.opened.append(data)


class TestPage:
    def page(self, authority: Authority, agent: str = "") -> str:
        response = ask(Onboarding(authority), "/", agent=agent)
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        return response.body.read().decode()

    def test_it_needs_nothing_from_elsewhere(self, authority: Authority) -> None:
        page = self.page(authority)
        outline = Outline(page)
        assert outline.references == ["/cert/cer", "/cert/pem", "/cert/p12"]
        assert not {"script", "link", "img", "iframe"} & set(outline.tags)
        assert "url(" not in page
        assert "@import" not in page

    def test_it_is_for_phones_dark_and_light(self, authority: Authority) -> None:
        page = self.page(authority)
        assert 'name="viewport" content="width=device-width' in page
        assert "prefers-color-scheme:dark" in page

    def test_every_platform_and_the_fingerprint(self, authority: Authority) -> None:
        page = self.page(authority)
        for title in ("iPhone", "Android", "macOS", "Windows", "Firefox", "Linux: Debian", "Java", "Node.js", "Python", "curl"):
            assert f"<summary>{title}" in page
        assert re.sub("<wbr>", "", page).count(authority.fingerprint_sha256) == 1

    @pytest.mark.parametrize(
        ("agent", "title"), [(ANDROID, "Android"), (IPHONE, "iPhone and iPad"), (FIREFOX, "Firefox"), ("curl/8.9", "curl, git")]
    )
    def test_the_guide_of_who_asks_is_open(self, authority: Authority, agent: str, title: str) -> None:
        assert Outline(self.page(authority, agent)).opened == [title]

    def test_who_cannot_be_told_sees_all_closed(self, authority: Authority) -> None:
        assert Outline(self.page(authority, "something else")).opened == []

    def test_it_says_nothing_about_this_computer(self, authority: Authority) -> None:
        assert str(authority.pem_path.parent) not in self.page(authority)

    def test_an_expired_certificate_is_said(self, authority: Authority) -> None:
        assert "expired" not in self.page(authority)
        old = authority.certificate
        ended = (
            x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), 1)
            .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2021, 1, 1, tzinfo=UTC))
            .sign(authority.key, hashes.SHA256())
        )
        assert "expired" in self.page(Authority(authority.pem_path, authority.key, ended))

    def test_a_name_in_the_certificate_is_no_markup(self, authority: Authority) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "<script>alert(1)</script>")])
        old = authority.certificate
        hostile = (
            x509.CertificateBuilder(name, name, old.public_key(), 1)
            .not_valid_before(old.not_valid_before_utc)
            .not_valid_after(old.not_valid_after_utc)
            .sign(authority.key, hashes.SHA256())
        )
        page = self.page(Authority(authority.pem_path, authority.key, hostile))
        assert "script" not in Outline(page).tags
        assert "&lt;script&gt;" in page
