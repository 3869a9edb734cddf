"""The option `hardump`: what is in the file when it ends, and that no failure goes further than the log."""

from __future__ import annotations

import io
import json
import logging
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from interceptor.addons.hardump import HarDump
from interceptor.model.flow import FlowError, HttpFlow
from interceptor.options import Options
from interceptor.session.formats.har import HarWriter, is_packed_name
from interceptor.specs.errors import UserError
from tests.addons.test_save import Store, http


def writer(stream: BinaryIO, name: str) -> HarWriter:
    return HarWriter(stream, is_packed_name(name))


def urls(content: bytes) -> list[str]:
    log: Any = json.loads(content)["log"]
    return [entry["request"]["url"] for entry in log["entries"]]


def test_flows_are_in_the_file_as_they_finish_and_what_runs_at_the_end_too(tmp_path: Path) -> None:
    store, path = Store(), tmp_path / "new folder" / "all.har"
    dump = HarDump(Options(hardump=str(path)), store, writer)
    running = http(2, "/b", is_live=True)
    store.listener.flows_added([http(1, "/a"), running])
    dump.close()
    assert urls(path.read_bytes()) == ["http://example.com/a", "http://example.com/b"]


def test_a_filter_chooses_and_a_packed_name_packs(tmp_path: Path) -> None:
    store, path = Store(), tmp_path / "some.zhar"
    options = Options(hardump=str(path), save_stream_filter="~u /a")
    dump = HarDump(options, store, writer)
    store.listener.flows_added([http(1, "/a"), http(2, "/b")])
    options.update(save_stream_filter=None)
    store.listener.flows_added([http(3, "/c")])
    dump.close()
    assert urls(zlib.decompress(path.read_bytes())) == ["http://example.com/a", "http://example.com/c"]


def test_standard_output_gets_it_whole_at_the_end() -> None:
    store, output = Store(), io.BytesIO()
    dump = HarDump(Options(hardump="-"), store, writer, lambda: output)
    store.listener.flows_added([http(1, "/a")])
    assert output.getvalue() == b""
    dump.close()
    assert urls(output.getvalue()) == ["http://example.com/a"]


def test_set_while_the_program_runs_and_unset_again(tmp_path: Path) -> None:
    store, path, options = Store(), tmp_path / "late.har", Options()
    dump = HarDump(options, store, writer)
    store.listener.flows_added([http(1, "/before")])
    options.update(hardump=str(path))
    store.listener.flows_added([http(2, "/during")])
    options.update(hardump=None)
    assert urls(path.read_bytes()) == ["http://example.com/during"]
    store.listener.flows_added([http(3, "/after")])
    dump.close()
    assert urls(path.read_bytes()) == ["http://example.com/during"]


def test_a_name_that_cannot_be_opened_is_refused_and_the_file_before_goes_on(tmp_path: Path) -> None:
    store, path = Store(), tmp_path / "good.har"
    options = Options(hardump=str(path))
    dump = HarDump(options, store, writer)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        options.update(hardump=str(tmp_path / "file" / "x.har"))
    store.listener.flows_added([http(1, "/a")])
    dump.close()
    assert urls(path.read_bytes()) == ["http://example.com/a"]


def test_a_full_disk_ends_the_file_and_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Full(HarWriter):
        def write(self, flow: Any) -> bool:
            raise OSError(28, "No space left on device")

    store, options = Store(), Options(hardump=str(tmp_path / "x.har"))
    dump = HarDump(options, store, lambda stream, name: Full(stream))
    with caplog.at_level(logging.ERROR):
        store.listener.flows_added([http(1)])
        store.listener.flows_added([http(2)])
        options.update(save_stream_filter="~all")
        dump.close()
    assert [record.getMessage().count("No space left") for record in caplog.records] == [1]


def test_what_failed_is_an_entry_as_well(tmp_path: Path) -> None:
    store, path = Store(), tmp_path / "x.har"
    dump = HarDump(Options(hardump=str(path)), store, writer)
    failed = HttpFlow(1, request=http(1, "/down").request, error=FlowError("connection refused", 1.0))
    store.listener.flows_added([failed])
    dump.close()
    assert urls(path.read_bytes()) == ["http://example.com/down"]
