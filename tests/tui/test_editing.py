"""Edits as the user makes them: kept for reverting, undoable, and honest about a flow that has gone on."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from interceptor.model.connection import Connection, Side, TlsFacts
from interceptor.model.flow import HoldPoint, HttpFlow
from interceptor.session.export.cut import cut
from interceptor.specs.errors import UserError
from interceptor.tui.edit_choices import EditChoices
from interceptor.tui.editing import Editing
from interceptor.tui.flow_changes import FlowChanges
from interceptor.tui.flow_commands import FlowCommands
from interceptor.tui.grid_editor import GridEditor
from interceptor.tui.prompt import Prompt
from interceptor.tui.screens import Screen
from interceptor.tui.text_editor import TextEditor
from tests.tui.fake_app import FakeApp, request, response


class FakeShell:
    def __init__(self) -> None:
        self.told: list[str] = []
        self.prompt: Prompt | None = None
        self.screens: list[Screen] = []
        self.work: list[Coroutine[Any, Any, None]] = []
        self.terminal: list[str] = []

    def tell(self, message: str) -> None:
        self.told.append(message)

    def ask(self, text: str, answers: Sequence[tuple[str, str]], on_answer: Callable[[str], None]) -> None:
        on_answer("y")

    def open_prompt(self, prompt: Prompt) -> None:
        self.prompt = prompt

    def close_prompt(self) -> None:
        self.prompt = None

    def push(self, screen: Screen) -> None:
        self.screens.append(screen)

    def close(self, screen: Screen) -> None:
        self.screens.remove(screen)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        self.work.append(work)

    def lend_terminal(self) -> None:
        self.terminal.append("lent")

    def take_terminal_back(self) -> None:
        self.terminal.append("back")


class Desk:
    """A flow on a desk with everything that edits it."""

    def __init__(self, folder: Path) -> None:
        self.app = FakeApp(folder, lambda delay, deed: None)
        sent = request("POST", "/p", b"body", Content_Type="text/plain")
        self.flow = HttpFlow(0, request=sent, response=response(200, b"answer"))
        self.app.store.add(self.flow)
        self.app.store.flush()
        self.shell = FakeShell()
        self.content_view = "auto"
        self.choices = EditChoices(self.app, lambda flow, tab: self.content_view)
        self.changes = FlowChanges(self.app.store, self.app.undo)
        self.editing = Editing(self.shell, self.changes, self.app.options, self.choices)
        self.commands = FlowCommands(self.app, self.changes, self.shell.tell, self.shell.start)

    def edit_line(self, part: str, text: str) -> None:
        self.editing.edit(self.flow, part)
        assert self.shell.prompt is not None
        self.shell.prompt.editor.set(text)
        self.shell.prompt.keypress("enter")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_an_edit_is_kept_undone_done_again_and_reverted(desk: Desk) -> None:
    desk.edit_line("method", "PUT")
    desk.edit_line("status_code", "404")
    assert (desk.flow.request.method, desk.flow.response.status_code) == ("PUT", 404)  # type: ignore[union-attr]
    assert desk.flow.is_modified
    assert desk.app.undo.undo() == "edit of status_code"
    assert (desk.flow.request.method, desk.flow.response.status_code) == ("PUT", 200)  # type: ignore[union-attr]
    desk.app.undo.undo()
    assert (desk.flow.request.method, desk.flow.is_modified, desk.flow.original) == ("POST", False, None)
    desk.app.undo.redo()
    assert desk.flow.request.method == "PUT"
    desk.commands.revert([desk.flow])
    assert desk.flow.request.method == "POST"
    desk.app.undo.undo()
    assert desk.flow.request.method == "PUT"


def test_undo_puts_back_in_place_and_leaves_a_response_that_came_since(desk: Desk) -> None:
    """Whoever carries the flow on the wire holds on to the request object."""
    answer, desk.flow.response = desk.flow.response, None
    carried = desk.flow.request
    desk.edit_line("path", "/q")
    desk.flow.response = answer
    desk.app.undo.undo()
    assert desk.flow.request is carried
    assert carried.path == "/p"
    assert desk.flow.response is answer


def test_set_by_command_can_be_reverted(desk: Desk) -> None:
    desk.commands.set([desk.flow], "method", "PUT")
    desk.commands.revert([desk.flow])
    assert desk.flow.request.method == "POST"


def test_a_refused_edit_leaves_no_trace(desk: Desk) -> None:
    with pytest.raises(UserError):
        desk.edit_line("port", "many")
    assert not desk.flow.is_modified
    assert desk.flow.original is None
    assert desk.app.undo.undo() is None


def test_the_same_text_is_no_edit(desk: Desk) -> None:
    desk.edit_line("method", "POST")
    assert not desk.flow.is_modified


@pytest.mark.parametrize("is_live", [True, False])
def test_a_flow_that_went_on_meanwhile_keeps_the_edit_and_says_so(desk: Desk, is_live: bool) -> None:
    desk.flow.held, desk.flow.is_live = HoldPoint.REQUEST, True
    desk.editing.edit(desk.flow, "request-headers")
    editor = desk.shell.screens[0]
    assert isinstance(editor, GridEditor)
    editor.cell = "Other"
    desk.flow.held, desk.flow.is_live = None, is_live
    editor.leave(lambda: None)
    assert desk.flow.request.headers.fields[0][0] == b"Other"
    assert ("has gone on" if is_live else "has ended") in desk.shell.told[-1]
    assert "was not sent" in desk.shell.told[-1]


def test_a_body_that_still_grows_is_not_edited(desk: Desk) -> None:
    desk.flow.is_live, desk.flow.request.timestamp_end = True, None
    with pytest.raises(UserError, match="still on its way"):
        desk.editing.edit(desk.flow, "request-body")


def test_a_body_that_is_at_the_peer_can_be_replaced_and_the_screen_says_so(desk: Desk) -> None:
    desk.flow.held, desk.flow.is_live, desk.flow.body_is_editable = HoldPoint.REQUEST, True, False
    desk.editing.edit(desk.flow, "request-body")
    assert "replaces it" in desk.shell.told[-1]
    editor = desk.shell.screens[0]
    assert isinstance(editor, TextEditor)
    assert editor.text == ""
    editor.take("n")
    editor.take("ctrl s")
    assert desk.flow.request.body.read() == b"n"
    assert not desk.shell.screens


def run_editor(desk: Desk, monkeypatch: pytest.MonkeyPatch, program: str, folder: Path) -> None:
    script = folder / "edit.sh"
    script.write_text(f"#!/bin/sh\n{program}\n")
    script.chmod(0o755)
    monkeypatch.setenv("INTERCEPTOR_EDITOR", str(script))
    asyncio.run(desk.shell.work.pop())


def test_the_external_editor_gets_the_bytes_and_its_last_newline_is_taken_off(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    desk.flow.request.set_content(b"\xff\x00body")
    desk.editing.edit(desk.flow, "request-body ($EDITOR)")
    run_editor(desk, monkeypatch, 'echo "!" >> "$1"', tmp_path)
    assert desk.flow.request.body.read() == b"\xff\x00body!"
    assert desk.shell.terminal == ["lent", "back"]


@pytest.mark.parametrize(("is_wanted", "body"), [(False, b"one\n\n!\n\n"), (True, b"one\n\n!")])
def test_line_ends_at_the_end_are_taken_off_if_wanted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_wanted: bool, body: bytes
) -> None:
    desk.app.options.console_strip_trailing_newlines = is_wanted
    desk.flow.request.set_content(b"one\n")
    desk.editing.edit(desk.flow, "request-body ($EDITOR)")
    run_editor(desk, monkeypatch, "printf '\\n!\\n\\n' >> \"$1\"", tmp_path)
    assert desk.flow.request.body.read() == body


def test_what_was_typed_in_a_prompt_goes_on_in_the_external_editor(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    desk.editing.edit(desk.flow, "path")
    assert desk.shell.prompt is not None
    desk.shell.prompt.editor.set("/typed")
    desk.shell.prompt.keypress("ctrl x")
    assert desk.shell.prompt is None
    run_editor(desk, monkeypatch, "sed -i 's/typed/edited/' \"$1\"", tmp_path)
    assert desk.flow.request.path == "/edited"


def test_a_cell_in_the_external_editor(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    editor = GridEditor("T", ("Name", "Value"), [("a", "1")], lambda rows: None, desk.shell.tell)
    desk.editing.cell_externally(editor)
    run_editor(desk, monkeypatch, 'printf "b\\nc\\n" > "$1"', tmp_path)
    assert editor.result == [("b\\x0ac", "1")]


def test_an_external_editor_that_fails_gives_the_terminal_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    desk.editing.edit(desk.flow, "request-body ($EDITOR)")
    run_editor(desk, monkeypatch, 'echo x > "$1"; exit 2', tmp_path)
    assert desk.shell.terminal == ["lent", "back"]
    assert "failed with status 2" in desk.shell.told[-1]
    assert not desk.flow.is_modified


def test_removing_and_marking(desk: Desk) -> None:
    desk.commands.mark_toggle([desk.flow])
    assert desk.flow.marker == "default"
    desk.commands.mark([desk.flow], "false")
    assert desk.flow.marker == ""
    desk.app.undo.undo()
    assert desk.flow.marker == "default"
    desk.commands.remove([desk.flow])
    assert len(desk.app.store) == 0
    desk.app.undo.undo()
    assert list(desk.app.store) == [desk.flow]
    desk.flow.held = HoldPoint.REQUEST
    desk.commands.remove([desk.flow])
    assert list(desk.app.store) == [desk.flow]
    assert "1 flow held" in desk.shell.told[-1]


def test_a_duplicate_is_independent(desk: Desk) -> None:
    desk.flow.held = HoldPoint.RESPONSE
    desk.commands.duplicate([desk.flow])
    twin = list(desk.app.store)[-1]
    assert isinstance(twin, HttpFlow)
    assert (twin.held, twin.is_live, twin.id != desk.flow.id) == (None, False, True)
    twin.request.headers["X"] = "1"
    assert "X" not in desk.flow.request.headers


def test_recoding_a_body(desk: Desk) -> None:
    desk.commands.encode_toggle([desk.flow], "response")
    assert desk.flow.response is not None
    assert desk.flow.response.headers["content-encoding"] == "gzip"
    assert cut([desk.flow], ["response.content"]) == b"answer"
    assert cut([desk.flow], ["response.raw_content"]) != b"answer"
    desk.commands.encode_toggle([desk.flow], "response")
    assert "content-encoding" not in desk.flow.response.headers
    assert desk.flow.response.body.read() == b"answer"


def test_cuts(desk: Desk) -> None:
    assert cut([desk.flow], ["request.header[host]"]) == b"example.com"
    assert cut([desk.flow, desk.flow], ["request.method", "response.status_code"]) == b"POST,200\r\nPOST,200\r\n"
    desk.flow.comment = "look"
    chain = (b"\x30" * 60,)
    tls = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", "example.com", alpn=b"http/1.1", chain=chain)
    desk.flow.server = Connection(Side.SERVER, ("example.com", 443), ("::1", 443), tls=tls)
    paths = ["id", "comment", "server_conn.address", "server_conn.peername", "server_conn.address.port", "server_conn.sni"]
    assert cut([desk.flow], paths) == b"1,look,example.com:443,[::1]:443,443,example.com\r\n"
    assert cut([desk.flow], ["server_conn.tls_version", "client_conn.alpn"]) == b"TLSv1.3,\r\n"
    pem = cut([desk.flow], ["server_conn.certificate_list"])
    assert ssl.PEM_cert_to_DER_cert(pem.decode()) == chain[0]
    for path in ("request", "request.nothing", "client.address", "server_conn", "server_conn.nothing"):
        with pytest.raises(UserError):
            cut([desk.flow], [path])
    desk.flow.response = None
    with pytest.raises(UserError, match="this flow has no"):
        cut([desk.flow], ["response.content"])
