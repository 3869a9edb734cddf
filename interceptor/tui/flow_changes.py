"""Every change that the user makes to flows goes through here: kept for `V`, undoable, told to the store.

    edit(flow, subject, label, deed) ─▸ backup ─▸ deed ─▸ undo and redo ─▸ store.touch

A deed that raises UserError has changed nothing in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from interceptor.model.flow import DnsFlow, Flow, HeldMessage, HttpFlow
from interceptor.session.store import Store
from interceptor.session.undo import Undo
from interceptor.specs.errors import UserError
from interceptor.tui.flow_state import FlowState


class FlowChanges:
    def __init__(self, store: Store, undo: Undo) -> None:
        self._store, self._undo = store, undo

    def edit(self, flow: Flow, subject: str, label: str, deed: Callable[[], None]) -> None:
        """`subject` as in `FlowState`; a comment or a marker ("flow") is no edit of what was received."""
        self.edit_all([flow], subject, label, lambda _: deed())

    def edit_all(self, flows: Sequence[Flow], subject: str, label: str, deed: Callable[[Flow], None]) -> None:
        """The same for several flows, undone as one."""
        before = [FlowState(flow, subject) for flow in flows]
        try:
            for flow in flows:
                if subject != "flow":
                    flow.backup()
                deed(flow)
        except UserError:
            self._restore(flows, before)
            raise
        after = [FlowState(flow, subject) for flow in flows]
        self._touch(flows)
        self._undo.push(label, lambda: self._restore(flows, before), lambda: self._restore(flows, after))

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
        edited = [flow for flow in flows if isinstance(flow, (HttpFlow, DnsFlow)) and flow.original is not None]
        if not edited:
            return 0
        before = [(flow.request, flow.response, flow.original, flow.is_modified) for flow in edited]
        for flow in edited:
            flow.revert()
        after = [(flow.request, flow.response, flow.original, flow.is_modified) for flow in edited]

        def put(states: list[tuple[object, ...]]) -> None:
            for flow, state in zip(edited, states, strict=True):
                flow.request, flow.response, flow.original, flow.is_modified = state  # type: ignore[assignment]
            self._touch(edited)

        self._touch(edited)
        self._undo.push("revert", lambda: put(list(before)), lambda: put(list(after)))
        return len(edited)

    def remove(self, flow_ids: Sequence[int], label: str) -> None:
        """Off the list; live ones go on. The views know at once: the next key is meant for what is then under the cursor."""
        # what is in no file would be lost without somebody who refers to it
        is_in_file = self._store.session is not None
        only_here = [] if is_in_file else [self._store.peek(each) for each in flow_ids if each in self._store.table]

        def put_back() -> None:
            self._store.put_back(flow.id for flow in only_here) if only_here else self._store.put_back(flow_ids)
            self._store.flush()

        def take_off() -> None:
            self._store.hide(flow_ids)
            self._store.flush()

        weight = self._store.weight_of(only_here)
        take_off()
        self._undo.push(label, put_back, take_off, weight=weight)

    def add(self, flow: Flow, label: str) -> None:
        self._store.add(flow)
        self._undo.push(label, lambda: self._store.remove([flow]), lambda: self._store.add(flow))

    def _restore(self, flows: Sequence[Flow], states: Sequence[FlowState]) -> None:
        for state in states:
            state.restore()
        self._touch(flows)

    def _touch(self, flows: Sequence[Flow]) -> None:
        for flow in flows:
            self._store.touch(flow)
