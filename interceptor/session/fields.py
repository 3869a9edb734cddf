"""Header fields that flows have in common, kept once.

Most fields of most messages have been seen before (`Server: nginx`, `Accept: */*`), and a field costs some 160 bytes as objects.
Flows that have ended have their fields replaced by equal ones of earlier flows: that halves what a small flow takes.
"""

from __future__ import annotations

from typing import Final

from interceptor.model.http import Field

FIELD_BYTES: Final = 140
"""What a field takes beside its characters: a tuple of two byte strings."""
_POOLED: Final = 16_384
_LONGEST: Final = 128  # longer values are tokens and cookies, which are one flow's own


class FieldPool:
    """Bounded: when it is full it starts anew, and what flows share already they go on sharing."""

    def __init__(self) -> None:
        self._seen: dict[Field, Field] = {}

    def share(self, fields: list[Field]) -> int:
        """Replaces fields, in place, by equal ones that were seen before. About how many bytes the others take."""
        seen, weight = self._seen, 0
        if len(seen) > _POOLED:
            seen.clear()
        for index, field in enumerate(fields):
            size = len(field[1])
            if size <= _LONGEST:
                known = seen.setdefault(field, field)
                if known is not field:
                    fields[index] = known
                    continue
            weight += FIELD_BYTES + size + len(field[0])
        return weight
