"""What is said when the console ended by a failure: one sentence, and the traceback in a file."""

from __future__ import annotations

import os
import tempfile
import traceback


def crash_note(error: BaseException) -> str:
    """The sentence; it says where the traceback is, or is the traceback if no file can be made."""
    trace = "".join(traceback.format_exception(error))
    try:
        number, path = tempfile.mkstemp(prefix="interceptor-crash-", suffix=".txt")
        with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(trace)
    except OSError:
        return f"interceptor: the console ended unexpectedly:\n{trace}"
    return f"interceptor: the console ended unexpectedly ({type(error).__name__}: {error}); the traceback is in {path}"
