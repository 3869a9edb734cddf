"""Flows for the tests of rules, and the hooks of a flow asked of addons as an exchange asks them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from interceptor.addons.chain import Chain, Place
from interceptor.addons.intercept import Intercept
from interceptor.model.body import MemoryBody
from interceptor.model.flow import HttpFlow
from interceptor.model.hooks import (
    Collect,
    Forward,
    Hook,
    RequestHead,
    RequestReady,
    Respond,
    ResponseHead,
    ResponseReady,
    Verdict,
)
from interceptor.model.http import Field, Headers, Request, Response
from interceptor.options import Options
from interceptor.specs.errors import UserError


def flow_of(url: str = "http://example.com/", method: str = "GET", body: bytes = b"", fields: Sequence[Field] = ()) -> HttpFlow:
    request = Request(method, "http", "example.com", 80, b"/", headers=Headers([(b"Host", b"example.com"), *fields]))
    request.set_url(url)
    if body:
        request.set_content(body)
    return HttpFlow(1, mode="regular", request=request)


def answered(flow: HttpFlow, body: bytes = b"", status: int = 200, fields: Sequence[Field] = (), at: float = 0.0) -> HttpFlow:
    flow.response = Response(status, b"OK", headers=Headers(fields), body=MemoryBody(body), timestamp_start=at)
    return flow


def noted(flow: HttpFlow) -> list[str]:
    return flow.noted_by_rules()


class Exchanges:
    """A chain with one addon, kept as the app keeps it. `collected` says of the last message whether its body was collected."""

    def __init__(self, make: Callable[[Options], object], **options: object) -> None:
        self.options = Options(**options)
        self.addon = make(self.options)
        self.chain = Chain([], Intercept(), self._failed)
        self.chain.add(self.addon, Place.RULES)
        self.options.subscribe(lambda options, names: self.chain.refresh())
        self.collected = False

    def _failed(self, message: str, error: BaseException, flow_id: int | None) -> None:
        raise AssertionError(message) from error

    def set(self, **options: object) -> None:
        self.options.update(**options)

    def refused(self, **options: object) -> str:
        try:
            self.options.update(**options)
        except UserError as error:
            return error.message
        raise AssertionError("it was not refused")

    def request(self, flow: HttpFlow) -> Verdict:
        return self._both(RequestHead(flow), RequestReady(flow))

    def response(self, flow: HttpFlow) -> Verdict:
        return self._both(ResponseHead(flow), ResponseReady(flow))

    def answer(self, flow: HttpFlow) -> Response:
        verdict = self.request(flow)
        assert isinstance(verdict, Respond)
        return verdict.response

    def _both(self, head: Hook, ready: Hook) -> Verdict:
        verdict = self._decide(head)
        self.collected = isinstance(verdict, Forward) and verdict.collect is Collect.WHOLE
        return self._decide(ready) if self.collected else verdict

    def _decide(self, hook: Hook) -> Verdict:
        verdict = self.chain.decide(hook, self._later)
        assert verdict is not None
        return verdict

    def _later(self, verdict: Verdict) -> None:
        raise AssertionError("an answer came later")

    def has_no_say(self) -> bool:
        """Whether the chain asks nobody about anything: what is said then is the same object for every hook."""
        flow = answered(flow_of())
        hooks = (RequestHead(flow), RequestReady(flow), ResponseHead(flow), ResponseReady(flow))
        return not any(type(hook) in self.chain._by_hook for hook in hooks)
