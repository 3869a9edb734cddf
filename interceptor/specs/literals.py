"""Texts without regard to case, and what a regular expression cannot match without: for indexes, which know texts only.

`folded` keeps the length, so places in what it gives are places in the text. Two texts that `re` takes for the same when it
ignores case are the same folded.
"""

from __future__ import annotations

import re
from typing import Final

_SAME: Final = {
    0x130: "i", 0x131: "i", 0x17F: "s", 0xB5: "μ", 0x3C2: "σ", 0x3D0: "β", 0x3D1: "θ", 0x3D5: "φ", 0x3D6: "π", 0x3F0: "κ",
    0x3F1: "ρ", 0x3F5: "ε", 0x1E9B: "ṡ", 0x345: "ι", 0x1FBE: "ι", 0x1FD3: "ΐ", 0x1FE3: "ΰ", 0xFB05: "ﬆ",
    0x1C80: "в", 0x1C81: "д", 0x1C82: "о", 0x1C83: "с", 0x1C84: "т", 0x1C85: "т", 0x1C86: "ъ", 0x1C87: "ѣ", 0x1C88: "ꙋ",
}  # fmt: skip
"""What `re` takes for the same letter, and `str.lower` does not."""
_BEFORE: Final = {0x130: "i"}  # its small form has two characters
_COUNTED: Final = re.compile(r"\{(\d*)(,?)(\d*)\}")
_PLAIN_ESCAPE: Final = re.compile(r"[^0-9A-Za-z\n]")


def folded(text: str) -> str:
    """The same length, the same for texts that differ in case only."""
    if text.isascii():
        return text.lower()
    return text.translate(_BEFORE).lower().translate(_SAME)


def literals(pattern: str) -> list[str]:
    """Texts each of which is in whatever the regular expression matches, as they stand in it; there may be more that are not
    found. Empty if nothing is known."""
    if re.search(r"\(\?[a-zA-Z]*x|(?<!\\)\[\]|(?<!\\)\[\^\]", pattern):
        return []  # verbose, or sets that begin with their own end
    found: list[str] = []
    run: list[str] = []
    depth, at, end = 0, 0, len(pattern)

    def over() -> None:
        if run and not depth:
            found.append("".join(run))
        run.clear()

    while at < end:
        character = pattern[at]
        at += 1
        if character == "|":
            if not depth:
                return []
        elif character == "(":
            over()
            depth += 1
        elif character == ")":
            run.clear()
            depth = max(depth - 1, 0)
            at = _behind_quantifier(pattern, at)
        elif character == "[":
            over()
            at = _behind_set(pattern, at)
            at = _behind_quantifier(pattern, at)
        elif character in "*?{" and (character != "{" or _COUNTED.match(pattern, at - 1)):
            if run:
                run.pop()
            over()
            at = _behind_quantifier(pattern, at - 1)
        elif character == "+":
            over()
            at = _behind_quantifier(pattern, at - 1)
        elif character in ".^$":
            over()
        elif character == "\\":
            if at < end and _PLAIN_ESCAPE.match(pattern[at]):
                run.append(pattern[at])
            else:
                over()
                if pattern[at : at + 1] in ("x", "u", "U", "N", "0") or pattern[at : at + 1].isdigit():
                    return []  # what follows belongs to the escape
            at += 1
        else:
            run.append(character)
    over()
    return found


def _behind_set(pattern: str, at: int) -> int:
    while at < len(pattern) and pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at + 1


def _behind_quantifier(pattern: str, at: int) -> int:
    while at < len(pattern):
        if pattern[at] in "*+?":
            at += 1
        elif (counted := _COUNTED.match(pattern, at)) is not None:
            at = counted.end()
        else:
            break
    return at
