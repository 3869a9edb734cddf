"""Files that are broken, cut off, or made to hurt, loaded into a session that has flows: all is as it was."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import time
import zlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from interceptor.model.flow import HttpFlow
from interceptor.session.formats.har import HarWriter
from interceptor.session.formats.mitmproxy_flow import write_flow
from interceptor.specs.errors import UserError
from interceptor.tui.flow_changes import FlowChanges
from interceptor.tui.flow_commands import FlowCommands
from tests.tui.fake_app import FakeApp
from tests.tui.some_flows import http_flow


def flow_file(count: int = 3) -> bytes:
    stream = io.BytesIO()
    for number in range(count):
        write_flow(stream, http_flow(target=b"/%d" % number))
    return stream.getvalue()


def har(count: int = 3) -> bytes:
    stream = io.BytesIO()
    writer = HarWriter(stream)
    for number in range(count):
        writer.write(http_flow(target=b"/%d" % number))
    writer.close()
    return stream.getvalue()


def nested_flow_file() -> bytes:
    value = b"0:]"
    for _ in range(10_000):
        value = b"%d:%b]" % (len(value), value)
        if len(value) > 200_000:
            break
    return value


DAMAGED: dict[str, Callable[[], bytes]] = {
    "noise": lambda: bytes(range(256)) * 100,
    "a flow file cut off": lambda: flow_file()[:-20],
    "a flow file with a hole": lambda: flow_file(2) + b"\x00" * 500 + flow_file(1),
    "a flow file that says it is huge": lambda: flow_file(1) + b"99999999999:x",
    "a flow file with a length without end": lambda: flow_file(1) + b"9" * 100_000,
    "a flow file nested without end": lambda: flow_file(1) + nested_flow_file(),
    "a flow file of a later version": lambda: flow_file(1) + flow_file(1).replace(b"7:version;2:21#", b"7:version;2:99#"),
    "HAR cut off": lambda: har()[:-40],
    "HAR nested without end": lambda: har()[:-6] + b"," + b"[" * 10_000,
    "HAR with an object nested without end": lambda: har()[:-6] + b"," + b'{"a":' * 10_000,
    "HAR that is a bomb": lambda: zlib.compress(har()[:-6] + b"," + b" " * (70 << 20), 1),
    "HAR that is a bomb in gzip": lambda: gzip.compress(b'{"log": {"entries": ["' + b"a" * (70 << 20), 1),
    "packed HAR cut off": lambda: zlib.compress(har())[:-20],
    "JSON that is no HAR": lambda: b'{"log": {"entries": {"a": 1}}}',
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named_and_the_session_is_as_it_was(name: str, tmp_path: Path) -> None:
    app, error, took = loaded(tmp_path, DAMAGED[name]())
    assert error is not None and str(tmp_path) in error and len(error) < 500 and error.isprintable()
    assert [flow.request.path for flow in app.store if isinstance(flow, HttpFlow)] == ["/mine"]
    assert took < 30
    if "Nothing was loaded" in error:
        assert app.undo.undo() is not None, "what could be read is to be had"
        app.store.flush()
        assert len(app.store) > 1


def test_what_would_smuggle_a_field_is_left_out_with_a_word(tmp_path: Path) -> None:
    whole = json.loads(har(4))
    entries = whole["log"]["entries"]
    entries[0]["request"]["headers"] = [{"name": "X", "value": "a\r\rInjected: 1"}]
    entries[1]["request"]["method"] = "GET /x HTTP/1.1\r\nInjected: 1\r\n\r\nGET"
    entries[2]["request"]["headers"] = [{"name": "X\r\nInjected", "value": "1"}]
    for entry in entries:
        entry.pop("_interceptor", None)
    app, error, _ = loaded(tmp_path, json.dumps(whole).encode())
    assert error is None
    assert [flow.request.path for flow in app.store if isinstance(flow, HttpFlow)] == ["/mine", "/3"]
    assert sum("left out" in entry.message for entry in app.eventlog.entries) == 3


def loaded(folder: Path, content: bytes) -> tuple[FakeApp, str | None, float]:
    """What the session is after that file, what was said about it, and the seconds of computing that it took."""
    path = folder / "some file"
    path.write_bytes(content)
    app = FakeApp(folder, schedule=lambda delay, deed: None)
    app.store.add(http_flow(target=b"/mine"))
    work: list[Coroutine[Any, Any, None]] = []
    commands = FlowCommands(app, FlowChanges(app.store, app.undo), lambda said: None, work.append)
    commands.load(path)
    started = time.process_time()
    error = None
    try:
        asyncio.run(work[0])
    except UserError as failure:
        error = failure.message
    return app, error, time.process_time() - started
