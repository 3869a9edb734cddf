"""Recorded responses: which request gets which, how often, with which dates, and what becomes of the rest."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from email.utils import formatdate, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.addons.replay_matching import Matching
from interceptor.addons.server_replay import ServerReplay, refresh
from interceptor.model.flow import Flow, HttpFlow
from interceptor.model.hooks import FORWARD, Kill, Respond, Verdict
from interceptor.model.http import Field, Request
from interceptor.options import Options
from interceptor.specs.errors import UserError
from tests.addons.rule_flows import Exchanges, answered, flow_of, noted

NOW = 1_800_000_000.0
FILES: dict[str, list[Flow]] = {}


def read(path: str) -> Iterable[Flow]:
    if path not in FILES:
        raise UserError(f"{path} cannot be read: no such file")
    yield from FILES[path]


def replaying(*flows: Flow, **options: object) -> Exchanges:
    FILES["recorded"] = list(flows)
    return Exchanges(lambda made: ServerReplay(made, read, lambda: NOW), server_replay=["recorded"], **options)


def replay_of(exchanges: Exchanges) -> ServerReplay:
    assert isinstance(exchanges.addon, ServerReplay)
    return exchanges.addon


def recorded(url: str, body: bytes, method: str = "GET", content: bytes = b"", fields: Iterable[Field] = ()) -> HttpFlow:
    return answered(flow_of(url, method, content, list(fields)), body, at=NOW - 1000)


def text_of(verdict: Verdict) -> str | None:
    return verdict.response.body.read().decode() if isinstance(verdict, Respond) else None


def test_responses_come_in_the_order_of_their_recording_once_each() -> None:
    exchanges = replaying(*(recorded("http://a.test/x", body) for body in (b"1", b"2")), recorded("http://a.test/y", b"y"))
    replay = replay_of(exchanges)
    got = [text_of(exchanges.request(flow_of("http://a.test/x"))) for _ in range(3)]
    assert got == ["1", "2", None]
    assert replay.count == 1
    flow = flow_of("http://a.test/y")
    assert text_of(exchanges.request(flow)) == "y"
    assert flow.metadata["is_replay"] == "response"
    assert noted(flow) == ["server_replay: answered with a recorded response"]


def test_however_many_there_are_a_request_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    exchanges = replaying(*(recorded(f"http://a.test/{number}", b"%d" % number) for number in range(500)))
    made: list[str] = []
    key_of = Matching.key_of

    def counted(self: Matching, request: Request) -> Hashable:
        made.append(request.path)
        return key_of(self, request)

    monkeypatch.setattr(Matching, "key_of", counted)
    assert text_of(exchanges.request(flow_of("http://a.test/321"))) == "321"
    assert made == ["/321"], "the recorded ones have their keys"


@pytest.mark.parametrize("option", ["server_replay_reuse", "server_replay_nopop"])
def test_reused_responses_stay(option: str) -> None:
    exchanges = replaying(recorded("http://a.test/", b"1"), **{option: True})
    assert [text_of(exchanges.request(flow_of("http://a.test/"))) for _ in range(3)] == ["1"] * 3
    assert replay_of(exchanges).count == 1


def test_what_is_extra() -> None:
    exchanges = replaying(recorded("http://a.test/", b"1"))
    other = flow_of("http://b.test/")
    assert isinstance(exchanges.request(other), type(FORWARD))
    exchanges.set(server_replay_extra="404")
    answer = exchanges.answer(flow_of("http://b.test/"))
    assert (answer.status_code, answer.reason, answer.body.size) == (404, b"Not Found", 0)
    exchanges.set(server_replay_extra="kill")
    assert isinstance(exchanges.request(flow_of("http://b.test/")), Kill)
    exchanges.set(server_replay_extra="forward", server_replay_kill_extra=True)
    assert isinstance(exchanges.request(flow_of("http://b.test/")), Kill)
    assert text_of(exchanges.request(flow_of("http://a.test/"))) == "1"
    assert isinstance(exchanges.request(flow_of("http://a.test/")), Kill), "also when all responses were used"


SAME: list[tuple[str, dict[str, object], HttpFlow, HttpFlow]] = [
    ("host", {"server_replay_ignore_host": True}, flow_of("http://a.test/"), flow_of("http://b.test/")),
    ("port", {"server_replay_ignore_port": True}, flow_of("http://a.test/"), flow_of("http://a.test:81/")),
    ("params", {"server_replay_ignore_params": ["t"]}, flow_of("http://a.test/?t=1&a=2"), flow_of("http://a.test/?a=2&t=3")),
    ("content", {"server_replay_ignore_content": True}, flow_of(method="POST", body=b"a"), flow_of(method="POST", body=b"b")),
    (
        "form",
        {"server_replay_ignore_payload_params": ["token"]},
        *(
            flow_of(method="POST", body=body, fields=[(b"Content-Type", b"application/x-www-form-urlencoded")])
            for body in (b"token=1&a=2", b"a=2&token=9")
        ),
    ),
    (
        "multipart",
        {"server_replay_ignore_payload_params": ["token"]},
        *(
            flow_of(
                method="POST",
                body=b"--%b\r\nContent-Disposition: form-data; name=a\r\n\r\n2\r\n"
                b'--%b\r\nContent-Disposition: form-data; name="token"\r\n\r\n%b\r\n--%b--\r\n' % (mark, mark, token, mark),
                fields=[(b"Content-Type", b"multipart/form-data; boundary=" + mark)],
            )
            for mark, token in ((b"one", b"1"), (b"two", b"2"))
        ),
    ),
]


@pytest.mark.parametrize(("name", "options", "one", "other"), SAME, ids=[each[0] for each in SAME])
def test_what_does_not_count(name: str, options: dict[str, object], one: HttpFlow, other: HttpFlow) -> None:
    assert Matching.of(Options()).key_of(one.request) != Matching.of(Options()).key_of(other.request)
    assert Matching.of(Options(**options)).key_of(one.request) == Matching.of(Options(**options)).key_of(other.request)


@pytest.mark.parametrize(
    "other",
    [
        flow_of("http://a.test/?a=2"),
        flow_of("http://a.test/x?a=1"),
        flow_of("https://a.test:80/?a=1"),
        flow_of("http://a.test/?a=1", "POST"),
        flow_of("http://a.test/?a=1", body=b"x"),
        flow_of("http://a.test/?a=1", fields=[(b"Accept", b"text/html")]),
    ],
)
def test_what_counts(other: HttpFlow) -> None:
    matching = Matching.of(Options(server_replay_use_headers=["accept"]))
    assert matching.key_of(flow_of("http://a.test/?a=1").request) != matching.key_of(other.request)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_bodies_count_as_they_are(one: bytes, other: bytes) -> None:
    matching = Matching.of(Options())
    keys = [matching.key_of(flow_of(method="POST", body=body).request) for body in (one, other)]
    assert (keys[0] == keys[1]) is (one == other)


def test_bodies_are_collected_only_where_they_count() -> None:
    exchanges = replaying(recorded("http://a.test/", b"1", "POST", b"body"))
    assert exchanges.request(flow_of("http://a.test/", "POST", b"other")) is not None
    assert exchanges.collected
    exchanges.set(server_replay_ignore_content=True)
    assert text_of(exchanges.request(flow_of("http://a.test/", "POST", b"other"))) == "1", "the recorded ones are sorted anew"
    assert not exchanges.collected


def test_a_body_that_was_too_large_to_collect_matches_nothing() -> None:
    exchanges = replaying(recorded("http://a.test/", b"1", "POST"))
    flow = flow_of("http://a.test/", "POST")
    flow.body_is_editable = False
    assert text_of(exchanges.request(flow)) is None


def test_a_changed_option_loads_the_files_anew() -> None:
    exchanges = replaying(recorded("http://a.test/", b"old"))
    FILES["other"] = [recorded("http://a.test/", b"new")]
    exchanges.set(server_replay=["other"])
    assert text_of(exchanges.request(flow_of("http://a.test/"))) == "new"
    assert "no such file" in exchanges.refused(server_replay=["gone"])
    assert exchanges.options.server_replay == ["other"]
    FILES["other"] = [recorded("http://a.test/", b"newer")]
    replay_of(exchanges).load()
    assert text_of(exchanges.request(flow_of("http://a.test/"))) == "newer"
    exchanges.set(server_replay=[])
    assert exchanges.has_no_say()


def test_flows_are_given_added_and_stopped() -> None:
    exchanges = Exchanges(lambda options: ServerReplay(options, read))
    replay = replay_of(exchanges)
    replay.on_change = exchanges.chain.refresh
    assert exchanges.has_no_say()
    live = recorded("http://a.test/", b"live")
    live.is_live = True
    assert replay.replace([flow_of("http://a.test/none"), live, recorded("http://a.test/", b"1")]) == 1
    assert replay.add([recorded("http://a.test/2", b"2")]) == 1
    assert (replay.count, replay.is_active) == (2, True)
    assert text_of(exchanges.request(flow_of("http://a.test/2"))) == "2"
    replay.stop()
    assert exchanges.has_no_say()
    assert replay.count == 0


def test_a_replayed_response_is_a_copy_of_now() -> None:
    flow = recorded("http://a.test/", b"1")
    exchanges = replaying(flow, server_replay_reuse=True)
    response = exchanges.answer(flow_of("http://a.test/"))
    assert response is not flow.response
    assert (response.timestamp_start, response.timestamp_end) == (NOW, NOW)
    response.headers.add("X", "y")
    assert "X" not in exchanges.answer(flow_of("http://a.test/")).headers


def test_dates_are_as_much_later_as_the_response_is_older() -> None:
    then = NOW - 86_400
    fields = [
        (b"Date", formatdate(then, usegmt=True).encode()),
        (b"Expires", formatdate(then + 60, usegmt=True).encode()),
        (b"Last-Modified", formatdate(then - 60, usegmt=True).encode()),
        (b"Set-Cookie", f"a=1; Expires={formatdate(then + 600, usegmt=True)}; Path=/".encode()),
        (b"Set-Cookie", b"b=2; Max-Age=5"),
        (b"X-Date", b"stays"),
    ]
    response = answered(flow_of(), fields=fields, at=then).response
    assert response is not None
    refresh(response, NOW)
    moved = [parsedate_to_datetime(response.headers[name]).timestamp() - NOW for name in ("Date", "Expires", "Last-Modified")]
    assert moved == [0, 60, -60]
    assert response.headers.get_all("set-cookie") == [
        f"a=1; Expires={formatdate(NOW + 600, usegmt=True)}; Path=/",
        "b=2; Max-Age=5",
    ]


def test_what_is_no_date_stays_and_refresh_can_be_off() -> None:
    fields = [(b"Date", b"yesterday"), (b"Expires", b"-1"), (b"Set-Cookie", b"a=1; Expires=never")]
    response = answered(flow_of(), fields=fields, at=1.0).response
    assert response is not None
    refresh(response, NOW)
    assert response.headers.fields == fields
    dated = recorded("http://a.test/", b"1")
    assert dated.response is not None
    dated.response.headers.add("Date", "Thu, 01 Jan 2026 00:00:00 GMT")
    exchanges = replaying(dated, server_replay_refresh=False)
    assert exchanges.answer(flow_of("http://a.test/")).headers["Date"] == "Thu, 01 Jan 2026 00:00:00 GMT"
