"""Filters answered from columns: of a million flows nobody wants to look at each.

    maker(argument, settings) ─▸ for a table of columns ─▸ Test: of one place True, False, or None: ask the flow
                                                                 of many places as many bytes: YES, NO, or ASK

What the columns are is said in `session.columns`; here they are known by name. A test that does not know is as good as none, so a
filter is looked up in columns as far as these go: `~d example & ~h cookie` reads the heads of one host. Each value of a column is
judged once, and a run of places by operations on whole arrays: a million of them take some fifty milliseconds a column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from interceptor.specs.filter_ranges import Bare, amount_test, port, status_test
from interceptor.specs.filter_terms import ASSET, Settings
from interceptor.specs.literals import literals

NO_WORD: Final = 0xFFFFFFFF
HTTP, TCP, UDP = 1, 2, 4
RESPONSE, ERROR, WEBSOCKET, MARKED, SENT_AGAIN, REPLAYED, MODIFIED, LIVE, HELD = 8, 16, 32, 64, 128, 256, 512, 1024, 2048
DNS, DNS_RESPONSE = 4096, 8192


class Words(Protocol):
    texts: list[str]


class Table(Protocol):
    @property
    def words(self) -> Words: ...
    @property
    def text_index(self) -> TextIndex | None: ...
    def column(self, name: str) -> Sequence[Any]: ...


class TextIndex(Protocol):
    """Knows which flows may have some texts in a body or a message."""

    def test(self, texts: Sequence[str]) -> Test | None: ...


Answer = bool | None
NO, ASK, YES = 0, 1, 3
"""Answers as bytes, such that both of two is `&`, and either is `|`."""
ANSWERS: Final[tuple[Answer, ...]] = (False, None, None, True)
_NOT: Final = bytes([YES, ASK, ASK, NO]) + bytes(252)


class Test(Protocol):
    def one(self, place: int) -> Answer: ...

    def many(self, start: int, stop: int) -> bytes:
        """`NO`, `ASK` or `YES` for each place from `start` on, before `stop`."""
        ...


ColumnMaker = Callable[[Table], Test]
Maker = Callable[[str, Settings], ColumnMaker | None]


class _Known(dict[Any, int]):
    """The answer for each value of a column; worked out when it comes up first."""

    def __init__(self, judge: Callable[[Any], int]) -> None:
        super().__init__()
        self._judge = judge

    def __missing__(self, value: Any) -> int:
        answer = self[value] = self._judge(value)
        return answer


class _ByValue:
    """What depends on one column alone."""

    def __init__(self, column: Sequence[Any], judge: Callable[[Any], int]) -> None:
        self._column, self._answer = column, _Known(judge).__getitem__

    def one(self, place: int) -> Answer:
        return ANSWERS[self._answer(self._column[place])]

    def many(self, start: int, stop: int) -> bytes:
        return bytes(map(self._answer, self._column[start:stop]))


def _flag(wanted: int, value: int | None = None) -> Maker:
    """Those of whose flags `wanted` are as in `value`; any of them if that is not given."""

    def judge(flags: int) -> int:
        return YES if (flags & wanted if value is None else flags & wanted == value) else NO

    return lambda argument, settings: lambda table: _ByValue(table.column("flags"), judge)


def _either(*makers: Maker) -> Maker:
    return lambda argument, settings: any_of([make(argument, settings) for make in makers])


def _search(pattern: str, settings: Settings) -> Callable[[str], object]:
    return re.compile(pattern, re.IGNORECASE if settings.ignore_case else 0).search


def _word(name: str, search: Callable[[str], object]) -> ColumnMaker:
    """Each text is looked at once."""

    def of(table: Table) -> Test:
        texts = table.words.texts

        def judge(word: int) -> int:
            if word == NO_WORD:
                return ASK
            return YES if search(texts[word]) is not None else NO

        return _ByValue(table.column(name), judge)

    return of


def _words(*names: str, of_kind: int) -> Maker:
    def make(pattern: str, settings: Settings) -> ColumnMaker | None:
        search = _search(pattern, settings)
        return all_of([_flag(of_kind)("", settings), any_of([_word(name, search) for name in names])])

    return make


def _host(pattern: str, settings: Settings) -> ColumnMaker | None:
    if not settings.ignore_case:
        return None  # the column is in lower case
    search = _search(pattern, settings)
    return any_of([_word("target", search), _word("host", search)])


def _asset(argument: str, settings: Settings) -> ColumnMaker | None:
    return _words("response_type", of_kind=RESPONSE)(ASSET, Settings(True, settings.clock))


def _status(argument: str, settings: Settings) -> ColumnMaker | None:
    wanted = status_test(argument)
    return all_of(
        [
            _flag(RESPONSE)("", settings),
            lambda table: _ByValue(table.column("status"), lambda status: YES if wanted(status) else NO),
        ]
    )


def _port(argument: str, settings: Settings) -> ColumnMaker | None:
    wanted = amount_test(argument, port, Bare.EXACTLY)

    def judge(number: int) -> int:
        if not number:
            return ASK
        return YES if wanted(number) else NO

    return lambda table: _ByValue(table.column("port"), judge)


def _body(pattern: str, settings: Settings) -> ColumnMaker | None:
    """Where it cannot be: whether it is there says the flow."""
    texts = literals(pattern)

    def of(table: Table) -> Test:
        test = table.text_index.test(texts) if table.text_index is not None else None
        return test if test is not None else _Unknown()

    return of if texts else None


def _process(pattern: str, settings: Settings) -> ColumnMaker:
    search = _search(pattern, settings)
    return _word("process", lambda text: search(text) if text else None)


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
    "b": _body,
    "bq": _body,
    "bs": _body,
    "process": _process,
}
"""By the name of the operator."""


class _Negated:
    def __init__(self, test: Test) -> None:
        self._test = test

    def one(self, place: int) -> Answer:
        answer = self._test.one(place)
        return None if answer is None else not answer

    def many(self, start: int, stop: int) -> bytes:
        return self._test.many(start, stop).translate(_NOT)


class _Unknown:
    """What columns say nothing about."""

    def one(self, place: int) -> Answer:
        return None

    def many(self, start: int, stop: int) -> bytes:
        return bytes([ASK]) * (stop - start)


class _Joined:
    """One answer that is `decisive` decides; else it is known only if all answers are."""

    def __init__(self, tests: Sequence[Test], decisive: bool) -> None:
        self._tests, self._decisive = tests, decisive

    def one(self, place: int) -> Answer:
        decisive, is_known = self._decisive, True
        for test in self._tests:
            answer = test.one(place)
            if answer is decisive:
                return decisive
            if answer is None:
                is_known = False
        return (not decisive) if is_known else None

    def many(self, start: int, stop: int) -> bytes:
        count = stop - start
        joined, *others = (int.from_bytes(test.many(start, stop), "little") for test in self._tests)
        for answers in others:
            joined = joined | answers if self._decisive else joined & answers
        return joined.to_bytes(count, "little")


def none_of(maker: ColumnMaker | None) -> ColumnMaker | None:
    return None if maker is None else lambda table: _Negated(maker(table))


def all_of(makers: Sequence[ColumnMaker | None]) -> ColumnMaker | None:
    return _joined(makers, decisive=False)


def any_of(makers: Sequence[ColumnMaker | None]) -> ColumnMaker | None:
    return _joined(makers, decisive=True)


def _joined(makers: Sequence[ColumnMaker | None], decisive: bool) -> ColumnMaker | None:
    present = [each for each in makers if each is not None]
    if not present:
        return None
    if len(present) < len(makers):
        present.append(lambda table: _Unknown())
    return lambda table: _Joined([each(table) for each in present], decisive)
