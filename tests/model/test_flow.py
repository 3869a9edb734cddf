"""What is kept of a flow before it is edited, and what comes back."""

from __future__ import annotations

from interceptor.model.flow import NOTED_BY_RULES, HttpFlow
from interceptor.model.http import Headers, Request, Response


def flow() -> HttpFlow:
    return HttpFlow(1, request=Request("GET", "http", "a.test", 80, b"/old", headers=Headers([(b"Host", b"a.test")])))


def test_a_response_that_came_after_an_edit_of_the_request_stays() -> None:
    edited = flow()
    edited.backup()
    edited.request.path = "/new"
    edited.response = Response(200)
    edited.revert()
    assert edited.request.path == "/old"
    assert edited.response is not None
    assert not edited.is_modified


def test_a_response_is_kept_as_it_came_before_its_first_edit() -> None:
    edited = flow()
    edited.backup()
    edited.response = Response(200)
    edited.backup()
    edited.response.status_code = 404
    edited.backup()
    edited.response.status_code = 500
    assert edited.original is not None
    assert edited.original[1] is not None
    assert edited.original[1].status_code == 200
    edited.revert()
    assert edited.response.status_code == 200


def test_what_rules_noted_is_text_whatever_a_file_held() -> None:
    noted = flow()
    assert noted.noted_by_rules() == []
    noted.metadata[NOTED_BY_RULES] = "no list"
    assert noted.noted_by_rules() == []
    noted.metadata[NOTED_BY_RULES] = ["a", 1]
    assert noted.noted_by_rules() == ["a", "1"]


def test_whatever_names_the_destination_follows_a_new_url() -> None:
    request = flow().request
    request.authority = "a.test"
    request.set_url("https://b.test:8443/x?y#z")
    assert (request.host_header, request.authority, request.path, request.port) == ("b.test:8443", "b.test:8443", "/x?y", 8443)
