"""Requests answered with recorded responses: the option `server_replay` and those that begin with it, and `replay.server…`.

    files, flows ─▸ request's key ─▸ responses, in the order of their recording
    request      ─▸ request's key ─▸ the next one, its dates as of now        none: server_replay_extra says what to do

Each response is used once, unless they are reused. Replay is in force from when it is given flows until it is stopped, also when
all responses were used: what comes then is extra. A change of `server_replay` reads the files anew; they are read at once, so
that no request slips through to a server meanwhile. A change of what counts as the same request sorts the recorded ones anew.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from typing import Final

from interceptor.addons.answers import answer
from interceptor.addons.cookies import shift_set_cookie, shift_time, time_of
from interceptor.addons.replay_matching import OPTIONS as MATCHING_OPTIONS
from interceptor.addons.replay_matching import Matching
from interceptor.addons.rule_addon import note
from interceptor.model.flow import Flow, HttpFlow
from interceptor.model.hooks import Kill, Respond, Verdict
from interceptor.model.http import Response
from interceptor.options import Options

ReadFlows = Callable[[str], Iterable[Flow]]
"""The flows of the file of that path. UserError if it cannot be read."""

_DATES: Final = ("Date", "Expires", "Last-Modified")
_DEPRECATED: Final = {
    "server_replay_kill_extra": "server_replay_extra=kill",
    "server_replay_nopop": "server_replay_reuse",
}
_log = logging.getLogger(__name__)


class ServerReplay:
    """An addon. `on_change` is called when its say in hooks may be another than before."""

    def __init__(self, options: Options, read_flows: ReadFlows, clock: Callable[[], float] = time.time) -> None:
        self._options, self._read_flows, self._clock = options, read_flows, clock
        self._matching = Matching.of(options)
        self._responses: dict[Hashable, deque[HttpFlow]] = {}
        self.count = 0
        """Responses that are left."""
        self.is_active = False
        self.on_change: Callable[[], None] = lambda: None
        self._options_changed(options, {name for name in ("server_replay", *_DEPRECATED) if getattr(options, name)})
        options.subscribe(self._options_changed)

    # --- what is replayed -------------------------------------------------------------------------------------

    def load(self) -> None:
        """The files of the option, read anew, and nothing else. UserError if one cannot be read: then all is as it was."""
        self.replace([flow for path in self._options.server_replay for flow in self._read_flows(path)])
        self.is_active = bool(self._options.server_replay)
        self.on_change()

    def replace(self, flows: Iterable[Flow]) -> int:
        """Replays these and nothing else; how many there are that have a response. None of them ends the replay."""
        self._responses, self.count = {}, 0
        self.is_active = False
        return self.add(flows)

    def add(self, flows: Iterable[Flow]) -> int:
        added = 0
        for flow in flows:
            if isinstance(flow, HttpFlow) and _is_usable(flow):
                self._responses.setdefault(self._matching.key_of(flow.request), deque()).append(flow)
                added += 1
        self.count += added
        self.is_active = self.is_active or added > 0
        self.on_change()
        return added

    def stop(self) -> None:
        self.replace(())

    def _options_changed(self, options: Options, names: set[str]) -> None:
        for name, better in _DEPRECATED.items():
            if name in names and getattr(options, name):
                _log.warning("%s is an old name: use %s", name, better)
        if names & MATCHING_OPTIONS:
            self._matching = Matching.of(options)
            if "server_replay" not in names:
                was_active, kept = self.is_active, list(self._flows())
                self.replace(kept)
                self.is_active = was_active
        if "server_replay" in names:
            self.load()
        self.on_change()

    def _flows(self) -> Iterator[HttpFlow]:
        for flows in self._responses.values():
            yield from flows

    # --- hooks ------------------------------------------------------------------------------------------------

    @property
    def hooks(self) -> Collection[str]:
        """The body of a request is collected only where it counts."""
        if not self.is_active:
            return ()
        return ("requestheaders",) if self._matching.ignores_content else ("request",)

    def requestheaders(self, flow: HttpFlow) -> Verdict | None:
        return self._decide(flow)

    def request(self, flow: HttpFlow) -> Verdict | None:
        return self._decide(flow)

    def _decide(self, flow: HttpFlow) -> Verdict | None:
        is_comparable = flow.body_is_editable or self._matching.ignores_content
        recorded = self._next(self._matching.key_of(flow.request)) if is_comparable else None
        if recorded is not None and recorded.response is not None:
            note(flow, "server_replay: answered with a recorded response")
            flow.metadata["is_replay"] = "response"
            return Respond(self._as_of_now(recorded.response))
        extra = "kill" if self._options.server_replay_kill_extra else self._options.server_replay_extra
        if extra == "forward":
            return None
        note(flow, f"server_replay: no recorded response ({extra})")
        if extra == "kill":
            _log.warning(
                "server_replay: no recorded response for %s %s",
                flow.request.method,
                flow.request.pretty_url,
                extra={"flow_id": flow.id},
            )
            return Kill("There is no recorded response for this request, and server_replay_extra is kill.")
        return Respond(answer(int(extra)))

    def _next(self, key: Hashable) -> HttpFlow | None:
        flows = self._responses.get(key)
        if not flows:
            return None
        if self._options.server_replay_reuse or self._options.server_replay_nopop:
            return flows[0]
        flow = flows.popleft()
        self.count -= 1
        if not flows:
            del self._responses[key]
        return flow

    def _as_of_now(self, recorded: Response) -> Response:
        response, now = recorded.copy(), self._clock()
        if self._options.server_replay_refresh:
            refresh(response, now)
        response.timestamp_start = response.timestamp_end = now
        return response


def _is_usable(flow: HttpFlow) -> bool:
    response = flow.response
    if response is None or response.status_code < 200 or flow.is_upgraded or flow.request.method == "CONNECT":
        return False
    return not response.body.is_truncated and not flow.is_live


def refresh(response: Response, now: float) -> None:
    """Its dates and the expiry of its cookies are as much later as it is older."""
    recorded_at = response.timestamp_start or time_of(response.headers.get("date") or "")
    if not recorded_at:
        return
    seconds = now - recorded_at
    headers = response.headers
    for name in _DATES:
        if (date := headers.get(name)) is not None and (shifted := shift_time(date, seconds)) is not None:
            headers[name] = shifted
    cookies: Sequence[str] = headers.get_all("set-cookie")
    if cookies:
        headers.set_all("Set-Cookie", [shift_set_cookie(field, seconds) for field in cookies])
