"""What can be edited on a flow: its parts, its bodies through the content views that can be written back, and its messages.

    edit_flow.parts ──────────────────────────────────┐
    a body under "msgpack", "hex dump" … ─ one Part each ┼─▸ parts(flow) ─▸ chooser, `console.edit.focus`
    a held message ─ HeldContent ────────────────────────┤
    something new to say ─ NewContent ───────────────────┘

A body through a view is called `request-body (protobuf)`, as mitmproxy calls it; any view that can be written back may be named,
the chooser has those that suit. Messages are known as what they are, held: of a raw conversation now, of a WebSocket alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from interceptor.contentviews.rendered import ContentFacts
from interceptor.model.flow import Flow, HeldMessage, HttpFlow, TcpFlow
from interceptor.specs.errors import UserError
from interceptor.tui import edit_flow
from interceptor.tui.application import Application
from interceptor.tui.edit_flow import Part, PartKind

MESSAGE: Final = "message"
"""The subject of a part that is a message."""

_OFFERED_UP_TO: Final = 4 * 1024 * 1024  # of a larger body no views are looked for: they are edited by name
_VIEW_KEYS: Final = {"request-body": "nop", "response-body": "rst"}
_NEW_MESSAGES: Final = (("client", "text", "c"), ("server", "text", "s"), ("client", "binary", "C"), ("server", "binary", "S"))
_MESSAGE_KEYS: Final = "123456789"


@dataclass(eq=False, slots=True)
class HeldContent:
    """A held message as it will be sent."""

    message: HeldMessage
    done: str = "message changed; a lets it go on, u undoes the change"

    def read(self) -> bytes:
        return self.message.content

    def write(self, content: bytes) -> None:
        if not self.message.is_waiting:
            raise UserError("this message has gone on meanwhile: what you wrote cannot be sent in its place any more")
        self.message.content = content

    @property
    def held(self) -> HeldMessage | None:
        return self.message


@dataclass(eq=False, slots=True)
class NewContent:
    """What the user says in a running conversation."""

    say: Callable[[bytes], None]
    done: str
    held: HeldMessage | None = None

    def read(self) -> bytes:
        return b""

    def write(self, content: bytes) -> None:
        if not content:
            raise UserError("an empty message cannot be sent")
        self.say(content)


class EditChoices:
    """`content_view(flow, tab)` says which content view is chosen there; "auto" if none is."""

    def __init__(self, app: Application, content_view: Callable[[Flow, str], str]) -> None:
        self._app, self._content_view = app, content_view

    def parts(self, flow: Flow) -> Sequence[Part]:
        """What can be edited now, each with a key of its own."""
        plain = edit_flow.parts(flow)
        if isinstance(flow, HttpFlow):
            plain = [each for part in plain for each in (part, *self._through_views(flow, part))]
        return [*self._held(flow), *self._new(flow), *plain]

    def part_named(self, flow: Flow, name: str) -> Part:
        """UserError, with what there is, if the flow has no such part."""
        available = self.parts(flow)
        found = next((part for part in available if part.name == name), None)
        if found is not None:
            return found
        from interceptor.contentviews.registry import editable

        base, view = _split(name)
        part = next((part for part in available if part.name == base and part.kind is PartKind.TEXT), None)
        if part is None or not view:
            raise UserError(f"this flow has no {name!r} to edit; it has {', '.join(each.name for each in available)}")
        if view not in editable():
            raise UserError(f"{view!r} cannot be edited; the views that can are {', '.join(editable())}")
        return _through(part, view, "")

    def _through_views(self, flow: HttpFlow, part: Part) -> list[Part]:
        keys = _VIEW_KEYS.get(part.name)
        if keys is None:
            return []
        message = edit_flow.message_of(flow, part)
        if edit_flow.is_replaceable_only(flow, message) or message.body.size > _OFFERED_UP_TO:
            return []
        try:
            content = edit_flow.read_content(flow, part)
        except UserError:
            return []
        from interceptor.contentviews.registry import views_to_edit

        facts = ContentFacts.of(flow.request, message)
        views = views_to_edit(content, self._content_view(flow, part.subject), facts)
        return [_through(part, view, key) for view, key in zip(views, keys, strict=False)]

    def _held(self, flow: Flow) -> list[Part]:
        held = self._app.intercept.messages_of(flow) if flow.held is not None else []
        if not held:
            return []
        from interceptor.contentviews.registry import views_to_edit

        keys = iter(_MESSAGE_KEYS)
        parts: list[Part] = []
        for message in held:
            side = "" if len(held) == 1 else "-to-server" if message.from_client else "-to-client"
            name = f"{'websocket' if isinstance(flow, HttpFlow) else flow.kind}-message{side}"
            part = Part(name, PartKind.TEXT, next(keys), MESSAGE, content=HeldContent(message))
            tab = "messages" if isinstance(flow, HttpFlow) else "stream"
            views = views_to_edit(message.content, self._content_view(flow, tab), ContentFacts())
            parts += [part, *(_through(part, view, next(keys)) for view in views)]
            parts.append(replace(part, name=f"{name} ($EDITOR)", shortcut=next(keys), is_external=True))
        return parts

    def _new(self, flow: Flow) -> list[Part]:
        is_websocket = isinstance(flow, HttpFlow) and flow.websocket is not None
        if not flow.is_live or not (is_websocket or isinstance(flow, TcpFlow)):
            return []

        def new(whom: str, kind: str, shortcut: str) -> Part:
            def say(content: bytes) -> None:
                self._app.inject(flow, whom == "server", content, is_text=kind == " as text")

            content = NewContent(say, f"sent to the {whom}")
            return Part(f"inject to {whom}{kind}", PartKind.TEXT, shortcut, MESSAGE, content=content)

        if not is_websocket:
            return [new("client", "", "c"), new("server", "", "s")]
        return [new(whom, f" as {kind}", key) for whom, kind, key in _NEW_MESSAGES]


def _through(part: Part, view: str, shortcut: str) -> Part:
    return replace(part, name=f"{part.name} ({view})", shortcut=shortcut, view=view)


def _split(name: str) -> tuple[str, str]:
    """`request-body (json)` as its two halves."""
    base, bracket, rest = name.rpartition(" (")
    return (base, rest[:-1].lower()) if bracket and rest.endswith(")") else (name, "")
