"""Flows out of the program: exports and parts of flows, to a file, the clipboard or the screen.

Names and arguments are mitmproxy's. `export.file` into a folder chooses the file's name itself, from what the flow says, with
nothing in it but letters and digits.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

from interceptor.commands import Choices
from interceptor.model.flow import Flow
from interceptor.session.export.cut import Cuts, cut
from interceptor.specs.errors import UserError
from interceptor.tui.application import Application
from interceptor.tui.clipboard import clipboard_text
from interceptor.tui.flow_files import save_flows
from interceptor.tui.screens import Screen
from interceptor.tui.text_screen import TextScreen


class Surroundings(Protocol):
    """What the commands need of the console."""

    def tell(self, message: str) -> None: ...
    def start(self, work: Coroutine[Any, Any, None]) -> None: ...
    def push(self, screen: Screen) -> None: ...
    def copy(self, text: str) -> None: ...


def format_names() -> Sequence[str]:
    from interceptor.session.export.formats import names

    return names()


Format = Annotated[str, Choices(format_names)]


class ExportCommands:
    def __init__(self, app: Application, console: Surroundings, saved: set[int]) -> None:
        """`saved` are the numbers of flows that are in a file."""
        self._app, self._console, self._saved = app, console, saved

    def register(self) -> None:
        functions: dict[str, Callable[..., object]] = {
            "export": self.export,
            "export.file": self.export_file,
            "export.clip": self.export_clip,
            "export.formats": self.export_formats,
            "cut": self.cut,
            "cut.clip": self.cut_clip,
            "save.har": self.save_har,
        }
        for name, function in functions.items():
            self._app.commands.add(name, function)

    def export_formats(self) -> Sequence[str]:
        """What a flow can be exported as."""
        return list(format_names())

    def export(self, format: Format, flow: Flow) -> None:
        """Show a flow as a curl or HTTPie command, a program in Python, JavaScript, Go or PowerShell, raw message or HAR."""
        exported = self._exported(format, flow)
        content = exported if isinstance(exported, bytes) else exported.encode()
        self._console.push(TextScreen(f"Export as {format}", content))

    def export_file(self, format: Format, flow: Flow, path: Path) -> None:
        """Write a flow as curl command, raw message … to a file."""
        from interceptor.session.export.formats import file_name
        from interceptor.session.formats.replaced_file import replacing

        exported = self._exported(format, flow)
        content = exported if isinstance(exported, bytes) else f"{exported}\n".encode()
        if str(path) in ("", "."):
            raise UserError("a file name is needed")
        target = path.expanduser()
        if target.is_dir():
            target /= file_name(format, flow)
        with replacing(target) as stream:
            stream.write(content)
        self._console.tell(f"{format} saved in {target}")

    def export_clip(self, format: Format, flow: Flow) -> None:
        """Copy a flow as curl command, raw message … to the clipboard."""
        self._copy(self._exported(format, flow), format)

    def _exported(self, format: str, flow: Flow) -> bytes | str:
        from interceptor.session.export.formats import export

        return export(format, flow, self._app.options)

    def cut(self, flows: Sequence[Flow], cuts: Cuts) -> None:
        """Show parts of flows: request.url, response.content, response.header[server] …"""
        self._console.push(TextScreen(",".join(cuts), cut(flows, cuts)))

    def cut_clip(self, flows: Sequence[Flow], cuts: Cuts) -> None:
        """Copy parts of flows to the clipboard."""
        self._copy(cut(flows, cuts), ", ".join(cuts))

    def _copy(self, content: bytes | str, what: str) -> None:
        text = clipboard_text(content)
        self._console.copy(text)
        self._console.tell(f"{what} copied, {len(text):,} characters")

    def save_har(self, flows: Sequence[Flow], path: Path) -> None:
        """Write flows to a HAR file; packed if its name ends in .zhar."""
        if not flows:
            raise UserError("there is no flow here")
        if str(path) in ("", "."):
            raise UserError("a file name is needed")
        self._console.start(self._save_har(list(flows), path))

    async def _save_har(self, flows: Sequence[Flow], path: Path) -> None:
        format = "zhar" if path.name.lower().endswith(".zhar") else "har"
        self._console.tell(await save_flows(flows, path, self._saved, format))
