"""Sessions as files of flows: written by their name's ending, read by their first bytes, and on their own from then on."""

from __future__ import annotations

from pathlib import Path

import pytest

from interceptor.model.body import SPOOL_FROM, MemoryBody
from interceptor.model.flow import Flow, HttpFlow, TcpFlow
from interceptor.session.formats.recognised import read_file
from interceptor.session.formats.replaced_file import replacing
from interceptor.session.formats.written import check_target, format_of, writing
from interceptor.session.spool import Spool, SpooledBody
from interceptor.session.store import Store
from interceptor.specs.errors import UserError
from tests.session.formats.flows import http, tcp, told, websocket
from tests.session.support import Time, http_flow


def write(path: Path, *flows: Flow) -> None:
    name = format_of(path.name)
    check_target(name, path)
    with replacing(path) as stream, writing(name, stream) as writer:
        assert all([writer.write(flow) for flow in flows])


def spoken(flow: Flow) -> list[tuple[bool, bytes, float]]:
    """Messages of a conversation."""
    socket = flow.websocket if isinstance(flow, HttpFlow) else None
    messages = flow.messages if isinstance(flow, TcpFlow) else socket.messages if socket is not None else ()
    return [(each.from_client, each.body.read(), each.timestamp) for each in messages]


def fail(note: str) -> None:
    raise AssertionError(note)


def test_all_kinds_of_flows_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "a.session"
    flows = [http(), tcp(), websocket()]
    write(path, *flows)
    read = list(read_file(str(path), fail))
    assert [type(flow) for flow in read] == [type(flow) for flow in flows]
    assert told(read[0]) == told(flows[0])
    assert [spoken(flow) for flow in read] == [spoken(flow) for flow in flows]
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_read_needs_the_file_no_more(tmp_path: Path) -> None:
    path, spool = tmp_path / "a.session", Spool(tmp_path)
    large, middle = http_flow("/large", status=200), http_flow("/middle", status=200)
    assert large.response is not None and middle.response is not None
    large.response.body = MemoryBody(b"l" * SPOOL_FROM * 5)
    middle.response.body = MemoryBody(b"m" * 10_000)
    write(path, large, middle)
    found = list(read_file(str(path), fail, new_body=spool.new_body))
    path.unlink()
    bodies = [flow.response.body for flow in found if isinstance(flow, HttpFlow) and flow.response is not None]
    assert [type(body) for body in bodies] == [SpooledBody, MemoryBody]
    assert [body.read() for body in bodies] == [b"l" * SPOOL_FROM * 5, b"m" * 10_000]
    assert [flow.id for flow in found] == [0, 0]
    spool.close()


def test_replays_name_what_they_repeat_under_its_new_number(tmp_path: Path) -> None:
    path = tmp_path / "a.session"
    first, again = http_flow("/", status=200), http_flow("/", status=200)
    first.id, again.id, again.replay_of = 7, 9, 7
    write(path, first, again)
    store = Store(Time().schedule, Spool(tmp_path))
    store.add(http_flow("/before", status=200))
    for flow in read_file(str(path), fail):
        store.add(flow)
    assert [(flow.id, flow.replay_of) for flow in store] == [(1, None), (2, None), (3, 2)]
    store.spool.close()


def test_a_session_that_is_open_is_not_written_over(tmp_path: Path) -> None:
    from interceptor.session.session_file import SessionFile

    path = tmp_path / "a.session"
    open_one = SessionFile.open(path)
    with pytest.raises(UserError, match="is open"):
        write(path, http())
    open_one.close()
    assert path.exists() and not list(tmp_path.glob(".*"))
    write(path, http())
    assert len(list(read_file(str(path), fail))) == 1


def test_what_goes_wrong_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.session"
    write(path, http())
    before = path.read_bytes()
    with pytest.raises(RuntimeError), replacing(path) as stream, writing("session", stream) as writer:
        writer.write(http())
        raise RuntimeError
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
