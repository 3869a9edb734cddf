"""The part of a tab that content views make: the body of a message, or the messages of a conversation.

Gives paragraphs to put above it, which say in words what it is and what is missing, and the lines, as far as they are there yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from interceptor.contentviews.rendered import Cancelled, ContentFacts, Rendered
from interceptor.model.body import Body, MemoryBody
from interceptor.model.flow import DnsFlow, Flow, HeldMessage, HttpFlow
from interceptor.model.http import Message
from interceptor.tui.body_view import BodyView, RenderBody
from interceptor.tui.present.message import body_note
from interceptor.tui.present.paragraphs import Paragraph, note, section
from interceptor.tui.present.stream import said, stream_lines
from interceptor.tui.present.text import Line

HeldMessages = Callable[[Flow], Sequence[HeldMessage]]
_DNS_TYPE: Final = "application/dns-message"
_RENDERING: Final = "rendering…"
_FULL_LIMIT: Final = 64 * 1024 * 1024


class TabBodies:
    def __init__(self, render_body: RenderBody, view: BodyView, held_messages: HeldMessages) -> None:
        self._render_body = render_body
        self._view = view
        self._held_messages = held_messages

    def call_off(self) -> None:
        self._view.call_off()

    def body(
        self, flow: HttpFlow, message: Message, tab: str, view: str, is_full: bool
    ) -> tuple[list[Paragraph], Sequence[Line]]:
        style, sentence = body_note(flow, message)
        told = [Paragraph([]), note(sentence, style)] if sentence else []
        body = message.body
        facts = ContentFacts.of(flow.request, message)
        if not body.size and not self._has_more(facts, view):
            self._view.call_off()
            return told or [Paragraph([]), note("No body.")], ()
        encoding = message.headers.get("content-encoding") or ""

        def job(cancelled: Cancelled) -> Rendered:
            return self._render(body, encoding, view, facts, cancelled, is_full)

        version = body, body.size, encoding, facts.content_type, None if body.size else (facts.url, message.headers.fields[:])
        rendered = self._view.ask((flow.id, tab, view, is_full), version, job)
        title = "Body" if body.size else "No body"
        if rendered is None:
            return [*section(title, _RENDERING), *told[1:]], ()
        return [*section(title, rendered.description), *told[1:]], rendered.lines

    def dns_message(self, flow: DnsFlow, tab: str, view: str, is_full: bool) -> tuple[list[Paragraph], Sequence[Line]]:
        """The query or its answer, in the view for DNS unless another is chosen."""
        message = flow.request if tab == "request" else flow.response
        told = [note(flow.error.message, "error"), Paragraph([])] if tab == "response" and flow.error is not None else []
        if message is None:
            self._view.call_off()
            why = "No answer yet." if flow.is_live else "No answer."
            if flow.held is not None:
                why = "No answer yet; e makes one by hand."
            return [*told, note(why)], ()
        facts = ContentFacts(_DNS_TYPE)
        wire = message.wire

        def job(cancelled: Cancelled) -> Rendered:
            return self._render(MemoryBody(wire), "", view, facts, cancelled, is_full)

        rendered = self._view.ask((flow.id, tab, view, is_full), (wire,), job)
        return ([*told, note(_RENDERING)], ()) if rendered is None else (told, rendered.lines)

    def _has_more(self, facts: ContentFacts, view: str) -> bool:
        from interceptor.contentviews.registry import has_more_than_body

        return view in ("query", "jwt") or (view == "auto" and has_more_than_body(facts))

    def messages(self, flow: Flow, tab: str, view: str, is_full: bool) -> tuple[list[Paragraph], Sequence[Line]]:
        listed, left_out = said(flow, is_full, self._held_messages(flow) if flow.held is not None else ())
        if not listed:
            self._view.call_off()
            why = [Paragraph([]), note(flow.error.message, "error")] if flow.error is not None else []
            return [note("No messages yet." if flow.is_live else "No messages."), *why], ()
        zero = listed[0].timestamp if left_out else flow.created_at or listed[0].timestamp

        def job(cancelled: Cancelled) -> Rendered:
            def show(body: Body) -> Sequence[Line]:
                return self._render(body, "", view, ContentFacts(), cancelled, is_full).lines

            return Rendered(view, "", stream_lines(listed, left_out, zero, show, cancelled))

        version = tuple(each.version for each in listed)
        rendered = self._view.ask((flow.id, tab, view, is_full), version, job)
        return ([note(_RENDERING)], ()) if rendered is None else ([], rendered.lines)

    def _render(self, body: Body, encoding: str, view: str, facts: ContentFacts, cancelled: Cancelled, is_full: bool) -> Rendered:
        more: dict[str, Any] = {"pretty_limit": _FULL_LIMIT} if is_full else {}
        return self._render_body(body, encoding, view, facts, cancelled=cancelled, **more)
