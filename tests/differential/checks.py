"""What must hold of every case: what is recorded is what got through, or nothing got through and the flow says which bytes."""

from __future__ import annotations

import ast
import re

from interceptor.model.flow import HttpFlow
from interceptor.model.http import Request, Response
from tests.differential.cases import Case
from tests.differential.lab import ANSWER_TO_HEAD, Seen
from tests.differential.readers import (
    ATTITUDES,
    Reading,
    WireMessage,
    h11_requests,
    h11_response,
    lenient_readings,
    python_response,
    strict_messages,
)


def check_request(case: Case, seen: Seen, is_lenient: bool = False) -> None:
    """`is_lenient`: what got through may have odd bytes, and what was sent may be read in several ways; we have said which."""
    _check_records(seen)
    received = [strict_messages(bytes(data)) for data in seen.origins]
    complete = [message for messages, _, _ in received for message in messages]
    good = [flow.request for flow in seen.good]
    assert complete == [recorded_request(request) for request in good], "what is recorded is not what the origin received"
    assert len(good) == case.passes, _errors(seen)
    assert seen.client.count(ANSWER_TO_HEAD) == case.passes
    begun = [(message, rest) for _, message, rest in received if rest]
    if not case.breaks and not case.is_cut:
        assert begun == [], "bytes of no recorded message"
    for message, _ in begun:
        _check_beginning(message, seen)
    readings = [_request_reading(request) for request in good]
    for name, found in all_readings(seen.origins, None).items():
        assert found == readings or (is_lenient and name == "h11"), f"{name} reads something else in what the origin received"
    for name, found in all_readings([seen.sent] if not is_lenient else [], None).items():
        assert is_lenient or _bodies(found)[: case.passes] == _bodies(readings), (
            f"{name} reads something else in what the client sent"
        )
    _check_refusal(case, seen, is_lenient)


def check_response(case: Case, seen: Seen, is_lenient: bool = False) -> None:
    _check_records(seen)
    if case.passes:
        [flow] = seen.good
        assert flow.response is not None, _errors(seen)
        received, begun, rest = strict_messages(seen.client, [case.method])
        assert begun is None
        assert received == [recorded_response(response) for response in [*flow.informational, flow.response]]
        assert rest == seen.raw[False], "bytes of no recorded message"
        asked = [case.method]
        reading = [(received[-1].line, received[-1].body)]
        if flow.response.status_code == 101:
            return
        for name, found in all_readings([bytearray(seen.client)], asked).items():
            refuses = not found and (name == "http.client" or (is_lenient and name == "h11"))
            assert found == reading or refuses, f"{name} reads something else in what the client received"
        for name, found in all_readings([bytearray(seen.sent)], asked).items():
            if is_lenient:
                break
            if found or name not in ("h11", "http.client"):  # which know fewer versions, or refuse more
                assert [body for _, body in found] == [reading[0][1]], f"{name} reads something else in what the origin sent"
    elif case.refused:
        assert seen.client.startswith(b"HTTP/1.1 502 "), _errors(seen)
        flow = _http(seen)
        assert flow.response is None, "a refused response is recorded as one"
    else:
        flow = _http(seen)
        assert not seen.good
        complete, begun, _ = strict_messages(seen.client, [case.method])
        if flow.response is not None:
            assert begun is not None and complete == [recorded_response(each) for each in flow.informational]
            wanted = recorded_response(flow.response)
            assert (begun.line, begun.fields, begun.body) == (wanted.line, wanted.fields, wanted.body)
        else:
            assert complete[-1].line == b"HTTP/1.1 502 Bad Gateway"
            assert complete[:-1] == [recorded_response(each) for each in flow.informational]
    _check_refusal(case, seen, is_lenient)


# --- pieces ---------------------------------------------------------------------------------------------------


def recorded_request(request: Request) -> WireMessage:
    target = request.url.encode("utf-8", "surrogateescape") if request.is_absolute else request.target
    line = b"%b %b %b" % (request.method.encode(), target, request.http_version.encode())
    trailers = request.trailers.fields if request.trailers is not None else []
    return WireMessage(line, request.headers.fields, request.body.read(), trailers)


def recorded_response(response: Response) -> WireMessage:
    """As it is written: the version is our own."""
    trailers = response.trailers.fields if response.trailers is not None else []
    line = b"HTTP/1.1 %d %b" % (response.status_code, response.reason)
    return WireMessage(line, response.headers.fields, response.body.read(), trailers)


def all_readings(wires: list[bytearray] | list[bytes], asked: list[bytes] | None) -> dict[str, list[Reading]]:
    """By the name of who reads so."""
    found = {
        attitude.name: [reading for wire in wires for reading in lenient_readings(bytes(wire), attitude, asked)]
        for attitude in ATTITUDES
    }
    for wire in wires:
        if not bytes(wire).partition(b"\r\n\r\n")[0].split(b"\r\n")[0].isascii():
            continue  # raw bytes in a target or reason: they refuse what we pass on as it is
        if asked is None:
            found.setdefault("h11", []).extend(h11_requests(bytes(wire)))
        else:
            found["h11"] = h11_response(bytes(wire), asked[0])
            found["http.client"] = python_response(bytes(wire), asked[0])
    return found


def _bodies(readings: list[Reading]) -> list[Reading]:
    """With the method alone: the target is written anew for the origin."""
    return [(line.split(b" ")[0], body) for line, body in readings]


def _request_reading(request: Request) -> Reading:
    message = recorded_request(request)
    return message.line, message.body


def _check_records(seen: Seen) -> None:
    assert seen.reports == []
    assert seen.ended == sorted(seen.flows, key=seen.ended.index), "a flow that did not end"


def _check_beginning(message: WireMessage | None, seen: Seen) -> None:
    """A request that broke off: its beginning is what is recorded of it."""
    if message is None:
        return
    wanted = [recorded_request(flow.request) for flow in seen.failed if isinstance(flow, HttpFlow)]
    assert (message.line, message.fields, message.body) in [(each.line, each.fields, each.body) for each in wanted]


def _check_refusal(case: Case, seen: Seen, is_lenient: bool) -> None:
    reason = case.refused or case.breaks
    if case.is_cut and not reason:
        assert all(flow.error is not None for flow in seen.flows) and not seen.good
        return
    if not reason:
        return
    [flow] = seen.failed
    assert flow.error is not None and (is_lenient or reason in flow.error.message), flow.error
    place = re.search(r" at byte (\d+)(?:: ('.*'|\".*\"))?", flow.error.message, re.DOTALL)
    assert place is not None, f"which bytes? {flow.error.message}"
    if place[2]:
        culprit = ast.literal_eval("b" + place[2])
        assert culprit in seen.sent, "the bytes that are named were not sent"


def _http(seen: Seen) -> HttpFlow:
    [flow] = [flow for flow in seen.flows if isinstance(flow, HttpFlow)]
    return flow


def _errors(seen: Seen) -> str:
    return "; ".join(flow.error.message for flow in seen.failed if flow.error is not None) or "no errors"
