"""The real program as the pictures show it: the sample's flows on its list, or none; a clock that stands still.

python -m tests.screens.program flows | empty  ARGUMENTS…
"""

from __future__ import annotations

import sys
import time

from tests.screens.sample import NOW, sample

clock = [NOW - 62.0]
time.time = lambda: clock[0]  # before anyone keeps a reference to it

from interceptor import app, cli  # noqa: E402
from interceptor.model.hooks import FORWARD, RequestReady, ResponseReady  # noqa: E402
from interceptor.proxy.listeners import Listeners  # noqa: E402

ADDRESS = "127.0.0.1:8080"
"""What the pictures say, whichever port was free."""

EVENTS = (
    (61.8, "info", "config.yaml was read: 2 options"),
    (58.6, "error", "images.partner.example refused the connection (203.0.113.77:443)"),
    (58.3, "warn", "The certificate of self-signed.example is not trusted: self-signed certificate"),
    (51.0, "alert", "intercept: ~u /v2/payments | (~s & ~u /v2/orders/A)"),
    (43.0, "info", "4 flows written to /home/ada/shop.flows"),
)


def listen_anywhere() -> None:
    """The options say what a user's say; the port is one that is free."""
    apply = Listeners.apply
    Listeners.apply = lambda self, modes, host, port: apply(self, modes, host, 0)  # type: ignore[method-assign]
    Listeners.describe = lambda self: [ADDRESS]  # type: ignore[method-assign]


class Shown(app.App):
    def start(self) -> None:
        super().start()
        made = sample()
        for flow in made.flows:
            flow.is_live = flow.is_live or flow in (*made.held, *made.held_responses)
            self.store.add(flow)
        holds = [RequestReady(flow) for flow in made.held], [ResponseReady(flow) for flow in made.held_responses]
        for hook in (*holds[0], *holds[1]):
            self.intercept.decide(hook, FORWARD, lambda verdict: None)
        self._say()

    def _say(self) -> None:
        for seconds_ago, level, message in EVENTS:
            clock[0] = NOW - seconds_ago
            self.eventlog.add(level, message)
        clock[0] = NOW


def main() -> int:
    what, sys.argv[1:] = sys.argv[1], sys.argv[2:]
    listen_anywhere()
    if what == "flows":
        app.App = Shown  # type: ignore[misc]
    else:
        clock[0] = NOW
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
