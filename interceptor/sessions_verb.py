"""`interceptor sessions`: the sessions that are kept, the last changed first."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TextIO

from interceptor.options import Options
from interceptor.session.sessions import SessionFacts, all_sessions, folder_of
from interceptor.specs.errors import UserError
from interceptor.specs.sizes import format_size


def run_sessions(options: Options, words: Sequence[str], out: TextIO) -> int:
    """The exit status."""
    if words:
        raise UserError(f"sessions does not take {words[0]!r}; a session is opened by: interceptor --session {words[0]}")
    found = all_sessions(options.confdir_path)
    if not found:
        out.write(f"There are no sessions in {folder_of(options.confdir_path)} yet.\n")
        return 0
    widest = max(len(each.name) for each in found)
    for each in found:
        out.write(f"{session_line(each, widest)}\n")
    out.write("\ninterceptor --session NAME opens one.\n")
    return 0


def session_line(facts: SessionFacts, widest: int = 0) -> str:
    """Name, flows, size, time, and what else there is to say, in one line."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(facts.changed_at))
    flows = f"{facts.flows} flow{'' if facts.flows == 1 else 's'}" if not facts.problem else "?"
    note = "  open" if facts.is_open else f"  {facts.problem}" if facts.problem else ""
    return f"{facts.name:{widest}}  {flows:>14}  {format_size(facts.size):>7}  {when}{note}"
