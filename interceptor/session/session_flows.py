"""The flows of a session file, one by one, without opening the session: for whoever only looks into it, also while it is used."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from interceptor.model.body import SPOOL_FROM, Body, MemoryBody
from interceptor.model.flow import Flow, HttpFlow, TcpFlow
from interceptor.session.growing import bodies_of, replace_body
from interceptor.session.messages import MessageLog, WebSocketLog
from interceptor.session.search.text_index import TextIndex
from interceptor.session.session import Session
from interceptor.session.session_file import SessionFile
from interceptor.session.spool import Spool, SpooledBody
from interceptor.session.stored_body import StoredBody
from interceptor.specs.filter import Filter

_PIECE: Final = 1024 * 1024


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


def loaded_flows(path: Path, skipped: Callable[[str], None], new_body: Callable[[], SpooledBody] | None = None) -> Iterator[Flow]:
    """The same flows, to be kept: with id 0, and bodies of their own, large ones behind `new_body`, else in memory. A replay
    whose flow came before it names that, once that has a number."""
    came: weakref.WeakValueDictionary[int, Flow] = weakref.WeakValueDictionary()
    for _, flow in flows_of_session(path, skipped):
        if flow is None:
            continue
        _own_bodies(flow, new_body)
        number, flow.id = flow.id, 0
        before = came.get(flow.replay_of) if flow.replay_of is not None else None
        flow.replay_of = before.id or None if before is not None else None
        came[number] = flow
        yield flow


def _own_bodies(flow: Flow, new_body: Callable[[], SpooledBody] | None) -> None:
    for body in {id(body): body for body in bodies_of(flow) if type(body) is StoredBody}.values():
        replace_body(flow, body, _own(body, new_body))
    spoken = flow.websocket.messages if isinstance(flow, HttpFlow) and flow.websocket is not None else ()
    log = flow.messages if isinstance(flow, TcpFlow) else spoken
    if isinstance(log, MessageLog | WebSocketLog):
        log.contents.move_to(_own(log.contents, new_body))


def _own(body: Body, new_body: Callable[[], SpooledBody] | None) -> Body:
    if new_body is None or body.size < SPOOL_FROM:
        own = MemoryBody(body.read())
        own.is_truncated = body.is_truncated
        return own
    spooled = new_body()
    for start in range(0, body.size, _PIECE):
        spooled.append(body.read(start, _PIECE))
    spooled.finish()
    return spooled
