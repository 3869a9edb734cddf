"""Searching a session: what is found is what a walk over all flows would find, with an index or without one."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.file_verbs import run_show
from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, Side
from interceptor.model.flow import HttpFlow, TcpFlow, TcpMessage
from interceptor.model.records import FlowEnded, FlowStarted
from interceptor.options import Options
from interceptor.session.judging import matching_ids
from interceptor.session.search.index_file import index_path, remove_index
from interceptor.session.search.searching import Searching
from interceptor.session.session import Session
from interceptor.session.store import Store
from interceptor.specs.filter import parse
from interceptor.specs.searched import parse_searched
from tests.session.search.scenes import Scene, chat, exchange
from tests.session.support import Time
from tests.support.effort import examples


@pytest.fixture(params=[True, False], ids=["indexed", "not indexed"])
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    scene = Scene(tmp_path / "s.session", request.param)
    yield scene
    scene.close()


@pytest.fixture
def indexed(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path / "s.session")
    yield scene
    scene.close()


LONG = b"lorem ipsum dolor sit amet " * 200


def test_every_place_is_found(scene: Scene) -> None:
    server = Connection(Side.SERVER, ("10.9.8.7", 4000), opened_at=1.0)
    tcp = TcpFlow(0, server=server, messages=[TcpMessage(True, MemoryBody(b"raw NEEDLE here"), 1.0)])
    large = LONG + b"needle" + LONG
    scene.add(
        exchange("/a?needle=1"),
        exchange("/b", b"the needle in a request"),
        exchange("/c", answer=LONG + b"needle", coding="gzip"),
        exchange("/d", answer=large),
        exchange("/e", answer=large),
        chat("hello", "a nee", "dle", "one needle more"),
        tcp,
        exchange("/f", answer=b"nothing"),
    )
    scene.settle()
    scene.let_go()
    assert scene.find("needle") == [
        (1, "request", "needle"),
        (2, "request body", "needle"),
        (3, "response body", "needle"),
        (4, "response body", "needle"),
        (5, "response body", "needle"),
        (6, "message 4", "needle"),
        (7, "message 1", "NEEDLE"),
    ]
    assert scene.flows("10.9.8") == [7]
    assert scene.flows("Host: shop") == [1, 2, 3, 4, 5, 6, 8]


def test_case_and_other_alphabets(scene: Scene) -> None:
    latin = "Größe: 12 Straße".encode("latin-1")
    scene.add(
        exchange("/a", answer="ΑΘΗΝΑΣ и МОСКВА".encode()),
        exchange("/b", answer=latin, kind=b"text/plain; charset=iso-8859-1"),
        exchange("/c", answer="東京タワー".encode("shift_jis"), kind=b"text/html; charset=shift_jis"),
        exchange("/d", answer=b"Kelvin \xe2\x84\xaa and long \xc5\xbf"),
    )
    scene.settle()
    scene.let_go()
    assert scene.flows("αθηνας") == [1]
    assert scene.flows("Москва") == []
    assert scene.flows("москва") == [1]
    assert scene.flows("größe") == [2]
    assert scene.flows("STRASSE") == []
    assert scene.flows("京タワ") == [3]
    assert scene.flows("re:kelvin k and long s") == [4]
    assert scene.flows("kelvin k and") == [4]


def test_expressions_and_filters_are_combined_with_texts(scene: Scene) -> None:
    scene.add(exchange("/a?id=17"), exchange("/b?id=x"), exchange("/c", b"id=42", b"b"), exchange("/d", b"id=43 id=44"))
    scene.settle()
    scene.let_go()
    assert scene.find("re:id=[0-9]+") == [
        (1, "request", "id=17"), (3, "request body", "id=42"), (4, "request body", "id=43"), (4, "request body", "id=44")
    ]  # fmt: skip
    assert scene.flows("~m POST re:id=.+2") == [3]
    assert scene.flows("~m GET id=") == [1, 2]
    assert scene.flows("!~m GET ~u /d id=") == [4]
    assert scene.flows("~h nothing id=") == []
    assert scene.flows("17") == [1], "shorter than a trigram"
    assert scene.flows("re:^GET .*id") == [1, 2]
    assert scene.flows('"id=4"') == [3, 4]


def test_deleted_and_edited_flows(indexed: Scene) -> None:
    indexed.add(exchange("/first"), exchange("/second", b"the word"), exchange("/third", b"the word"))
    indexed.settle()
    gone, edited = indexed.store.get(2), indexed.store.get(3)
    assert gone is not None and isinstance(edited, HttpFlow)
    indexed.store.remove([gone])
    assert indexed.flows("the word") == [3]
    edited.request.body = MemoryBody(b"something else")
    indexed.store.touch(edited)
    assert indexed.flows("the word") == []
    assert indexed.flows("something else") == [3], "before it is written"
    indexed.write()
    assert indexed.flows("something else") == [3], "before it is indexed, or after"
    indexed.settle()
    indexed.let_go()
    assert indexed.flows("something else") == [3]
    assert indexed.flows("the word") == []
    indexed.store.put_back([2])
    assert indexed.flows("the word") == [2]


def test_flows_that_run_are_looked_at_themselves(indexed: Scene) -> None:
    flow = exchange("/running")
    flow.is_live = True
    indexed.store.record(FlowStarted(flow))
    assert indexed.flows("running") == [flow.id]
    flow.is_live = False
    indexed.store.record(FlowEnded(flow))
    indexed.write()
    indexed.settle()
    assert indexed.flows("running") == [flow.id]


def test_a_session_that_is_in_memory_only() -> None:
    store = Store(Time().schedule)
    searching = Searching(store, lambda: True)
    store.add(exchange("/a", b"hidden treasure"))
    store.add(exchange("/b"))
    run = searching.begin(parse_searched("treasure"))
    assert run.wait(30)
    assert [found.flow_id for found in run.found] == [1]
    assert searching.flows_to_go == 0 and searching.problem == ""
    searching.close()
    store.close()


def test_the_index_is_taken_up_where_it_ended_and_made_anew_if_it_is_not_right(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "s.session")
    scene.add(*(exchange(f"/page{number}") for number in range(30)))
    scene.settle()
    scene.close()
    for damage in (None, b"", b"no database at all, but long enough to be taken for one" * 100):
        if damage is not None:
            index_path(scene.path).write_bytes(damage)
        scene.open()
        scene.settle()
        assert scene.searching.flows_to_go == 0 and not scene.searching.problem
        scene.let_go()
        assert scene.flows("page17") == [18]
        scene.close()
    other = Scene(tmp_path / "other.session")
    other.add(exchange("/elsewhere"))
    other.settle()
    other.close()
    index_path(scene.path).write_bytes(index_path(other.path).read_bytes())
    scene.open()
    scene.settle()
    assert scene.flows("page17") == [18]
    assert scene.flows("elsewhere") == []
    scene.close()


def test_a_session_file_that_is_removed_and_made_again_is_indexed_on(indexed: Scene) -> None:
    indexed.add(exchange("/before"))
    indexed.settle()
    indexed.path.unlink()
    indexed.add(exchange("/after"))
    indexed.write()
    indexed.settle()
    assert indexed.searching.flows_to_go == 0
    indexed.let_go()
    assert (indexed.flows("/before"), indexed.flows("/after")) == ([1], [2])


def test_a_session_gets_another_name_and_its_index_goes_along(indexed: Scene) -> None:
    indexed.add(exchange("/before"))
    indexed.settle()
    session, path = indexed.store.session, indexed.path.with_name("new.session")
    assert session is not None
    session.move(path)
    assert index_path(path).exists() and not index_path(indexed.path).exists()
    indexed.add(exchange("/after"))
    indexed.settle()
    assert (indexed.flows("/before"), indexed.flows("/after")) == ([1], [2])


def test_another_limit_makes_the_index_anew(indexed: Scene) -> None:
    indexed.add(exchange("/a", answer=b"." * 5_000 + b" behind"))
    indexed.settle()
    for limit, cut in ((1_000, 1), (10_000, 0)):
        indexed.limit = limit
        indexed.searching.settings_changed()
        indexed.settle()
        assert indexed.run("behind").cut == cut
        assert indexed.flows("behind") == ([] if cut else [1])


_KILLED: Final = """
import os, signal, sys
from pathlib import Path
from interceptor.session.search.index_file import IndexFile
from interceptor.session.search.indexer import BlockIndexer
from interceptor.session.search.reading import Reading
from interceptor.session.session_file import SessionFile

path = Path(sys.argv[1])
reading = Reading(SessionFile.open(path))
index = IndexFile.to_write(reading.file, path, 1 << 20)
indexer = BlockIndexer(reading, index)
indexer.add(1)
index.commit(1)
indexer.add(2)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_program_that_is_killed_while_it_indexes_leaves_an_index_that_catches_up(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "s.session", is_indexed=False)
    for number in range(3):
        scene.add(exchange(f"/page{number}"))
    scene.close()
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(scene.path)])
    assert killed.returncode == -signal.SIGKILL
    scene.open()
    assert scene.searching.flows_to_go == 2, "what was committed is there"
    assert scene.flows("page2") == [3]
    scene.close()
    scene.is_indexed = True
    scene.open()
    scene.settle()
    scene.let_go()
    assert scene.searching.flows_to_go == 0
    assert [scene.flows(f"page{number}") for number in range(3)] == [[1], [2], [3]]
    scene.close()


def test_what_is_not_indexed_yet_is_found_and_told(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "s.session")
    scene.add(*(exchange(f"/early{number}") for number in range(5)))
    scene.settle()
    scene.close()
    scene.is_indexed = False
    scene.open()
    scene.add(*(exchange(f"/late{number}") for number in range(7)))
    assert scene.searching.flows_to_go == 7
    scene.let_go()
    assert scene.flows("late3") == [9]
    assert scene.flows("early3") == [4]
    scene.close()
    remove_index(scene.path)
    scene.open()
    assert scene.searching.problem == "this session has no index"
    assert scene.flows("early3") == [4]
    scene.close()


def test_a_second_program_reads_the_index_of_the_first(indexed: Scene) -> None:
    indexed.add(*(exchange(f"/page{number}") for number in range(5)))
    indexed.settle()
    second = Scene(indexed.path)
    assert second.store.session is not None and not second.store.session.is_written
    assert second.searching.flows_to_go == 0 and not second.searching.problem
    assert second.flows("page3") == [4]
    second.close()
    assert indexed.flows("page3") == [4]


def test_only_the_beginning_of_a_large_body_is_searched_and_that_is_told(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "s.session", limit=10_000)
    scene.add(exchange("/a", answer=b"begin " + b"." * 20_000 + b" finish"))
    scene.settle()
    assert scene.flows("begin") == [1]
    run = scene.run("finish")
    assert run.found == [] and run.cut == 1
    assert list(matching_ids(scene.store, parse("~bs finish"))) == [1], "a filter looks at all of it"
    scene.close()


def test_binary_bodies_are_known_by_their_ascii(indexed: Scene) -> None:
    binary = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(128, 256)) * 20 + b"\0Adobe Photoshop\0" + b"\xff\xfe\x01" * 900
    indexed.add(exchange("/a.png", answer=binary, kind=b"image/png"), exchange("/b"))
    indexed.settle()
    indexed.let_go()
    assert indexed.find("photoshop") == [(1, "response body", "Photoshop")]
    assert list(matching_ids(indexed.store, parse("~b photoshop"))) == [1]
    assert list(matching_ids(indexed.store, parse("~b \\xff\\xfe\\x01"))) == [1]


def test_filters_for_bodies_ask_few_flows(indexed: Scene) -> None:
    indexed.add(*(exchange(f"/{number}", answer=b"body number %d." % number + LONG) for number in range(60)))
    indexed.add(exchange("/words", answer=b"rare word" + LONG))
    indexed.settle()
    indexed.let_go()
    asked: list[int] = []
    peek = indexed.store.peek
    indexed.store.peek = lambda flow_id: asked.append(flow_id) or peek(flow_id)  # type: ignore[method-assign, func-returns-value]
    assert list(matching_ids(indexed.store, parse("~b 'rare w'"))) == [61]
    assert asked == [61]
    assert len(matching_ids(indexed.store, parse("!~b 'rare w'"))) == 60
    assert list(matching_ids(indexed.store, parse("~bq rare"))) == []
    assert list(matching_ids(indexed.store, parse("~b 'number 3[17]'"))) == [32, 38]
    assert len(asked) < 40


def test_show_asks_the_index(indexed: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    indexed.add(*(exchange(f"/{number}", answer=b"answer %d." % number + LONG) for number in range(40)))
    indexed.settle()
    read: list[int] = []
    load = Session.load
    monkeypatch.setattr(Session, "load", lambda session, flow_id: (read.append(flow_id), load(session, flow_id))[1])
    assert run_show(Options(), [str(indexed.path), "~b 'answer 17'"], "", "", as_json=False, is_quiet=True) == 0
    assert "shop.example.org/17" in capsys.readouterr().out
    assert len(read) < 20


texts = st.text(st.sampled_from("abAB .sſKkßẞσςΣıİiI\n\0é"), max_size=12)


@examples(15)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=20), st.lists(texts.filter(bool), min_size=1, max_size=6))
def test_the_index_finds_what_a_walk_finds(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[tuple[str, str]], wanted: list[str]
) -> None:
    scene = Scene(tmp_path_factory.mktemp("search") / "s.session")
    try:
        scene.add(*(exchange("/", first.encode(), second.encode() + LONG) for first, second in bodies))
        scene.settle()
        scene.let_go()
        index = index_path(scene.path)
        for text in wanted:
            for typed in (f'"{text}"', f"re:{text.replace('.', '[.]')}"):
                found = scene.find(typed)
                index.rename(index.with_suffix(".away"))
                assert scene.find(typed) == found
                index.with_suffix(".away").rename(index)
    finally:
        scene.close()
