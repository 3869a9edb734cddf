"""What the user has set for how single flows are shown, by flow and key. `fullcontents` is the one that the console heeds."""

from __future__ import annotations

from typing import Final

from interceptor.model.flow import Flow

FULL_CONTENTS: Final = "fullcontents"
"""All of a body or conversation is pretty-printed, however much it is."""

ON: Final = "true"


class FlowSettings:
    def __init__(self) -> None:
        self._values: dict[tuple[int, str], str] = {}

    def get(self, flow: Flow, key: str, default: str = "") -> str:
        return self._values.get((flow.id, key), default)

    def set(self, flow: Flow, key: str, value: str) -> None:
        self._values[flow.id, key] = value

    def is_on(self, flow: Flow, key: str) -> bool:
        return self.get(flow, key) == ON

    def toggle(self, flow: Flow, key: str) -> None:
        self.set(flow, key, "false" if self.is_on(flow, key) else ON)

    def forget(self, flows: list[Flow]) -> None:
        """They are gone."""
        gone = {flow.id for flow in flows}
        for key in [key for key in self._values if key[0] in gone]:
            del self._values[key]
