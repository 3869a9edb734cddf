"""Saving flows as they finish: what is written when, and that no failure goes further than the log."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from interceptor.addons.finished import FinishedFlows
from interceptor.addons.save import SaveStream
from interceptor.model.flow import Flow, FlowError, HttpFlow, TcpFlow
from interceptor.model.http import Request, Response
from interceptor.options import Options
from interceptor.session.formats.mitmproxy_flow import read_flows, write_flow
from interceptor.specs.errors import UserError


class Store:
    """The part of a store that is needed: it hands batches to its listener."""

    def subscribe(self, listener: FinishedFlows) -> None:
        self.listener = listener


def http(flow_id: int, path: str = "/", *, is_live: bool = False) -> HttpFlow:
    request = Request("GET", "http", "example.com", 80, path.encode())
    return HttpFlow(flow_id, request=request, response=Response(200, b"OK"), is_live=is_live)


def write_path(stream: BinaryIO, flow: Flow) -> None:
    assert isinstance(flow, HttpFlow)
    stream.write(flow.request.target + b"\n")


@pytest.fixture
def store() -> Store:
    return Store()


def saved(path: Path) -> list[str]:
    return path.read_text().split()


def test_each_flow_is_written_once_when_it_has_ended(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "new folder" / "flows"
    save = SaveStream(Options(save_stream_file=str(path)), store, write_path)
    running = http(2, "/b", is_live=True)
    store.listener.flows_added([http(1, "/a"), running])
    assert saved(path) == ["/a"]
    store.listener.flows_changed([running])
    running.is_live = False
    store.listener.flows_changed([running])
    store.listener.flows_changed([running])
    store.listener.flows_added([http(3, "/gone", is_live=True), http(4, "/c", is_live=True)])
    store.listener.flows_removed([3])
    save.close()
    assert saved(path) == ["/a", "/b", "/c"]


def test_a_replay_that_has_not_started_has_not_ended(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "flows"
    SaveStream(Options(save_stream_file=str(path)), store, write_path)
    replay = http(1, "/again")
    replay.response, replay.replay_of = None, 7
    store.listener.flows_added([replay])
    assert saved(path) == []
    replay.error = FlowError("refused", 1.0)
    store.listener.flows_changed([replay])
    assert saved(path) == ["/again"]


def test_the_format_is_mitmproxys(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "flows"
    SaveStream(Options(save_stream_file=str(path)), store, write_flow)
    store.listener.flows_added([http(1, "/a"), TcpFlow(2)])
    with path.open("rb") as stream:
        assert [flow.kind for flow in read_flows(stream, pytest.fail)] == ["http", "tcp"]


@pytest.mark.parametrize(("prefix", "expected"), [("", ["/new"]), ("+", ["/old", "/new"])])
def test_plus_appends(tmp_path: Path, store: Store, prefix: str, expected: list[str]) -> None:
    path = tmp_path / "flows"
    path.write_text("/old\n")
    SaveStream(Options(save_stream_file=f"{prefix}{path}"), store, write_path)
    store.listener.flows_added([http(1, "/new")])
    assert saved(path) == expected


def test_only_what_the_filter_lets_through(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "flows"
    options = Options(save_stream_file=str(path), save_stream_filter="~u /yes")
    SaveStream(options, store, write_path)
    store.listener.flows_added([http(1, "/yes"), http(2, "/no")])
    options.save_stream_filter = None
    store.listener.flows_added([http(3, "/any")])
    assert saved(path) == ["/yes", "/any"]


def test_the_name_follows_the_time(tmp_path: Path, store: Store) -> None:
    now = [0.0]
    SaveStream(Options(save_stream_file=f"{tmp_path}/%Y"), store, write_path, clock=lambda: now[0] + 86400 * 3)
    store.listener.flows_added([http(1, "/a")])
    now[0] = 366 * 86400.0
    store.listener.flows_added([http(2, "/b")])
    assert (saved(tmp_path / "1970"), saved(tmp_path / "1971")) == (["/a"], ["/b"])


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path, store: Store) -> None:
    options = Options()
    SaveStream(options, store, write_path)
    with pytest.raises(UserError, match="Is a directory"):
        options.save_stream_file = str(tmp_path)
    assert options.save_stream_file is None
    options.save_stream_file = str(tmp_path / "good")
    store.listener.flows_added([http(1, "/a")])
    with pytest.raises(UserError, match="Is a directory"):
        options.save_stream_file = str(tmp_path)
    store.listener.flows_added([http(2, "/b")])
    assert saved(tmp_path / "good") == ["/a", "/b"]
    with pytest.raises(UserError, match="cannot be saved"):
        SaveStream(Options(save_stream_file=str(tmp_path)), store, write_path)


def failing(when: Callable[[Flow], bool], error: Exception) -> Callable[[BinaryIO, Flow], None]:
    def write(stream: BinaryIO, flow: Flow) -> None:
        stream.write(b"half ")
        if when(flow):
            raise error
        write_path(stream, flow)

    return write


def test_a_full_disk_is_logged_once_and_leaves_whole_flows(tmp_path: Path, store: Store, caplog: Any) -> None:
    path = tmp_path / "flows"
    options = Options(save_stream_file=str(path))
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    SaveStream(options, store, failing(lambda flow: flow.id == 2, full))
    store.listener.flows_added([http(1, "/a"), http(2, "/b")])
    store.listener.flows_added([http(3, "/c")])
    assert saved(path) == ["half", "/a"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "No space left on device" in caplog.text
    options.save_stream_filter = "~all"
    store.listener.flows_added([http(4, "/d")])
    assert saved(path) == ["half", "/a", "half", "/d"]


def test_a_kind_that_cannot_be_saved_is_said_once(tmp_path: Path, store: Store, caplog: Any) -> None:
    path = tmp_path / "flows"
    unknown = UserError("The format has no such flows.")
    SaveStream(Options(save_stream_file=str(path)), store, failing(lambda flow: flow.kind == "tcp", unknown))
    store.listener.flows_added([TcpFlow(1), http(2, "/a"), TcpFlow(3)])
    assert saved(path) == ["half", "/a"]
    assert [record.getMessage() for record in caplog.records] == ["The format has no such flows."]


def test_without_the_option_nothing_happens(store: Store) -> None:
    save = SaveStream(Options(), store, failing(lambda flow: True, AssertionError()))
    store.listener.flows_added([http(1)])
    save.close()
