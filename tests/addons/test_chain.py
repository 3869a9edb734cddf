"""Who is asked, in which order, and what becomes of the answers; coroutines on a loop of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from interceptor.addons.chain import Chain, Place
from interceptor.addons.intercept import Intercept
from interceptor.model.flow import HttpFlow, TcpFlow
from interceptor.model.hooks import (
    FORWARD,
    Collect,
    Forward,
    Hook,
    Kill,
    MessageReceived,
    RequestHead,
    RequestReady,
    Respond,
    ResponseHead,
    Verdict,
)
from interceptor.model.http import Request, Response
from interceptor.specs.filter import parse


class Failures(list[str]):
    def report(self, message: str, error: BaseException, flow_id: int | None) -> None:
        self.append(f"{message}: {error} at flow {flow_id}")


class Addon:
    """Says what it was made with, by hook, and notes that it was asked."""

    def __init__(self, name: str, asked: list[str], **says: Any) -> None:
        for hook, said in says.items():
            setattr(self, hook, self._method(name, asked, said))

    @staticmethod
    def _method(name: str, asked: list[str], said: Any) -> Callable[..., Any]:
        def method(*arguments: object) -> Any:
            asked.append(name)
            if isinstance(said, Exception):
                raise said
            return said(*arguments) if callable(said) else said

        return method


def flow() -> HttpFlow:
    return HttpFlow(1, request=Request("GET", "http", "example.com", 80, b"/"))


def chain_of(*addons: object, intercept: Intercept | None = None, failures: Failures | None = None) -> Chain:
    return Chain(addons, intercept or Intercept(), (failures if failures is not None else Failures()).report)


def at_once(chain: Chain, hook: Hook) -> Verdict | None:
    def never(verdict: Verdict) -> None:
        raise AssertionError(f"answered twice: {verdict}")

    return chain.decide(hook, never)


def test_nobody_has_a_say() -> None:
    assert at_once(chain_of(object()), RequestHead(flow())) is FORWARD


def test_what_is_heeded() -> None:
    chain = chain_of(Addon("1", [], request=None))
    assert [chain.heeds(kind(flow())) for kind in (RequestHead, RequestReady, ResponseHead)] == [True, True, False]


def test_who_is_concerned_by_some_flows_only_is_asked_about_those() -> None:
    some = Addon("some", [], requestheaders=None)
    some.concerns = lambda flow: flow.request.host == "ours"  # type: ignore[attr-defined]
    chain, ours, other = chain_of(some), flow(), flow()
    ours.request.host = "ours"
    assert chain.heeds(RequestHead(ours)) and not chain.heeds(RequestHead(other))
    everything = Addon("all", [], requestheaders=None)
    chain.add(everything, Place.RULES)
    assert chain.heeds(RequestHead(other))
    chain.remove(everything)
    assert not chain.heeds(RequestHead(other))
    chain.add(Addon("bodies", [], request=None), Place.RULES)
    assert chain.heeds(RequestHead(other)), "the head asks for the body"


def test_who_intercepts_heeds_everything() -> None:
    intercept = Intercept()
    intercept.filter = parse("~all")
    assert chain_of(intercept=intercept).heeds(ResponseHead(flow()))


def test_places_come_before_the_order_of_adding() -> None:
    asked: list[str] = []
    chain = chain_of(Addon("access", asked, request=None))
    chain.add(Addon("script", asked, request=None), Place.SCRIPTS)
    chain.add(Addon("rule 1", asked, request=None), Place.RULES)
    chain.add(Addon("rule 2", asked, request=None), Place.RULES)
    assert at_once(chain, RequestReady(flow())) == FORWARD
    assert asked == ["access", "rule 1", "rule 2", "script"]


def test_what_ends_a_round() -> None:
    asked: list[str] = []
    verdict = Kill("no")
    chain = chain_of(Addon("1", asked, request=FORWARD), Addon("2", asked, request=verdict), Addon("3", asked, request=None))
    assert at_once(chain, RequestReady(flow())) is verdict
    assert asked == ["1", "2"]


def test_who_wants_the_message_makes_the_head_ask_for_its_body() -> None:
    chain = chain_of(Addon("1", [], request=None))
    assert at_once(chain, RequestHead(flow())) == Forward(Collect.WHOLE)


def test_streaming_is_stronger_than_collecting() -> None:
    chain = chain_of(Addon("1", [], requestheaders=Forward(Collect.STREAM)), Addon("2", [], request=None))
    assert at_once(chain, RequestHead(flow())) == Forward(Collect.STREAM)


def test_an_addon_comes_and_goes() -> None:
    asked: list[str] = []
    addon = Addon("late", asked, request=None)
    chain = chain_of()
    chain.add(addon, Place.RULES)
    at_once(chain, RequestReady(flow()))
    chain.remove(addon)
    assert at_once(chain, RequestReady(flow())) is FORWARD
    assert at_once(chain, RequestHead(flow())) is FORWARD
    assert asked == ["late"]


def test_a_say_that_comes_and_goes() -> None:
    asked: list[str] = []
    addon = Addon("rule", asked, request=None, requestheaders=None)
    addon.hooks = {"requestheaders"}  # type: ignore[attr-defined]
    chain = chain_of(addon)
    assert at_once(chain, RequestHead(flow())) == FORWARD  # nobody wants the body
    addon.hooks = {"request"}  # type: ignore[attr-defined]
    chain.refresh()
    assert at_once(chain, RequestHead(flow())) == Forward(Collect.WHOLE)
    assert asked == ["rule"]


def test_each_sees_the_message_as_those_before_left_it() -> None:
    def shout(flow: object, from_client: bool, data: bytes) -> Forward:
        return Forward(data=data.upper())

    def again(flow: object, from_client: bool, data: bytes) -> Forward:
        return Forward(data=data + data)

    chain = chain_of(Addon("1", [], tcp_message=shout), Addon("2", [], tcp_message=again))
    assert at_once(chain, MessageReceived(TcpFlow(1), True, b"ab")) == Forward(data=b"ABAB")


def test_an_addon_that_raises_has_no_say() -> None:
    failures = Failures()
    asked: list[str] = []
    chain = chain_of(Addon("1", asked, request=ValueError("oh")), Addon("2", asked, request=None), failures=failures)
    assert at_once(chain, RequestReady(flow())) == FORWARD
    assert asked == ["1", "2"]
    assert [failure.endswith("failed: oh at flow 1") for failure in failures] == [True]


class Thinker:
    """An addon that answers when it is told to."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.is_asked = asyncio.Event()
        self.said: Verdict | Exception | None = None
        self.was_cancelled = False

    async def request(self, flow: HttpFlow) -> Verdict | None:
        self.is_asked.set()
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 10))


@pytest.mark.parametrize("said", [None, FORWARD, ValueError("oh")])
def test_a_round_goes_on_when_a_coroutine_has_answered(said: Verdict | Exception | None) -> None:
    async def test() -> None:
        thinker, asked, failures = Thinker(), list[str](), Failures()
        answers: asyncio.Queue[Verdict] = asyncio.Queue()
        chain = chain_of(thinker, Addon("next", asked, request=None), failures=failures)
        assert chain.decide(RequestReady(flow()), answers.put_nowait) is None
        await thinker.is_asked.wait()
        assert asked == []
        thinker.said = said
        thinker.may_answer.set()
        assert await answers.get() == FORWARD
        assert asked == ["next"]
        assert failures == (["Thinker.request failed: oh at flow 1"] if isinstance(said, Exception) else [])

    run(test)


def test_a_coroutine_may_end_the_round() -> None:
    async def test() -> None:
        thinker, asked = Thinker(), list[str]()
        answers: asyncio.Queue[Verdict] = asyncio.Queue()
        chain = chain_of(thinker, Addon("next", asked, request=None))
        chain.decide(RequestReady(flow()), answers.put_nowait)
        thinker.said = Respond(Response(200))
        thinker.may_answer.set()
        assert await answers.get() is thinker.said
        assert asked == []

    run(test)


def test_interception_comes_after_a_coroutine() -> None:
    async def test() -> None:
        thinker, intercept = Thinker(), Intercept()
        intercept.filter = parse("~all")
        answers: asyncio.Queue[Verdict] = asyncio.Queue()
        chain = chain_of(thinker, intercept=intercept)
        subject = flow()
        chain.decide(RequestReady(subject), answers.put_nowait)
        thinker.may_answer.set()
        while not intercept.held():
            await asyncio.sleep(0)
        intercept.resume(subject)
        assert await answers.get() is FORWARD

    run(test)


def test_a_withdrawn_question_is_thought_about_no_longer() -> None:
    async def test() -> None:
        thinker = Thinker()
        chain = chain_of(thinker)
        hook = RequestReady(flow())
        assert at_once(chain, hook) is None
        await thinker.is_asked.wait()
        chain.withdraw(hook)
        while not thinker.was_cancelled:
            await asyncio.sleep(0)

    run(test)
