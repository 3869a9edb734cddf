"""A session with what is searched, made by hand, and its store and search: time passes when it is told to."""

from __future__ import annotations

import gzip
from pathlib import Path

from interceptor.model.body import MemoryBody
from interceptor.model.flow import Flow, HttpFlow, Opcode, WebSocketData, WebSocketMessage
from interceptor.model.http import Headers, Request, Response
from interceptor.session.search.run import SearchRun
from interceptor.session.search.searching import Searching
from interceptor.session.session import Session
from interceptor.session.session_file import SessionFile
from interceptor.session.store import Store
from interceptor.specs.searched import parse_searched
from tests.session.support import Time


def exchange(path: str, body: bytes = b"", answer: bytes = b"", *, coding: str = "", kind: bytes = b"text/plain") -> HttpFlow:
    host = "shop.example.org"
    request = Request("POST" if body else "GET", "https", host, 443, path.encode(), headers=Headers([(b"Host", host.encode())]))
    request.body = MemoryBody(body)
    fields = [(b"Content-Type", kind)] + ([(b"Content-Encoding", coding.encode())] if coding else [])
    content = gzip.compress(answer) if coding == "gzip" else answer
    response = Response(200, b"OK", headers=Headers(fields), body=MemoryBody(content))
    return HttpFlow(0, request=request, response=response)


def chat(*texts: str) -> HttpFlow:
    flow = exchange("/chat")
    flow.websocket = WebSocketData([WebSocketMessage(True, Opcode.TEXT, MemoryBody(text.encode()), 1.0) for text in texts])
    return flow


class Scene:
    """A session on disk with a store and its search; everything by hand."""

    def __init__(self, path: Path, is_indexed: bool = True, limit: int = 1 << 20) -> None:
        self.path, self.is_indexed, self.limit = path, is_indexed, limit
        self.open()

    def open(self) -> None:
        self.time = Time()
        self.store = Store(self.time.schedule)
        self.searching = Searching(self.store, lambda: self.is_indexed, lambda: self.limit)
        self.store.open(Session(SessionFile.open(self.path), self.store.spool.new_body))

    def add(self, *flows: Flow) -> None:
        for flow in flows:
            self.store.add(flow)
        self.write()

    def write(self) -> None:
        session = self.store.session
        assert session is not None
        for _ in range(100):
            self.time.passes(0.2)
            session.settle()
            if not self.store.keeping.has_work:  # type: ignore[union-attr]
                break
        self.time.passes(0.2)

    def settle(self) -> None:
        assert self.searching.settle(30) or not self.is_indexed, self.searching.problem

    def find(self, typed: str) -> list[tuple[int, str, str]]:
        """(flow, place, what was found)"""
        run = self.run(typed)
        return [(flow.flow_id, hit.place, hit.matched) for flow in run.found for hit in flow.hits]

    def run(self, typed: str) -> SearchRun:
        run = self.searching.begin(parse_searched(typed))
        assert run.wait(30)
        assert not run.problem
        return run

    def flows(self, typed: str) -> list[int]:
        return [found.flow_id for found in self.run(typed).found]

    def let_go(self) -> None:
        """Of all objects: what is left is in the file."""
        for flow_id in list(self.store._flows):
            del self.store._flows[flow_id]
            self.store.bytes_in_memory -= self.store._weights.pop(flow_id)

    def close(self) -> None:
        self.searching.close()
        self.store.close()
        self.store.spool.close()
