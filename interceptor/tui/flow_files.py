"""Flows saved to a file while the loop goes on: in the format that its name says, and as a whole or not at all.

A flow file may be added to (`+path`); then what fails in the middle is cut off again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from interceptor.model.flow import Flow
from interceptor.specs.errors import UserError

_SLICE: Final = 50
"""So many flows are written before the loop gets its turn."""


async def save_flows(flows: Sequence[Flow], path: Path, saved: set[int], format: str = "", key_log: str | None = None) -> str:
    """What to tell the user; `saved` gets those that are in the file and will not change. UserError if it cannot be written."""
    from interceptor.session.formats.replaced_file import replacing
    from interceptor.session.formats.written import check_target, format_of

    is_added = str(path).startswith("+")
    path = Path(str(path).removeprefix("+"))
    name = format or format_of(path.name)
    if is_added and name != "mitmproxy":
        raise UserError("only a flow file can be added to; without + this one is written anew")
    if is_added:
        return await _added(flows, path, saved)
    check_target(name, path)
    with replacing(path) as stream:
        written, note = await _written(flows, stream, name, key_log)
    saved.update(flow.id for flow in written if not flow.is_live)
    return f"{_count(len(written))} saved in {path}{note}"


async def _added(flows: Sequence[Flow], path: Path, saved: set[int]) -> str:
    try:
        with path.expanduser().open("ab") as stream:
            end = stream.tell()
            try:
                written, note = await _written(flows, stream, "mitmproxy")
                stream.flush()
            except BaseException:
                stream.truncate(end)
                raise
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None
    saved.update(flow.id for flow in written if not flow.is_live)
    return f"{_count(len(written))} added to {path}{note}"


async def _written(flows: Sequence[Flow], stream: BinaryIO, name: str, key_log: str | None = None) -> tuple[list[Flow], str]:
    """(those that are in the file, what to say of the others)"""
    from interceptor.session.formats.written import left_out, writing

    written = []
    with writing(name, stream, key_log) as writer:
        for index, flow in enumerate(flows):
            if index % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
            if writer.write(flow):
                written.append(flow)
    note = left_out(len(flows) - len(written), name)
    return written, f"; {note}" if note else ""


def _count(number: int) -> str:
    return f"{number} {'flow' if number == 1 else 'flows'}"
