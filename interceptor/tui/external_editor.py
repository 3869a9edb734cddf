"""A text handed to the user's own editor, while everything else goes on.

    content ─▸ file 0600 in a folder 0700 ─▸ editor as a child process on our terminal ─▸ new content, or why there is none

The event loop runs meanwhile: only the coroutine waits. The caller takes its hands off the terminal before and takes it back
after. Whatever happens, the file and its folder are gone in the end.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

VARIABLES: Final = ("INTERCEPTOR_EDITOR", "MITMPROXY_EDITOR", "VISUAL", "EDITOR")
FALLBACKS: Final = ("sensible-editor", "nano", "vi")


class EditorFailed(Exception):
    """The text is to be left as it was. `message` is one sentence for the user."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def editor_command(configured: str | None, environment: Mapping[str, str]) -> list[str]:
    """The editor and its arguments: as configured, as the environment says, or the first of the usual ones that is there."""
    for text in (configured, *(environment.get(name) for name in VARIABLES)):
        if text and text.strip():
            try:
                return shlex.split(text)
            except ValueError:
                raise EditorFailed(f"the editor {text!r} has a quote that is not closed") from None
    for name in FALLBACKS:
        if shutil.which(name, path=environment.get("PATH")):
            return [name]
    raise EditorFailed("there is no editor: set EDITOR, or the option editor")


async def edit(content: bytes, command: Sequence[str], suffix: str = ".txt") -> bytes:
    """What the user made of `content`. EditorFailed if the editor could not be started, failed or was killed."""
    folder = Path(tempfile.mkdtemp(prefix="interceptor-"))
    path = folder / f"edit{suffix}"
    try:
        await asyncio.to_thread(_write, path, content)
        await _run([*command, str(path)])
        try:
            return await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise EditorFailed(f"the edited file cannot be read: {error.strerror}") from None
    except OSError as error:
        raise EditorFailed(f"no file can be made for the editor in {folder.parent}: {error.strerror}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def view(content: bytes, command: Sequence[str], suffix: str = ".txt") -> None:
    """Shows it in a program of the user's; what that does to the file is lost."""
    await edit(content, command, suffix)


async def _run(command: Sequence[str]) -> None:
    try:
        process = await asyncio.create_subprocess_exec(*command)
    except OSError as error:
        raise EditorFailed(f"{command[0]} cannot be started: {error.strerror}") from None
    try:
        status = await process.wait()
    except asyncio.CancelledError:
        if process.returncode is None:
            process.terminate()
        raise
    if status < 0:
        raise EditorFailed(f"{command[0]} was ended by {_signal_name(-status)}; nothing was changed")
    if status > 0:
        raise EditorFailed(f"{command[0]} failed with status {status}; nothing was changed")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def suffix_for(content_type: str) -> str:
    """So that the editor colours what it shows."""
    kind = content_type.partition(";")[0].strip().lower()
    known = {
        "text/html": ".html",
        "text/css": ".css",
        "text/csv": ".csv",
        "application/xml": ".xml",
        "text/xml": ".xml",
        "image/svg+xml": ".svg",
        "text/javascript": ".js",
        "application/javascript": ".js",
        "image/png": ".png",
        "image/jpeg": ".jpg",
        "application/pdf": ".pdf",
    }
    if "json" in kind:
        return ".json"
    return known.get(kind, ".bin" if kind.startswith(("image/", "audio/", "video/", "application/octet")) else ".txt")
