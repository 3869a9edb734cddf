"""What the keys do to flows: resume, kill, mark, edit by command, replay, duplicate, delete, save, load.

Names and arguments are mitmproxy's. Everything here that changes a flow or the list can be undone, so nothing asks first.
Removing a flow never ends it on the wire; a held one stays on the list, since nobody could let it go afterwards.
"""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

from interceptor.argument_types import Suggestions
from interceptor.commands import Choices
from interceptor.model.connection import bracketed
from interceptor.model.encoding import decode_content, encode_content
from interceptor.model.flow import Flow, HttpFlow, TcpFlow
from interceptor.model.http import Headers, Request
from interceptor.session.export.cut import Cuts, cut, json_lines
from interceptor.session.flows import Flows, ids_of
from interceptor.specs.errors import UserError
from interceptor.tui import edit_flow
from interceptor.tui.application import Application
from interceptor.tui.flow_changes import FlowChanges
from interceptor.tui.flow_files import save_flows

_SLICE = 50
"""So many flows are written or read before the loop gets its turn."""

Subject = Annotated[str, Choices(lambda: ("request", "response"))]


def _markers() -> Iterable[tuple[str, str]]:
    from interceptor.tui.present.markers import MARKED, marker_names

    return [("true", MARKED), ("false", "none"), *((f":{name}:", sign) for name, sign in marker_names())]


class FlowCommands:
    def __init__(
        self,
        app: Application,
        changes: FlowChanges,
        tell: Callable[[str], None],
        start: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`start` runs a coroutine beside the rest and shows what it raises."""
        self._app, self._changes, self._tell, self._start = app, changes, tell, start
        self.saved: set[int] = set()
        """Flows that are in a file."""

    def register(self) -> None:
        functions: dict[str, Callable[..., object]] = {
            "flow.resume": self.resume,
            "flow.kill": self.kill,
            "flow.mark": self.mark,
            "flow.mark.toggle": self.mark_toggle,
            "flow.revert": self.revert,
            "flow.set": self.set,
            "flow.set.options": self.set_options,
            "flow.comment": self.comment,
            "flow.host.raw": self.host_raw,
            "flow.decode": self.decode,
            "flow.encode": self.encode,
            "flow.encode.toggle": self.encode_toggle,
            "flow.encode.options": self.encode_options,
            "view.flows.create": self.create,
            "view.flows.duplicate": self.duplicate,
            "view.flows.remove": self.remove,
            "view.flows.load": self.load,
            "view.clear": self.clear,
            "view.clear_unmarked": self.clear_unmarked,
            "save.file": self.save,
            "cut.save": self.cut_save,
        }
        for name, function in functions.items():
            self._app.commands.add(name, function)

    # -- held flows -------------------------------------------------------------------------------------------------------

    def resume(self, flows: Sequence[Flow]) -> None:
        """Let held flows go on."""
        held = [flow for flow in flows if flow.held is not None]
        for flow in held:
            self._app.intercept.resume(flow)
        self._tell(f"{_count(len(held))} resumed" if held else "no flow is held here")

    def kill(self, flows: Sequence[Flow]) -> None:
        """End flows on the wire, held or running."""
        live = [flow for flow in flows if flow.held is not None or flow.is_live]
        for flow in live:
            self._app.kill(flow)
        self._tell(f"{_count(len(live))} killed" if live else "this has ended already")

    # -- marks, comments --------------------------------------------------------------------------------------------------

    def mark(self, flows: Sequence[Flow], marker: Annotated[str, Suggestions(_markers)] = "default") -> None:
        """Set a marker, an emoji by name or any text; "true" is the default one, "false" none."""
        wanted = {"true": "default", "false": ""}.get(marker, marker.strip(":"))

        def deed(flow: Flow) -> None:
            flow.marker = wanted

        self._changes.edit_all([flow for flow in flows if flow.marker != wanted], "flow", "mark", deed)

    def mark_toggle(self, flows: Sequence[Flow]) -> None:
        """Mark flows, or unmark those that are."""

        def deed(flow: Flow) -> None:
            flow.marker = "" if flow.marker else "default"

        self._changes.edit_all(_some(flows), "flow", "mark", deed)

    def comment(self, flows: Sequence[Flow], comment: str) -> None:
        """Say something about flows."""

        def deed(flow: Flow) -> None:
            flow.comment = comment

        self._changes.edit_all(_some(flows), "flow", "comment", deed)

    def host_raw(self, flows: Sequence[Flow]) -> None:
        """Let malformed HTTP/1 of these flows' hosts through as it is from now on, by raw_hosts."""
        hosts = dict.fromkeys(host for flow in _some(flows) if (host := _host(flow)))
        if not hosts:
            raise UserError("these flows do not say where they went")
        patterns = [f"^{re.escape(host)}$" for host in hosts]
        known = self._app.options.raw_hosts
        self._app.options.update(raw_hosts=[*known, *(each for each in patterns if each not in known)])
        self._tell(f"raw_hosts has {', '.join(hosts)} now: new connections let through what is malformed")

    # -- edits ------------------------------------------------------------------------------------------------------------

    def set(self, flows: Sequence[Flow], attr: Annotated[str, Choices(lambda: edit_flow.SETTABLE)], value: str) -> None:
        """Set the method, URL, host, status code … of flows."""
        parts = {id(flow): edit_flow.part_named(flow, attr) for flow in _some(flows)}
        subject = next(iter(parts.values())).subject
        self._changes.edit_all(flows, subject, f"{attr} set", lambda flow: edit_flow.write_text(flow, parts[id(flow)], value))
        self._tell(f"{attr} set on {_count(len(flows))}")

    def set_options(self) -> Sequence[str]:
        """What flow.set can set."""
        return edit_flow.SETTABLE

    def revert(self, flows: Sequence[Flow]) -> None:
        """Undo all edits of flows: back to what was received."""
        count = self._changes.revert(_some(flows))
        self._tell(f"{_count(count)} as received" if count else "this was not edited")

    def decode(self, flows: Sequence[Flow], part: Subject) -> None:
        """Take the content coding off a body."""
        self._recode(flows, part, "")

    def encode(self, flows: Sequence[Flow], part: Subject, encoding: Annotated[str, Choices(lambda: _CODINGS)]) -> None:
        """Apply a content coding to a body that has none."""
        self._recode(flows, part, encoding)

    def encode_toggle(self, flows: Sequence[Flow], part: Subject) -> None:
        """Take the content coding off a body, or apply gzip to it."""
        for flow in _some(flows):
            message = edit_flow.message_of(flow, edit_flow.part_named(flow, f"{part}-body"))
            self._recode([flow], part, "" if message.headers.get("content-encoding") else "gzip")

    def encode_options(self) -> Sequence[str]:
        """Content codings."""
        return _CODINGS

    def _recode(self, flows: Sequence[Flow], subject: str, coding: str) -> None:
        def deed(flow: Flow) -> None:
            message = edit_flow.message_of(flow, edit_flow.part_named(flow, f"{subject}-body"))
            if edit_flow.is_replaceable_only(flow, message):
                raise UserError("the body is still on its way; it can be replaced, not recoded")
            present = message.headers.get("content-encoding") or ""
            if coding and present:
                raise UserError(f"the body is in {present} already")
            try:
                content = decode_content(message.body.read(), present, edit_flow.DECODED_LIMIT)
                message.set_content(encode_content(content, coding))
            except ValueError as error:
                raise UserError(f"the body cannot be recoded: {error}") from None
            if coding:
                message.headers["Content-Encoding"] = coding
            else:
                message.headers.remove("content-encoding")

        self._changes.edit_all(_some(flows), subject, f"coding of the {subject} body", deed)
        self._tell(f"the {subject} body is in {coding}" if coding else f"the {subject} body is decoded")

    # -- new flows --------------------------------------------------------------------------------------------------------

    def create(self, method: str, url: str) -> None:
        """A new request, to be edited and sent."""
        request = Request(method.upper(), "http", "", 80, b"/")
        try:
            request.set_url(url)
        except ValueError:
            raise UserError(f"{url!r} is not a URL; https://example.com/ would be") from None
        request.headers = Headers([(b"Host", request.host_field().encode("idna" if not url.isascii() else "utf-8"))])
        self._show(self._app.create(request))
        self._tell("created; e edits it, r sends it")

    def duplicate(self, flows: Sequence[Flow]) -> None:
        """Copies of flows, which can be edited and sent."""
        for flow in _some(flows):
            twin = copy.copy(flow)
            twin.id, twin.held, twin.is_live, twin.body_is_editable = 0, None, False, True
            twin.metadata = dict(flow.metadata)
            if isinstance(twin, HttpFlow) and isinstance(flow, HttpFlow):
                twin.request, twin.original, twin.is_modified = flow.request.copy(), None, False
                twin.response = flow.response.copy() if flow.response is not None else None
            elif isinstance(twin, TcpFlow) and isinstance(flow, TcpFlow):
                twin.messages = list(flow.messages)
            self._changes.add(twin, "duplicate")
            self._show(twin)

    def _show(self, flow: Flow) -> None:
        self._app.store.flush()
        self._app.view.focus = flow

    # -- the list ---------------------------------------------------------------------------------------------------------

    def remove(self, flows: Sequence[Flow]) -> None:
        """Delete flows from the list; held ones stay."""
        held = {flow.id for flow in self._app.intercept.held()}
        ids = ids_of(flows)
        gone = [flow_id for flow_id in ids if flow_id not in held]
        stayed = len(ids) - len(gone)
        if gone:
            self._changes.remove(gone, f"deletion of {_count(len(gone))}")
        text = f"{_count(len(gone))} deleted; u brings {'it' if len(gone) == 1 else 'them'} back" if gone else ""
        if stayed:
            text += ("; " if text else "") + f"{_count(stayed)} held: a resumes, X kills"
        self._tell(text or "there is nothing to delete")

    def clear(self) -> None:
        """Delete all flows from the list."""
        self.remove(Flows(self._app.store, list(self._app.store.table.ids())))

    def clear_unmarked(self) -> None:
        """Delete all flows that are not marked."""
        resolve = self._app.commands.flow_resolver
        self.remove(resolve("@unmarked") if resolve is not None else [])

    # -- files ------------------------------------------------------------------------------------------------------------

    def save(self, flows: Sequence[Flow], path: Path) -> None:
        """Write flows to a file: HAR if its name ends in .har, packets if in .pcapng, else mitmproxy's format; +path appends."""
        self._start(self._save(list(_some(flows)), _file(path)))

    async def _save(self, flows: Sequence[Flow], path: Path) -> None:
        self._tell(await save_flows(flows, path, self.saved, key_log=self._app.options.tls_keylog_file))

    def load(self, path: Path, filter: str = "") -> None:
        """Add the flows of a file to the list: all, or those that a filter lets through; none if the file is damaged."""
        self._start(self._load(_file(path), filter))

    async def _load(self, path: Path, expression: str) -> None:
        from interceptor.session.formats.recognised import read_flows
        from interceptor.specs.filter import parse

        wanted = parse(expression) if expression else None
        loaded: list[Flow] = []
        try:
            with path.expanduser().open("rb") as file:
                store = self._app.store
                flows = read_flows(file, self._note, store.touch, store.spool.new_body)
                for number, flow in enumerate(flows, 1):
                    if number % _SLICE == 0:
                        await asyncio.sleep(0)
                    if wanted is not None and not wanted.matches(flow):
                        continue
                    self._app.store.add(flow)
                    self.saved.add(flow.id)
                    loaded.append(flow)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror or error}{self._take_off(loaded)}") from None
        except UserError as error:
            raise UserError(f"{path}: {error.message}{self._take_off(loaded)}") from None
        if loaded:
            self._changes.added(loaded, f"loading of {_count(len(loaded))}")
        self._tell(f"{_count(len(loaded))} loaded from {path}")

    def _note(self, text: str) -> None:
        self._app.eventlog.add("warn", text)

    def _take_off(self, loaded: Sequence[Flow]) -> str:
        """The file turned out to be damaged: the list is as it was. What could be read is to be had by an undo; says so."""
        if not loaded:
            return ""
        self._changes.remove([flow.id for flow in loaded], f"leaving out {_count(len(loaded))} of a damaged file")
        return f" Nothing was loaded; u adds {_count(len(loaded))} that could be read."

    def unsaved_count(self) -> int:
        """How many flows of the list are in no file that was asked for."""
        return sum(1 for flow_id in self._app.store.table.ids() if flow_id not in self.saved)

    def cut_save(self, flows: Sequence[Flow], cuts: Cuts, path: Path) -> None:
        """Write parts of flows to a file: response.content for the body; several as CSV, or as JSON if its name ends in .json."""
        from interceptor.session.formats.replaced_file import replacing

        target = _file(path)
        is_json = target.suffix.lower() in (".json", ".jsonl", ".ndjson")
        content = json_lines(_some(flows), cuts) if is_json else cut(flows, cuts)
        is_added = str(target).startswith("+")
        target = Path(str(target).removeprefix("+")).expanduser()
        try:
            with target.open("ab") if is_added else replacing(target) as file:
                file.write(content)
        except OSError as error:
            raise UserError(f"{target} cannot be written: {error.strerror or error}") from None
        self._tell(f"{len(content)} bytes saved in {target}")


_CODINGS = ("gzip", "deflate", "br", "zstd")


def _some(flows: Sequence[Flow]) -> Sequence[Flow]:
    if not flows:
        raise UserError("there is no flow here")
    return flows


def _file(path: Path) -> Path:
    if str(path) in (".", "", "+"):
        raise UserError("a file name is needed")
    return path


def _count(number: int, noun: str = "flow") -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _host(flow: Flow) -> str:
    """`host:port`, as raw_hosts has it; "" where none is known."""
    if isinstance(flow, HttpFlow):
        return f"{bracketed(flow.request.host)}:{flow.request.port}"
    peer = flow.server.peer if flow.server is not None else None
    return f"{bracketed(peer[0])}:{peer[1]}" if peer else ""
