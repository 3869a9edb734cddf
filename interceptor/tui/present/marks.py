"""What the user and the program have noted about a flow, as signs: its marker, that it is a replay, that it was modified."""

from __future__ import annotations

from typing import Final

from interceptor.model.flow import Flow
from interceptor.tui.present.markers import marker_sign
from interceptor.tui.present.text import Line, to_width

HELD: Final = "❚❚"
"""Not U+23F8: few terminal fonts have it, and those that do draw it as an emoji of unknown width."""
REPLAYED: Final = "↺"
MODIFIED: Final = "✎"
COMMENTED: Final = "“"


def mark_cells(flow: Flow, columns: int) -> Line:
    """Exactly `columns`: 4 for all signs, 2 for the most telling one."""
    marker = marker_sign(flow.marker)
    is_replayed = flow.replay_of is not None or flow.metadata.get("is_replay") == "response"
    replay = REPLAYED if is_replayed else ""
    noted = MODIFIED if flow.is_modified else COMMENTED if flow.comment else ""
    if columns >= 4:
        return [("marker", to_width(marker, 2)), ("replay", replay or " "), ("modified", to_width(noted, columns - 3))]
    if marker:
        return [("marker", to_width(marker, columns))]
    return [("replay", to_width(replay, columns))] if replay else [("modified", to_width(noted, columns))]
