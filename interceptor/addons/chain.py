"""The chain of addons: asks everyone who has a say in a hook, in a fixed order, interception last.

    access ─▸ rules ─▸ scripts ─▸ the user's interception ─▸ verdict

An addon is any object with methods named after hooks: `client_connected(client, mode)`, `socks5_auth(client, user, password)`,
`http_connect(flow)`, `requestheaders(flow)`, `request(flow)`, `responseheaders(flow)`, `response(flow)`,
`tcp_message(flow, from_client, data)`, `udp_message(flow, from_client, data)`, `dns_request(flow)`, `dns_response(flow)`,
`websocket_message(flow, from_client, opcode, data)`.
Each returns a verdict, None for no say, or a coroutine that does: then this hook alone waits for it. The first that is not a
`Forward` ends the round. An addon whose say comes and goes has an attribute `hooks`, the names of those that it has a say in now,
and whoever changes it calls `refresh`. Who has a say in `request` or `response` gets every body whole, unless its attribute
`collects_itself` is true: then it asks for bodies at the heads, flow by flow. An addon with a method `concerns(flow)` has a say
about those flows only. A hook in which nobody has a say costs a dictionary look-up. An addon that raises is reported and counts
as having no say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from enum import IntEnum
from typing import Any, Final

from interceptor.addons.intercept import Intercept
from interceptor.model.flow import HttpFlow
from interceptor.model.hooks import (
    FORWARD,
    ClientConnected,
    Collect,
    ConnectRequested,
    DatagramReceived,
    DnsHook,
    DnsRequest,
    DnsResponse,
    Forward,
    Hook,
    HttpHook,
    MessageReceived,
    RequestHead,
    RequestReady,
    ResponseHead,
    ResponseReady,
    SocksLogin,
    Verdict,
    WebSocketMessageBegun,
    WebSocketMessageReceived,
)

NAMES: Final[dict[type[Hook], str]] = {
    ClientConnected: "client_connected",
    SocksLogin: "socks5_auth",
    ConnectRequested: "http_connect",
    RequestHead: "requestheaders",
    RequestReady: "request",
    ResponseHead: "responseheaders",
    ResponseReady: "response",
    MessageReceived: "tcp_message",
    DatagramReceived: "udp_message",
    DnsRequest: "dns_request",
    DnsResponse: "dns_response",
    WebSocketMessageBegun: "websocket_message_begun",
    WebSocketMessageReceived: "websocket_message",
}
_WANTS_WHOLE: Final = {RequestHead: "request", ResponseHead: "response", WebSocketMessageBegun: "websocket_message"}
"""Whoever has a say about a message with its body makes the head ask for the body."""

Said = Verdict | None
Method = Callable[..., Said | Coroutine[Any, Any, Said]]
Concerns = Callable[[HttpFlow], bool]


class Place(IntEnum):
    """Where in the chain an addon stands; those of one place are asked in the order in which they were added."""

    ACCESS = 0
    RULES = 1
    SCRIPTS = 2


class Chain:
    """Implements `model.hooks.Decider`. `report` tells the event log of an addon that raised, and at which flow."""

    def __init__(
        self, addons: Sequence[object], intercept: Intercept, report: Callable[[str, BaseException, int | None], None]
    ) -> None:
        """`addons` are those of the first place."""
        self._intercept, self._report = intercept, report
        self._addons: list[tuple[Place, object]] = [(Place.ACCESS, addon) for addon in addons]
        self._by_hook: dict[type[Hook], list[Method]] = {}
        self._concerned: dict[type[Hook], list[Concerns]] = {}  # hooks in which only those have a say that do not have it always
        self._collecting: frozenset[type[Hook]] = frozenset()
        self._thinking: dict[Hook, asyncio.Task[None]] = {}
        self.refresh()

    # --- who is asked -----------------------------------------------------------------------------------------

    def add(self, addon: object, place: Place) -> None:
        self._addons.append((place, addon))
        self._addons.sort(key=lambda placed: placed[0])
        self.refresh()

    def remove(self, addon: object) -> None:
        """Nothing if it is not there. What it was asked already it may still answer."""
        self._addons = [placed for placed in self._addons if placed[1] is not addon]
        self.refresh()

    def refresh(self) -> None:
        """Looks anew at who has a say in what."""
        by_name: dict[str, list[Method]] = {}
        by_flow: dict[str, list[Concerns | None]] = {}
        collecting: set[str] = set()
        for _, addon in self._addons:
            names = getattr(addon, "hooks", None)
            for name in NAMES.values():
                if hasattr(addon, name) and (names is None or name in names):
                    by_name.setdefault(name, []).append(getattr(addon, name))
                    by_flow.setdefault(name, []).append(getattr(addon, "concerns", None))
                    if not getattr(addon, "collects_itself", False):
                        collecting.add(name)
        self._collecting = frozenset(kind for kind, name in _WANTS_WHOLE.items() if name in collecting)
        self._by_hook = {
            kind: by_name.get(name, []) for kind, name in NAMES.items() if name in by_name or kind in self._collecting
        }

        self._concerned = {
            kind: [concerns for concerns in by_flow.get(name, []) if concerns is not None]
            for kind, name in NAMES.items()
            if issubclass(kind, HttpHook) and name in by_name and kind not in self._collecting and None not in by_flow[name]
        }

    # --- asking -----------------------------------------------------------------------------------------------

    def heeds(self, hook: Hook) -> bool:
        if self._intercept.is_active:
            return True
        kind = type(hook)
        if (concerned := self._concerned.get(kind)) is None:
            return kind in self._by_hook
        flow: HttpFlow = hook.flow  # type: ignore[attr-defined]
        for concerns in concerned:  # noqa: SIM110 - on the path of every request
            if concerns(flow):
                return True
        return False

    def decide(self, hook: Hook, answer: Callable[[Verdict], None]) -> Verdict | None:
        methods = self._by_hook.get(type(hook))
        if methods is None and not self._intercept.is_active:
            return FORWARD
        so_far = Forward(Collect.WHOLE) if type(hook) in self._collecting else FORWARD
        return self._ask_from(0, methods or (), hook, so_far, answer)

    def withdraw(self, hook: Hook) -> None:
        if task := self._thinking.pop(hook, None):
            task.cancel()
        self._intercept.withdraw(hook)

    def _ask_from(
        self, place: int, methods: Sequence[Method], hook: Hook, verdict: Forward, answer: Callable[[Verdict], None]
    ) -> Verdict | None:
        """The rest of a round, given what was said so far; None if the answer comes later."""
        for index in range(place, len(methods)):
            said = self._ask(methods[index], hook, verdict)
            if isinstance(said, Coroutine):
                rest = self._wait(said, index + 1, methods, hook, verdict, answer)
                self._thinking[hook] = asyncio.get_running_loop().create_task(rest)
                return None
            if isinstance(said, Forward):
                verdict = _joined(verdict, said)
            elif said is not None:
                return said
        return self._intercept.decide(hook, verdict, answer) if self._intercept.is_active else verdict

    async def _wait(
        self,
        thought: Coroutine[Any, Any, Said],
        place: int,
        methods: Sequence[Method],
        hook: Hook,
        verdict: Forward,
        answer: Callable[[Verdict], None],
    ) -> None:
        try:
            said = await thought
        except Exception as error:
            self._report(f"{methods[place - 1].__qualname__} failed", error, _flow_id(hook))
            said = None
        self._thinking.pop(hook, None)
        final: Verdict | None = said
        if said is None or isinstance(said, Forward):
            final = self._ask_from(place, methods, hook, verdict if said is None else _joined(verdict, said), answer)
        if final is not None:
            answer(final)

    def _ask(self, method: Method, hook: Hook, verdict: Forward) -> Said | Coroutine[Any, Any, Said]:
        arguments: tuple[Any, ...]
        match hook:
            case WebSocketMessageReceived(flow=flow, from_client=from_client, opcode=opcode, data=data):
                arguments = flow, from_client, opcode, data if verdict.data is None else verdict.data
            case HttpHook(flow=flow):
                arguments = (flow,)
            case DnsHook(flow=dns_flow):
                arguments = (dns_flow,)
            case ClientConnected(client=client, mode=mode):
                arguments = client, mode
            case SocksLogin(client=client, user=user, password=password):
                arguments = client, user, password
            case MessageReceived(flow=tcp_flow, from_client=from_client, data=data):
                arguments = tcp_flow, from_client, data if verdict.data is None else verdict.data
            case _:
                return None
        try:
            return method(*arguments)
        except Exception as error:  # somebody else's code: it must not end the connection
            self._report(f"{getattr(method, '__qualname__', method)} failed", error, _flow_id(hook))
            return None


def _flow_id(hook: Hook) -> int | None:
    flow = getattr(hook, "flow", None)
    return flow.id if flow is not None else None


def _joined(one: Forward, other: Forward) -> Forward:
    """Both want to go on: the body streams if either insists, else it is collected if either wants it; the last edit of a message
    counts."""
    wishes = (one.collect, other.collect)
    strongest = (Collect.STREAM, Collect.WHOLE, Collect.FOR_HOLD)
    collect = next((wish for wish in strongest if wish in wishes), Collect.NO)
    return Forward(collect, one.data if other.data is None else other.data)
