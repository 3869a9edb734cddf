"""The real program whose list is long before it starts: `python -m tests.support.filled_console COUNT ARGUMENTS…`."""

from __future__ import annotations

import sys

from interceptor import app, cli
from tests.support.many_flows import fill


def main() -> int:
    count = int(sys.argv[1])
    start = app.App.start

    def start_filled(self: app.App) -> None:
        start(self)
        fill(self.store, count)

    app.App.start = start_filled  # type: ignore[method-assign]
    return cli.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
