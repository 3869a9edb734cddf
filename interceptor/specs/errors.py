"""What a person typed was wrong: the one exception that ends as a sentence on the screen instead of a traceback."""

from __future__ import annotations


class UserError(Exception):
    """`message` is one sentence that says what is wrong and what would be right; `position` is where in the text, if known."""

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
