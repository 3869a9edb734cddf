"""Editing through content views, held messages and new ones: what is offered, what is written, what is refused."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest

from interceptor.contentviews.msgpack_view import read_msgpack
from interceptor.model.encoding import decode_content, encode_content
from interceptor.model.flow import HeldMessage, HoldPoint, HttpFlow, TcpFlow
from interceptor.specs.errors import UserError
from interceptor.tui.message_commands import MessageCommands
from interceptor.tui.text_editor import TextEditor
from tests.tui.fake_app import request, response
from tests.tui.test_editing import Desk

PACKED = read_msgpack('{"name": "old", "count": 1}')


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def answer(desk: Desk, body: bytes, content_type: str, coding: str = "") -> HttpFlow:
    desk.flow.response = response(200, b"", content_type)
    if coding:
        desk.flow.response.headers["Content-Encoding"] = coding
    desk.flow.response.set_content(encode_content(body, coding))
    return desk.flow


def names(desk: Desk) -> list[str]:
    return [part.name for part in desk.choices.parts(desk.flow)]


def open_text(desk: Desk, part: str) -> TextEditor:
    desk.editing.edit(desk.flow, part)
    editor = desk.shell.screens[-1]
    assert isinstance(editor, TextEditor)
    return editor


@pytest.mark.parametrize("coding", ["", "gzip", "deflate", "br", "zstd"])
def test_a_body_is_edited_as_text_and_its_coding_and_length_follow(desk: Desk, coding: str) -> None:
    flow = answer(desk, PACKED, "application/msgpack", coding)
    assert "response-body (msgpack)" in names(desk)
    editor = open_text(desk, "response-body (msgpack)")
    assert '"name": "old"' in editor.text
    editor.take("down")
    editor.take("end")
    editor.take("backspace")
    editor.paste('er"')
    editor.take("ctrl s")
    assert flow.response is not None
    content = decode_content(flow.response.body.read(), coding, None)
    assert content == read_msgpack('{"name": "older", "count": 1}')
    assert flow.response.headers["content-length"] == str(flow.response.body.size)
    desk.app.undo.undo()
    assert decode_content(flow.response.body.read(), coding, None) == PACKED


def test_a_text_that_cannot_be_written_back_stays_and_says_where(desk: Desk) -> None:
    flow = answer(desk, PACKED, "application/msgpack")
    editor = open_text(desk, "response-body (msgpack)")
    editor.take("down")
    editor.take("end")
    editor.paste(" ?")
    edited = editor.text
    editor.take("ctrl s")
    assert desk.shell.screens == [editor] and editor.text == edited
    assert "line 2" in desk.shell.told[-1]
    assert editor.position == (1, len(edited.split("\n")[1]) - 1)
    assert flow.response is not None and flow.response.body.read() == PACKED and not flow.is_modified


def test_so_does_one_from_the_external_editor(desk: Desk, tmp_path: Path) -> None:
    program = tmp_path / "editor"
    program.write_text('#!/bin/sh\nprintf "[1, 2" > "$1"\n')
    program.chmod(0o755)
    desk.app.options.update(editor=str(program))
    answer(desk, PACKED, "application/msgpack")
    editor = open_text(desk, "response-body (msgpack)")
    editor.take("ctrl x")
    asyncio.run(desk.shell.work[-1])  # type: ignore[arg-type]
    kept = desk.shell.screens[-1]
    assert isinstance(kept, TextEditor) and kept is not editor and kept.text == "[1, 2"
    assert "line 1" in desk.shell.told[-1]


@pytest.mark.parametrize(
    ("before", "edit", "after"),
    [
        (b'{"a":1,"b":[1.0,"x, y: z"]}', ("1.0", "2.50"), b'{"a":1,"b":[2.50,"x, y: z"]}'),
        (b'{"a": 1, "b": [1.0]}\n', ("1.0", "2.50"), b'{"a": 1, "b": [2.50]}\n'),
        (b'{"a":1}\n{"a":2}\n', ('"a": 2', '"a": 3'), b'{"a":1}\n{"a":3}\n'),
        (b'{\n    "a": 1\n}', ('"a": 1', '"a": 10'), b'{\n    "a": 10\n}'),
        (b")]}'\n[1,2]", ("2", "3"), b")]}'\n[1,3]"),
        ('{"ä":"ö"}'.encode("latin-1"), ("ö", "ß"), '{"ä":"ß"}'.encode("latin-1")),
    ],
)
def test_json_is_edited_indented_and_written_as_it_was(desk: Desk, before: bytes, edit: tuple[str, str], after: bytes) -> None:
    flow = answer(desk, before, "application/json")
    editor = open_text(desk, "response-body (json)")
    text = editor.text.replace(*edit)
    editor.take("ctrl home")
    for _ in range(len(editor.text) + 1):
        editor.take("delete")
    editor.paste(text)
    editor.take("ctrl s")
    assert flow.response is not None and flow.response.body.read() == after


def test_json_that_is_none_is_refused(desk: Desk) -> None:
    answer(desk, b'{"a":1}', "application/json")
    editor = open_text(desk, "response-body (json)")
    editor.take("delete")
    editor.take("ctrl s")
    assert "not valid JSON" in desk.shell.told[-1] and desk.shell.screens == [editor] and editor.position == (1, 2)


def test_what_is_offered_suits_the_body(desk: Desk) -> None:
    answer(desk, b"\x00\x01\x02\xff", "application/octet-stream")
    through = [name for name in names(desk) if "(" in name and "$" not in name]
    assert through == ["response-body (hex dump)"]
    desk.content_view = "msgpack"
    assert "response-body (msgpack)" in names(desk)
    keys = [part.shortcut for part in desk.choices.parts(desk.flow)]
    assert len(set(keys)) == len(keys) and "q" not in keys


def test_any_view_that_can_be_written_back_may_be_named(desk: Desk) -> None:
    answer(desk, b"plain", "text/plain")
    assert "70 6c 61 69 6e" in open_text(desk, "response-body (hex dump)").text
    with pytest.raises(UserError, match="cannot be edited"):
        desk.editing.edit(desk.flow, "response-body (image)")
    with pytest.raises(UserError, match="to edit; it has"):
        desk.editing.edit(desk.flow, "nothing (hex dump)")


def test_a_body_that_is_not_in_its_coding_is_edited_as_it_is(desk: Desk) -> None:
    flow = answer(desk, PACKED, "application/msgpack", "gzip")
    assert flow.response is not None
    flow.response.set_content(gzip.compress(PACKED))
    flow.response.headers["Content-Encoding"] = "br"
    assert "1f 8b" in open_text(desk, "response-body (hex dump)").text


# -- messages of conversations ------------------------------------------------------------------------------------------------


def held(desk: Desk, *messages: HeldMessage) -> TcpFlow:
    flow = TcpFlow(7, is_live=True, held=HoldPoint.MESSAGE)
    desk.app.store.add(flow)
    desk.app.intercept.messages.extend(messages)
    return flow


def message(content: bytes, from_client: bool = True) -> HeldMessage:
    return HeldMessage(from_client, content, content, 0.0)


def test_a_held_message_is_edited_as_text_or_as_bytes_and_undone(desk: Desk) -> None:
    waiting = message(b"user \xff\n")
    flow = held(desk, waiting)
    assert [part.name for part in desk.choices.parts(flow)] == [
        "tcp-message",
        "tcp-message ($EDITOR)",
        "inject to client",
        "inject to server",
        "comment",
    ]
    desk.editing.edit(flow, "tcp-message")
    editor = desk.shell.screens[-1]
    assert isinstance(editor, TextEditor) and editor.text == "user \\xff\n"
    editor.paste("\\x00")
    editor.take("ctrl s")
    assert waiting.content == b"\0user \xff\n" and waiting.received == b"user \xff\n"
    assert "tcp-message (hex dump)" in [part.name for part in desk.choices.parts(flow)]
    desk.editing.edit(flow, "tcp-message (hex dump)")
    by_bytes = desk.shell.screens[-1]
    assert isinstance(by_bytes, TextEditor) and "00 75 73 65 72" in by_bytes.text
    desk.app.undo.undo()
    assert waiting.content == b"user \xff\n"


def test_what_has_gone_on_meanwhile_is_not_edited_and_the_text_is_not_lost(desk: Desk) -> None:
    waiting = message(b"one")
    flow = held(desk, waiting)
    desk.editing.edit(flow, "tcp-message")
    editor = desk.shell.screens[-1]
    assert isinstance(editor, TextEditor)
    editor.paste("x")
    waiting.is_waiting = False
    editor.take("ctrl s")
    assert waiting.content == b"one" and "gone on meanwhile" in desk.shell.told[-1] and editor in desk.shell.screens


def test_both_directions_may_be_held(desk: Desk) -> None:
    flow = held(desk, message(b"up"), message(b"down", from_client=False))
    offered = [part.name for part in desk.choices.parts(flow)]
    assert "tcp-message-to-server" in offered and "tcp-message-to-client" in offered
    keys = [part.shortcut for part in desk.choices.parts(flow)]
    assert len(set(keys)) == len(keys)


def test_held_messages_are_dropped_and_new_ones_sent(desk: Desk) -> None:
    commands = MessageCommands(desk.app, desk.shell.tell)
    commands.register()
    waiting = message(b"one")
    flow = held(desk, waiting)
    commands.drop([flow])
    assert desk.app.intercept.messages == [] and not waiting.is_waiting and desk.shell.told[-1] == "message dropped"
    with pytest.raises(UserError, match="no message is held"):
        commands.drop([flow])
    desk.app.commands.execute('inject.tcp "~tcp" true "a\\x00\\r\\n"')
    assert desk.app.injected == [(flow, False, b"a\0\r\n")]
    with pytest.raises(UserError, match="not a TCP conversation"):
        commands.inject_tcp(desk.flow, True, b"x")
    desk.editing.edit(flow, "inject to server")
    editor = desk.shell.screens[-1]
    assert isinstance(editor, TextEditor)
    editor.paste("QUIT\\x0d\\x0a")
    editor.take("ctrl s")
    assert desk.app.injected[-1] == (flow, True, b"QUIT\r\n") and desk.shell.told[-1] == "sent to the server"


def test_a_request_has_no_messages(desk: Desk) -> None:
    desk.flow.request = request("POST", "/", b"\x00binary\xff")
    assert not [name for name in names(desk) if "message" in name or "inject" in name]
