"""Filters answered from columns: of a million flows nobody wants to look at each.

    maker(argument, settings) ─▸ for a table of columns ─▸ test(place) -> True, False, or None: ask the flow

What the columns are is said in `session.columns`; here they are known by name. A test that does not know is as good as none, so a
filter is looked up in columns as far as these go: `~d example & ~h cookie` reads the heads of one host.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from interceptor.specs.filter_ranges import Bare, amount_test, port, status_test
from interceptor.specs.filter_terms import ASSET, Settings

NO_WORD: Final = 0xFFFFFFFF
HTTP, TCP, UDP = 1, 2, 4
RESPONSE, ERROR, WEBSOCKET, MARKED, SENT_AGAIN, REPLAYED, MODIFIED, LIVE, HELD = 8, 16, 32, 64, 128, 256, 512, 1024, 2048
DNS, DNS_RESPONSE = 4096, 8192


class Words(Protocol):
    texts: list[str]


class Table(Protocol):
    @property
    def words(self) -> Words: ...
    def column(self, name: str) -> Sequence[Any]: ...


Answer = bool | None
Test = Callable[[int], Answer]
ColumnMaker = Callable[[Table], Test]
Maker = Callable[[str, Settings], ColumnMaker | None]


def _flag(wanted: int, value: int | None = None) -> Maker:
    """Those of whose flags `wanted` are as in `value`; any of them if that is not given."""

    def make(argument: str, settings: Settings) -> ColumnMaker:
        def of(table: Table) -> Test:
            flags = table.column("flags")
            if value is None:
                return lambda place: bool(flags[place] & wanted)
            return lambda place: flags[place] & wanted == value

        return of

    return make


def _either(*makers: Maker) -> Maker:
    return lambda argument, settings: any_of([make(argument, settings) for make in makers])


def _search(pattern: str, settings: Settings) -> Callable[[str], object]:
    return re.compile(pattern, re.IGNORECASE if settings.ignore_case else 0).search


def _word(table: Table, name: str, search: Callable[[str], object]) -> Test:
    """Each text is looked at once."""
    column, texts = table.column(name), table.words.texts
    known: dict[int, Answer] = {NO_WORD: None}

    def test(place: int) -> Answer:
        word = column[place]
        if word not in known:
            known[word] = search(texts[word]) is not None
        return known[word]

    return test


def _words(*names: str, of_kind: int) -> Maker:
    def make(pattern: str, settings: Settings) -> ColumnMaker:
        search = _search(pattern, settings)
        either = any_of([lambda table, name=name: _word(table, name, search) for name in names])  # type: ignore[misc]
        kind = _flag(of_kind)("", settings)
        both = all_of([kind, either])
        assert both is not None
        return both

    return make


def _host(pattern: str, settings: Settings) -> ColumnMaker | None:
    if not settings.ignore_case:
        return None  # the column is in lower case
    search = _search(pattern, settings)
    return any_of([lambda table: _word(table, "target", search), lambda table: _word(table, "host", search)])


def _asset(argument: str, settings: Settings) -> ColumnMaker | None:
    return _words("response_type", of_kind=RESPONSE)(ASSET, Settings(True, settings.clock))


def _status(argument: str, settings: Settings) -> ColumnMaker | None:
    wanted = status_test(argument)

    def of(table: Table) -> Test:
        status, flags = table.column("status"), table.column("flags")
        return lambda place: bool(flags[place] & RESPONSE) and wanted(status[place])

    return of


def _port(argument: str, settings: Settings) -> ColumnMaker | None:
    wanted = amount_test(argument, port, Bare.EXACTLY)

    def of(table: Table) -> Test:
        ports = table.column("port")
        return lambda place: wanted(ports[place]) if ports[place] else None

    return of


COLUMN_TESTS: Final[dict[str, Maker]] = {
    "all": _flag(0, 0),
    "a": _asset,
    "e": _flag(ERROR),
    "q": _either(_flag(HTTP | RESPONSE, HTTP), _flag(DNS | DNS_RESPONSE, DNS)),
    "s": _flag(RESPONSE | DNS_RESPONSE),
    "http": _flag(HTTP),
    "tcp": _flag(TCP),
    "udp": _flag(UDP),
    "dns": _flag(DNS),
    "websocket": _flag(WEBSOCKET),
    "marked": _flag(MARKED),
    "replay": _flag(SENT_AGAIN | REPLAYED),
    "replayq": _flag(SENT_AGAIN),
    "replays": _flag(REPLAYED),
    "held": _flag(HELD),
    "live": _flag(LIVE),
    "modified": _flag(MODIFIED),
    "d": _host,
    "m": _words("method", of_kind=HTTP),
    "c": _status,
    "t": _words("request_type", "response_type", of_kind=HTTP),
    "tq": _words("request_type", of_kind=HTTP),
    "ts": _words("response_type", of_kind=RESPONSE),
    "port": _port,
}
"""By the name of the operator."""


def none_of(maker: ColumnMaker | None) -> ColumnMaker | None:
    if maker is None:
        return None

    def of(table: Table) -> Test:
        test = maker(table)

        def negated(place: int) -> Answer:
            answer = test(place)
            return None if answer is None else not answer

        return negated

    return of


def all_of(makers: Sequence[ColumnMaker | None]) -> ColumnMaker | None:
    return _joined(makers, decisive=False)


def any_of(makers: Sequence[ColumnMaker | None]) -> ColumnMaker | None:
    return _joined(makers, decisive=True)


def _joined(makers: Sequence[ColumnMaker | None], decisive: bool) -> ColumnMaker | None:
    """One answer that is `decisive` decides; else it is known only if all answers are."""
    present = [each for each in makers if each is not None]
    if not present:
        return None
    are_all = len(present) == len(makers)

    def of(table: Table) -> Test:
        tests = [each(table) for each in present]

        def joined(place: int) -> Answer:
            is_known = are_all
            for test in tests:
                answer = test(place)
                if answer is decisive:
                    return decisive
                if answer is None:
                    is_known = False
            return (not decisive) if is_known else None

        return joined

    return of
