"""The flows of a session file, one by one, without opening the session: for whoever only looks into it, also while it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from interceptor.model.flow import Flow
from interceptor.session.search.text_index import TextIndex
from interceptor.session.session import Session
from interceptor.session.session_file import SessionFile
from interceptor.session.spool import Spool
from interceptor.specs.filter import Filter


def flows_of_session(
    path: Path, skipped: Callable[[str], None], wanted: Filter | None = None
) -> Iterator[tuple[int, Flow | None]]:
    """Those on its list, in the order of their arrival, as they were last written, each with its number on the list; None where
    the filter means it not. What columns or an index beside the session rule out is not read. Bodies can be read until there is
    no further flow. `skipped` is told what cannot be read. UserError if the file is no session, or is damaged."""
    spool = Spool()
    session = Session(SessionFile.glance(path), spool.new_body)
    table = session.table
    table.text_index = TextIndex(session.file, table)
    test = wanted.by_columns(table) if wanted is not None and wanted.by_columns is not None else None
    try:
        for number, flow_id in enumerate(list(table.ids()), 1):
            known = test.one(flow_id - table.base) if test is not None else None
            flow = session.load(flow_id) if known is not False else None
            if flow is None and known is not False:
                skipped(f"Flow {flow_id} cannot be read and was left out: {session.file.problem}.")
            is_wanted = flow is not None and (known or wanted is None or wanted.matches(flow))
            yield number, flow if is_wanted else None
    finally:
        table.text_index.close()
        session.close()
        spool.close()
