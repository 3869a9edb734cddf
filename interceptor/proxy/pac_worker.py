"""Runs in a process of its own: evaluates a PAC file with pacparser. Its JavaScript may loop, or wait for names, as it likes.

    stdin: the file as one line of JSON, then [url, host] a line     stdout: {"answer": …} or {"error": …} for each line
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    for number, line in enumerate(sys.stdin):
        said = json.loads(line)
        try:
            answer = {"answer": _loaded(said) if number == 0 else _asked(*said)}
        except Exception as error:  # whatever the script and its engine do, the other side is told
            answer = {"error": _in_words(error)}
        print(json.dumps(answer), flush=True)


def _engine() -> Any:
    import pacparser  # type: ignore[import-not-found, import-untyped, unused-ignore]

    return pacparser


def _loaded(script: str) -> str:
    engine = _engine()
    engine.init()
    engine.parse_pac_string(script)
    return ""


def _asked(url: str, host: str) -> str:
    return str(_engine().find_proxy(url, host) or "")


def _in_words(error: Exception) -> str:
    if isinstance(error, ImportError):
        return "PAC files are evaluated by pacparser, which is not installed: pip install 'interceptor[pac]'"
    return str(error).strip() or type(error).__name__


if __name__ == "__main__":
    main()
