"""The chain of addons: asks everyone who has a say in a hook, in a fixed order, interception last.

    rules and access (in the order given) ─▸ the user's interception ─▸ verdict

An addon is any object with methods named after hooks: `client_connected(client, mode)`, `http_connect(flow)`,
`requestheaders(flow)`, `request(flow)`, `responseheaders(flow)`, `response(flow)`, `tcp_message(flow, from_client, data)`.
Each returns a verdict, or None for no say. The first that is not a `Forward` ends the round. A hook in which nobody has a say
costs a dictionary look-up. An addon that raises is reported and counts as having no say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from interceptor.addons.intercept import Intercept
from interceptor.model.hooks import (
    FORWARD,
    ClientConnected,
    Collect,
    ConnectRequested,
    Forward,
    Hook,
    HttpHook,
    MessageReceived,
    RequestHead,
    RequestReady,
    ResponseHead,
    ResponseReady,
    Verdict,
)

_NAMES: Final[dict[type[Hook], str]] = {
    ClientConnected: "client_connected",
    ConnectRequested: "http_connect",
    RequestHead: "requestheaders",
    RequestReady: "request",
    ResponseHead: "responseheaders",
    ResponseReady: "response",
    MessageReceived: "tcp_message",
}
_WANTS_WHOLE: Final = {RequestHead: "request", ResponseHead: "response"}
"""Whoever has a say about a message with its body makes the head ask for the body."""


class Chain:
    """Implements `model.hooks.Decider`. `report` tells the event log of an addon that raised."""

    def __init__(
        self, addons: Sequence[object], intercept: Intercept, report: Callable[[str, BaseException], None]
    ) -> None:
        self._intercept, self._report = intercept, report
        self._by_hook: dict[type[Hook], list[Callable[..., Verdict | None]]] = {}
        for kind, name in _NAMES.items():
            methods = [getattr(addon, name) for addon in addons if hasattr(addon, name)]
            if methods:
                self._by_hook[kind] = methods
        self._collecting = frozenset(
            kind for kind, name in _WANTS_WHOLE.items() if any(hasattr(addon, name) for addon in addons)
        )

    def decide(self, hook: Hook, answer: Callable[[Verdict], None]) -> Verdict | None:
        kind = type(hook)
        methods = self._by_hook.get(kind)
        if methods is None and not self._intercept.is_active:
            return FORWARD
        verdict: Verdict = FORWARD
        for method in methods or ():
            said = self._ask(method, hook)
            if isinstance(said, Forward):
                verdict = _stronger(verdict, said) if isinstance(verdict, Forward) else said
            elif said is not None:
                return said
        if kind in self._collecting:
            verdict = Forward(Collect.WHOLE)
        if not self._intercept.is_active or not isinstance(verdict, Forward):
            return verdict
        return self._intercept.decide(hook, verdict, answer)

    def withdraw(self, hook: Hook) -> None:
        self._intercept.withdraw(hook)

    def _ask(self, method: Callable[..., Verdict | None], hook: Hook) -> Verdict | None:
        arguments: tuple[Any, ...]
        match hook:
            case HttpHook(flow=flow):
                arguments = (flow,)
            case ClientConnected(client=client, mode=mode):
                arguments = client, mode
            case MessageReceived(flow=tcp_flow, from_client=from_client, data=data):
                arguments = tcp_flow, from_client, data
            case _:
                return None
        try:
            return method(*arguments)
        except Exception as error:  # somebody else's code: it must not end the connection
            self._report(f"{getattr(method, '__qualname__', method)} failed", error)
            return None


def _stronger(one: Verdict, other: Forward) -> Forward:
    """Both want to go on: the body is collected if either wants it, an edit of a message is kept."""
    assert isinstance(one, Forward)
    collect = Collect.WHOLE if Collect.WHOLE in (one.collect, other.collect) else other.collect
    return Forward(collect, other.data if other.data is not None else one.data)
