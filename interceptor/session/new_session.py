"""Flows written to a session of their own, one after the other: `formats.written.FlowWriter` of `.session` files.

The flows may be those of the session that is open: they are not changed, and keep their numbers, so that replays name what they
repeat. Bodies are copied as they are written.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from interceptor.model.flow import Flow
from interceptor.session.columns import row_of
from interceptor.session.session import Session
from interceptor.session.session_file import SessionFile
from interceptor.session.spool import Spool
from interceptor.specs.errors import UserError

_TOGETHER: Final = 200


class NewSession:
    """In a file that is empty, or not there yet. UserError if it cannot be written."""

    def __init__(self, path: Path) -> None:
        self._spool = Spool()
        self._session = Session(SessionFile.open(path), self._spool.new_body)
        self._session.note("created", time.time())
        self._used: set[int] = set()
        self._count = 0
        self._is_closed = False
        os.chmod(path, 0o600)  # it holds cookies and passwords

    def write(self, flow: Flow) -> bool:
        session, flow_id = self._session, flow.id
        if not flow_id or flow_id in self._used:  # of several files, or of none
            flow.id = max(self._used, default=0) + 1
        self._used.add(flow.id)
        try:
            session.table.list(flow.id)
            session.table.set_row(flow.id, row_of(flow, session.table.words))
            session.write([flow])
        finally:
            flow.id = flow_id
        self._count += 1
        if self._count % _TOGETHER == 0:
            self._settle()
        return True

    def _settle(self) -> None:
        self._session.flush()
        self._session.settle()
        self._session.poll()
        if self._session.failure:
            raise UserError(f"it cannot be written: {self._session.failure}")

    def close(self) -> None:
        self._session.note("flows", self._session.table.count)
        self._settle()
        self.give_up()

    def give_up(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._session.close()
            self._spool.close()
