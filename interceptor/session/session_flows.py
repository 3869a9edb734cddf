"""The flows of a session file, one by one, without opening the session: for whoever only looks into it, also while it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from interceptor.model.flow import Flow
from interceptor.session.session import Session
from interceptor.session.session_file import SessionFile
from interceptor.session.spool import Spool


def flows_of_session(path: Path, skipped: Callable[[str], None]) -> Iterator[Flow]:
    """Those on its list, in the order of their arrival, as they were last written. Their bodies can be read until there is no
    further flow. `skipped` is told what cannot be read. UserError if the file is no session, or is damaged."""
    spool = Spool()
    session = Session(SessionFile.glance(path), spool.new_body)
    try:
        for flow_id in list(session.table.ids()):
            flow = session.load(flow_id)
            if flow is None:
                skipped(f"Flow {flow_id} cannot be read and was left out: {session.file.problem}.")
            else:
                yield flow
    finally:
        session.close()
        spool.close()
