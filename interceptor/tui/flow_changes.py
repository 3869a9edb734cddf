"""Every change that the user makes to flows goes through here: kept for `V`, undoable, told to the store.

    edit(flow, subject, label, deed) ─▸ backup ─▸ deed ─▸ undo and redo ─▸ store.touch

A deed that raises UserError has changed nothing in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from interceptor.model.flow import Flow, HeldMessage
from interceptor.session.changes import ListChange, MessageChange, NoteChange
from interceptor.session.message_state import BOTH, EditedFlow, MessageState
from interceptor.session.store import Store
from interceptor.session.undo import Undo
from interceptor.specs.errors import UserError


class FlowChanges:
    def __init__(self, store: Store, undo: Undo) -> None:
        self._store, self._undo = store, undo

    def edit(self, flow: Flow, subject: str, label: str, deed: Callable[[], None]) -> None:
        """`subject` is "request", "response" or "flow": a comment or a marker, which is no edit of what was received."""
        self.edit_all([flow], subject, label, lambda _: deed())

    def edit_all(self, flows: Sequence[Flow], subject: str, label: str, deed: Callable[[Flow], None]) -> None:
        """The same for several flows, undone as one."""
        if subject == "flow":
            self._note_all(flows, label, deed)
            return
        edited = [flow for flow in flows if isinstance(flow, EditedFlow)]
        before = [MessageState(flow, subject) for flow in edited]
        try:
            for flow in flows:
                flow.backup()
                deed(flow)
        except UserError:
            for flow, state in zip(edited, before, strict=True):
                state.restore(flow)
                self._store.touch(flow)
            raise
        after = [MessageState(flow, subject) for flow in edited]
        self._touch(flows)
        self._undo.keep(label, MessageChange(self._store, subject, before, after, edited))

    def _note_all(self, flows: Sequence[Flow], label: str, deed: Callable[[Flow], None]) -> None:
        before = {flow.id: (flow.marker, flow.comment) for flow in flows}
        try:
            for flow in flows:
                deed(flow)
        except UserError:
            for flow in flows:
                flow.marker, flow.comment = before[flow.id]
            self._touch(flows)
            raise
        after = {flow.id: (flow.marker, flow.comment) for flow in flows}
        self._touch(flows)
        self._undo.keep(label, NoteChange(self._store, before, after))

    def edit_message(self, flow: Flow, message: HeldMessage, label: str, deed: Callable[[], None]) -> None:
        """Of a message that is held. When it has gone on there is nothing left to undo, and nothing happens."""
        before = message.content
        deed()
        after = message.content

        def put(content: bytes) -> None:
            if message.is_waiting:
                message.content = content
                self._store.touch(flow)

        self._store.touch(flow)
        self._undo.push(label, lambda: put(before), lambda: put(after))

    def revert(self, flows: Sequence[Flow]) -> int:
        """Back to what was received; how many had been edited."""
        edited = [flow for flow in flows if isinstance(flow, EditedFlow) and flow.original is not None]
        if not edited:
            return 0
        before = [MessageState(flow, BOTH) for flow in edited]
        for flow in edited:
            flow.revert()
        after = [MessageState(flow, BOTH) for flow in edited]
        self._touch(edited)
        self._undo.keep("revert", MessageChange(self._store, BOTH, before, after, edited))
        return len(edited)

    def remove(self, flow_ids: Sequence[int], label: str) -> None:
        """Off the list; live ones go on. The views know at once: the next key is meant for what is then under the cursor."""
        # what is in no file would be lost without somebody who refers to it
        is_in_file = self._store.session is not None
        only_here = [] if is_in_file else [self._store.peek(each) for each in flow_ids if each in self._store.table]

        change = ListChange(self._store, flow_ids, True, only_here)
        change.redo()
        self._undo.keep(label, change)

    def add(self, flow: Flow, label: str) -> None:
        self._store.add(flow)
        self.added([flow], label)

    def added(self, flows: Sequence[Flow], label: str) -> None:
        """They have joined the list."""
        only_here = () if self._store.session is not None else flows
        self._undo.keep(label, ListChange(self._store, [flow.id for flow in flows], False, only_here))

    def _touch(self, flows: Sequence[Flow]) -> None:
        for flow in flows:
            self._store.touch(flow)
