"""What the user has set for how single flows are shown, by flow and key. `fullcontents` is the one that the console heeds."""

from __future__ import annotations

from collections.abc import Sequence
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

    def forget(self, flow_ids: Sequence[int]) -> None:
        """They are gone."""
        if not self._values:
            return
        gone = set(flow_ids)
        for key in [key for key in self._values if key[0] in gone]:
            del self._values[key]

    def clear(self) -> None:
        self._values.clear()
