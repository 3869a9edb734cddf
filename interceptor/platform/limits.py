"""How many files and sockets this process may have open. The limit that a shell gives is often 1,024 or 256: a browser or two."""

from __future__ import annotations

import sys
from typing import Final

MOST: Final = 1_048_576
"""Not raised above this: some systems name no upper limit, and then refuse to be taken at their word."""
_STEPS: Final = (MOST, 524_288, 65_536, 24_576, 10_240, 4_096)


def raise_file_descriptor_limit() -> int:
    """Raises the soft limit as far as the hard one allows, and returns what it is then; it is never lowered. 0: there is no such
    limit here (Windows). Programs that this one starts inherit it."""
    if sys.platform == "win32":
        return 0
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    for wanted in (most, *(step for step in _STEPS if step < most)):
        if wanted <= soft:
            break
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):  # macOS: the hard limit may be more than the kernel gives
            continue
        return wanted
    return soft
