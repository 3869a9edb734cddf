"""map_remote and map_local: where a request goes by rule, and which file answers it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.addons.file_body import FileBody, Files
from interceptor.addons.map_local import MapLocal, candidates
from interceptor.addons.map_remote import MapRemote
from interceptor.model.body import SPOOL_FROM
from interceptor.model.hooks import FORWARD
from interceptor.specs.rules import local_rule
from tests.addons.rule_flows import Exchanges, answered, flow_of, noted

# ---- map_remote


def mapped(rule: str, url: str) -> tuple[str, str | None]:
    flow = flow_of(url)
    Exchanges(MapRemote, map_remote=[rule]).request(flow)
    return flow.request.url, flow.request.host_header


@pytest.mark.parametrize(
    ("rule", "url", "mapped_url", "host"),
    [
        ("|http://a.test/|https://b.test:8443/x/", "http://a.test/p?q=1", "https://b.test:8443/x/p?q=1", "b.test:8443"),
        ("|/old|/new", "http://a.test/old?old=1", "http://a.test/new?old=1", "a.test"),
        (r"|(\w+)\.test/v1|\1.test/v2", "http://a.test/v1/", "http://a.test/v2/", "a.test"),
        ("|~m POST|a.test|b.test", "http://a.test/", "http://a.test/", "a.test"),
        (":a.test.*:http://[::1]:81", "http://a.test/x", "http://http//[::1]:81", None),
    ],
)
def test_a_url_is_rewritten(rule: str, url: str, mapped_url: str, host: str | None) -> None:
    if host is None:
        flow = flow_of(url)
        Exchanges(MapRemote, map_remote=[rule]).request(flow)
        assert flow.request.url == url
        assert "no http or https URL" in noted(flow)[0]
    else:
        assert mapped(rule, url) == (mapped_url, host)


def test_a_rewritten_request_keeps_what_was_received() -> None:
    flow = flow_of("http://a.test/x")
    Exchanges(MapRemote, map_remote=["|a.test|b.test", "|b.test|c.test"]).request(flow)
    assert flow.request.url == "http://c.test/x"
    assert flow.original is not None
    assert flow.original[0].url == "http://a.test/x"
    assert noted(flow) == ["map_remote |a.test|b.test", "map_remote |b.test|c.test"]


def test_a_new_path_does_not_change_the_address_that_the_client_chose() -> None:
    flow = flow_of("http://a.test/old")
    flow.request.host = "192.0.2.7"
    Exchanges(MapRemote, map_remote=["|/old|/new"]).request(flow)
    assert (flow.request.host, flow.request.path, flow.request.host_header) == ("192.0.2.7", "/new", "a.test")


# ---- map_local


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "sub dir").mkdir(parents=True)
    (folder / "index.html").write_text("top")
    (folder / "sub dir" / "index.html").write_text("sub")
    (folder / "a.css").write_text("css")
    (folder / "what_is_this").write_text("escaped")
    (tmp_path / "secret").write_text("secret")
    return folder


@pytest.mark.parametrize(
    ("regex", "url", "content", "content_type"),
    [
        ("a.test/static", "/static/a.css?v=1", "css", "text/css; charset=utf-8"),
        ("a.test/static", "/static/", "top", "text/html; charset=utf-8"),
        ("a.test/static", "/static", "top", "text/html; charset=utf-8"),
        ("a.test/static", "/static/sub%20dir", "sub", "text/html; charset=utf-8"),
        ("a.test/static", "/static/what%3Fis%3Athis", "escaped", None),
        ("a.test/v[0-9]+/(.*)/end", "/v1/a.css/end", "css", "text/css; charset=utf-8"),
    ],
)
def test_a_file_is_found(site: Path, regex: str, url: str, content: str, content_type: str | None) -> None:
    flow = flow_of(f"http://a.test{url}")
    response = Exchanges(MapLocal, map_local=[f"|{regex}|{site}"]).answer(flow)
    assert (response.status_code, response.body.read().decode()) == (200, content)
    assert response.headers.get("content-type") == content_type
    assert response.headers["content-length"] == str(len(content))
    assert noted(flow)[0].startswith(f"map_local |{regex}|{site}: ")


@pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/sub%20dir/..%2f../../secret", "/x%00y", "/none", "//none"])
def test_nothing_outside_of_the_folder_is_served(site: Path, path: str) -> None:
    flow = flow_of("http://a.test/")
    flow.request.path = f"/s{path}"
    response = Exchanges(MapLocal, map_local=[f"|a.test/s|{site}"]).answer(flow)
    assert response.status_code == 404
    assert str(site) not in response.body.read().decode()


@given(st.text(max_size=30))
def test_whatever_is_asked_for_stays_in_the_folder(path: str) -> None:
    folder = Path("/srv/site")
    match = local_rule("|a.test/(.*)|/srv/site").pattern.search(f"http://a.test/{path}")
    if match is not None:
        for found in candidates(folder, match):
            assert found.is_relative_to(folder)
            assert ".." not in found.parts


def test_the_first_rule_with_a_file_answers(site: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.css").write_text("other")
    rules = [f"|~m POST|a.test|{site}", f"|a.test|{other}", f"|a.test|{site}"]
    exchanges = Exchanges(MapLocal, map_local=rules)
    assert exchanges.answer(flow_of("http://a.test/a.css")).body.read() == b"other"
    assert exchanges.answer(flow_of("http://a.test/")).body.read() == b"top"
    assert exchanges.request(flow_of("http://b.test/")) is FORWARD


def test_a_file_as_path_answers_all_that_matches(site: Path) -> None:
    exchanges = Exchanges(MapLocal, map_local=[f"|a.test/api|{site}/a.css"])
    assert exchanges.answer(flow_of("http://a.test/api/any/thing")).body.read() == b"css"


def test_head_has_the_length_and_no_body(site: Path) -> None:
    response = Exchanges(MapLocal, map_local=[f"|a.test|{site}"]).answer(flow_of("http://a.test/a.css", "HEAD"))
    assert (response.headers["content-length"], response.body.size) == ("3", 0)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in Exchanges(MapLocal).refused(map_local=[f"|a|{tmp_path}/none"])


def test_a_large_file_is_not_read_into_memory_and_is_open_once(tmp_path: Path) -> None:
    file = tmp_path / "large"
    content = bytes(range(256)) * (SPOOL_FROM // 256) + b"end"
    file.write_bytes(content)
    files = Files()
    one, other = files.body_of(file), files.body_of(file)
    assert isinstance(one, FileBody)
    assert one is other
    assert one.size == len(content)
    assert one.read(1000, 16) == content[1000:1016]
    assert one.read(len(content) - 3) == b"end"
    assert one.read(len(content) + 5) == b""
    file.unlink()
    assert one.read() == content, "what was sent can still be shown"


def test_files_are_found_for_a_response_that_goes_through_the_rules(site: Path) -> None:
    """A flow that has its answer already is not asked about again."""
    flow = answered(flow_of("http://a.test/a.css"))
    assert Exchanges(MapLocal, map_local=[f"|a.test|{site}"]).response(flow) is FORWARD
