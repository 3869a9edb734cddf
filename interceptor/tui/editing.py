"""Editing a part of a flow: which editor it is opened in, and what becomes of the result.

    part ─┬ LINE ─▸ prompt       ─┐
          ├ GRID ─▸ grid editor   ├─▸ apply: backup, change, undo ─▸ message
          ├ TEXT ─▸ text editor   ┘        ▴
          └ ctrl x, ($EDITOR) ─▸ external ─┘       the loop goes on meanwhile

The flow may have gone on while its editor was open: then the edit is kept on the flow, and the message says that it was not sent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol

from interceptor.model.flow import Flow, HttpFlow
from interceptor.options import Options
from interceptor.specs.errors import UserError
from interceptor.tui import edit_flow, external_editor
from interceptor.tui.edit_choices import EditChoices
from interceptor.tui.edit_flow import Part, PartKind
from interceptor.tui.escaped_text import escaped, unescaped
from interceptor.tui.external_editor import EditorFailed
from interceptor.tui.flow_changes import FlowChanges
from interceptor.tui.grid_editor import GridEditor
from interceptor.tui.prompt import Prompt
from interceptor.tui.screens import Screen
from interceptor.tui.text_editor import TextEditor

IN_PLACE_LIMIT: Final = 512 * 1024
"""A longer body is for the external editor."""


class Shell(Protocol):
    """What editing needs of the console."""

    def tell(self, message: str) -> None: ...
    def ask(self, text: str, answers: Sequence[tuple[str, str]], on_answer: Callable[[str], None]) -> None: ...
    def open_prompt(self, prompt: Prompt) -> None: ...
    def close_prompt(self) -> None: ...
    def push(self, screen: Screen) -> None: ...
    def close(self, screen: Screen) -> None: ...
    def start(self, work: Coroutine[Any, Any, None]) -> None: ...
    def lend_terminal(self) -> None: ...
    def take_terminal_back(self) -> None: ...


class Editing:
    def __init__(self, shell: Shell, changes: FlowChanges, options: Options, choices: EditChoices) -> None:
        self._shell, self._changes, self._options, self._choices = shell, changes, options, choices

    def edit(self, flow: Flow, name: str) -> None:
        """Opens the editor for the part. UserError if there is no such part, or it cannot be edited."""
        part = self._choices.part_named(flow, name)
        attempt = _Attempt(flow, part)
        if part.is_external:
            content = edit_flow.read_content(flow, part)
            self._note_replacing(attempt)
            self._shell.start(self._externally(attempt, content))
        elif part.kind is PartKind.LINE:
            self._edit_line(attempt)
        elif part.kind is PartKind.GRID:
            self._edit_grid(attempt)
        else:
            self._edit_text(attempt)

    # -- in place ---------------------------------------------------------------------------------------------------------

    def _edit_line(self, attempt: _Attempt) -> None:
        flow, part = attempt.flow, attempt.part
        before = edit_flow.read_text(flow, part)

        def done(text: str | None) -> None:
            self._shell.close_prompt()
            if text is not None and text != before:
                self._apply(attempt, lambda: edit_flow.write_text(flow, part, text))

        def externally(text: str) -> None:
            self._shell.start(self._externally(attempt, unescaped(text)))

        self._shell.open_prompt(Prompt(f"{part.name}: ", done, before, on_editor=externally))

    def _edit_grid(self, attempt: _Attempt) -> None:
        flow, part = attempt.flow, attempt.part

        def save(rows: list[edit_flow.Row]) -> None:
            self._apply(attempt, lambda: edit_flow.write_grid(flow, part, rows))

        rows = edit_flow.read_grid(flow, part)
        self._shell.push(GridEditor(part.title, part.columns, rows, save, self._shell.tell))

    def _edit_text(self, attempt: _Attempt) -> None:
        flow, part = attempt.flow, attempt.part
        text = edit_flow.read_text(flow, part)
        if len(text) > IN_PLACE_LIMIT:
            if part.view:  # no entry of its own leads to the external editor
                self._shell.start(self._externally(attempt, text.encode("utf-8", "surrogateescape")))
                return
            raise UserError(f"the body is too long to be edited here; choose {part.name} ($EDITOR)")
        self._open_text(attempt, text, text)
        self._note_replacing(attempt)

    def _open_text(self, attempt: _Attempt, before: str, text: str) -> None:
        """`before` is the text as it is on the flow, `text` what is in the editor at first."""
        flow, part = attempt.flow, attempt.part

        def save(edited: str) -> None:
            self._apply(attempt, lambda: edit_flow.write_text(flow, part, edited))

        def externally(edited: str) -> None:
            self._shell.close(editor)
            content = edited.encode("utf-8", "surrogateescape") if part.view else unescaped(edited)
            self._shell.start(self._externally(attempt, content, is_changed=edited != before))

        editor = TextEditor(part.title, text, save, self._shell.tell, self._shell.ask, externally, before)
        editor.set_close(lambda: self._shell.close(editor))
        self._shell.push(editor)

    def _note_replacing(self, attempt: _Attempt) -> None:
        flow, part = attempt.flow, attempt.part
        if isinstance(flow, HttpFlow) and edit_flow.is_replaceable_only(flow, edit_flow.message_of(flow, part)):
            self._shell.tell("this body is too long to be held: it is still at the peer, and what you write here replaces it")

    # -- outside ----------------------------------------------------------------------------------------------------------

    def cell_externally(self, editor: GridEditor) -> None:
        """The cell under the cursor."""

        async def work() -> None:
            before = unescaped(editor.cell)
            after = await self._run(before, ".txt")
            if after is not None:
                editor.cell = escaped(self._trimmed(before, after))

        self._shell.start(work())

    async def view(self, content: bytes, content_type: str) -> None:
        """Shows a body in $PAGER."""
        pager = os.environ.get("PAGER") or "less"
        await self._run(content, external_editor.suffix_for(content_type), pager)

    async def _externally(self, attempt: _Attempt, content: bytes, is_changed: bool = False) -> None:
        flow, part = attempt.flow, attempt.part
        is_text = part.kind is PartKind.TEXT
        content_type = edit_flow.facts_of(flow, part).content_type if is_text else ""
        suffix = ".txt" if part.view and part.view != "json" else external_editor.suffix_for(content_type)
        edited = await self._run(content, suffix)
        if edited is None:
            return
        edited = self._trimmed(content, edited)
        if edited == content and not is_changed:
            self._shell.tell("nothing was changed")
        elif part.view:
            self._write_or_go_on(attempt, edited.decode("utf-8", "surrogateescape"))
        elif is_text:
            self._apply(attempt, lambda: edit_flow.write_content(flow, part, edited))
        else:
            self._apply(attempt, lambda: edit_flow.write_text(flow, part, escaped(edited)))

    def _write_or_go_on(self, attempt: _Attempt, text: str) -> None:
        """A text that cannot be written back is not lost: it is opened here, at its mistake."""
        flow, part = attempt.flow, attempt.part
        try:
            self._apply(attempt, lambda: edit_flow.write_text(flow, part, text))
        except UserError as error:
            self._open_text(attempt, edit_flow.read_text(flow, part), text)
            self._shell.tell(error.message)

    async def _run(self, content: bytes, suffix: str, configured: str | None = None) -> bytes | None:
        """What the editor made of it, None if that is nothing. The terminal is the editor's meanwhile."""
        try:
            command = external_editor.editor_command(configured or self._options.editor, os.environ)
        except EditorFailed as error:
            self._shell.tell(error.message)
            return None
        self._shell.lend_terminal()
        try:
            return await external_editor.edit(content, command, suffix)
        except EditorFailed as error:
            self._shell.tell(error.message)
            return None
        finally:
            self._shell.take_terminal_back()

    def _trimmed(self, before: bytes, after: bytes) -> bytes:
        """Editors end a file with a newline; what had none gets none."""
        if self._options.console_strip_trailing_newlines:
            return after.rstrip(b"\r\n")
        if before.endswith(b"\n") or not after.endswith(b"\n"):
            return after
        return after.removesuffix(b"\n").removesuffix(b"\r")

    # -- the result -------------------------------------------------------------------------------------------------------

    def _apply(self, attempt: _Attempt, deed: Callable[[], None]) -> None:
        flow, part = attempt.flow, attempt.part
        name = part.name.removesuffix(" ($EDITOR)")
        if part.content is not None:
            if (held := part.content.held) is not None:
                self._changes.edit_message(flow, held, f"edit of {name}", deed)
            else:
                deed()
            self._shell.tell(part.content.done)
            return
        self._changes.edit(flow, part.subject, f"edit of {name}", deed)
        if attempt.was_held and flow.held is None:
            fate = "has gone on" if flow.is_live and flow.error is None else "has ended"
            self._shell.tell(f"this flow {fate} meanwhile: the new {name} is kept on it, but was not sent")
        else:
            self._shell.tell(f"{name} changed; u undoes it")


class _Attempt:
    """One edit, from opening the editor to its result."""

    def __init__(self, flow: Flow, part: Part) -> None:
        self.flow, self.part = flow, part
        self.was_held = flow.held is not None
