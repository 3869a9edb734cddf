"""Flows saved as HAR while the loop goes on. `.zhar` is the same, packed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from interceptor.model.flow import Flow
from interceptor.specs.errors import UserError

_SLICE: Final = 50
"""So many flows are written before the loop gets its turn."""


async def save_har(flows: Sequence[Flow], path: Path, saved: set[Flow]) -> str:
    """What to tell the user; `saved` gets those that are in the file and will not change. UserError if it cannot be written."""
    from interceptor.session.formats.har import HarWriter, is_packed_name

    if str(path).startswith("+"):
        raise UserError("a HAR file cannot be added to; without + it is written anew")
    count = 0
    try:
        with path.expanduser().open("wb") as file:
            writer = HarWriter(file, is_packed_name(path.name))
            for index, flow in enumerate(flows):
                if index % _SLICE == _SLICE - 1:
                    await asyncio.sleep(0)
                if writer.write(flow):
                    count += 1
                    if not flow.is_live:
                        saved.add(flow)
            writer.close()
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None
    left_out = len(flows) - count
    note = f"; {left_out} left out, HAR has HTTP flows only" if left_out else ""
    return f"{count} {'flow' if count == 1 else 'flows'} saved in {path}{note}"
