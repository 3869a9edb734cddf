"""Malformed and ambiguous HTTP/1 through the real proxy: what is recorded is exactly what got through, or nothing got through.

The cases are tables, by topic, in the modules beside this one. What an origin or a client received is also read by others, strict
and lenient: they must see the same messages with the same bodies.
"""

from __future__ import annotations

import pytest

from tests.differential import request_chunks, request_framing, request_heads, request_targets, responses
from tests.differential.cases import Case
from tests.differential.checks import check_request, check_response
from tests.differential.lab import request_seen, response_seen, settings

STRICT, LENIENT = settings(), settings(validate_inbound_headers=False)
REQUESTS = [*request_heads.CASES, *request_framing.CASES, *request_chunks.CASES, *request_targets.CASES]


def named(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


@named(request_heads.CASES)
def test_heads_of_requests(case: Case) -> None:
    check_request(case, request_seen(case, STRICT))


@named(request_framing.CASES)
def test_framing_of_requests(case: Case) -> None:
    check_request(case, request_seen(case, STRICT))


@named(request_chunks.CASES)
def test_chunks_of_requests(case: Case) -> None:
    check_request(case, request_seen(case, STRICT))


@named(request_targets.CASES)
def test_targets_of_requests(case: Case) -> None:
    check_request(case, request_seen(case, STRICT))


@named(responses.CASES)
def test_responses(case: Case) -> None:
    check_response(case, response_seen(case, STRICT))


def is_of_interest(case: Case) -> bool:
    """Leniently: what is let through then, and what stays refused. Of chunks h11 decides, only trailers are looked at."""
    return case.lenient is not None or bool(case.refused) or case.breaks == "trailer"


@named([case for case in REQUESTS if is_of_interest(case)])
def test_requests_leniently(case: Case) -> None:
    case = case.leniently
    check_request(case, request_seen(case, LENIENT), is_lenient=True)


@named([case for case in responses.CASES if is_of_interest(case)])
def test_responses_leniently(case: Case) -> None:
    case = case.leniently
    check_response(case, response_seen(case, LENIENT), is_lenient=True)


def test_there_are_as_many_cases_as_we_say() -> None:
    assert len(REQUESTS) + len(responses.CASES) >= 400
