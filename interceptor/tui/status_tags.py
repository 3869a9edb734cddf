"""What the status line says of options that change what happens to flows: a short tag each, so that nobody is surprised by one
that was set long ago. Pure: from options to texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from interceptor.options import Options

_COUNTED: Final = (
    ("headers", "modify_headers"),
    ("bodies", "modify_body"),
    ("map_remote", "map_remote"),
    ("map_local", "map_local"),
    ("block", "block_list"),
    ("ignore", "ignore_hosts"),
    ("allow", "allow_hosts"),
    ("tcp", "tcp_hosts"),
    ("udp", "udp_hosts"),
    ("scripts", "scripts"),
)
"""Lists: how many entries there are."""

_SWITCHES: Final = (
    ("anticache", "anticache", True),
    ("anticomp", "anticomp", True),
    ("showhost", "showhost", True),
    ("insecure", "ssl_insecure", True),
    ("no-upstream-cert", "upstream_cert", False),
    ("lazy", "connection_strategy", "lazy"),
    ("no-rawtcp", "rawtcp", False),
    ("no-websocket", "websocket", False),
    ("lenient", "validate_inbound_headers", False),
    ("unkept", "store_streamed_bodies", False),
)
"""Tag, option, and the value at which it is said."""

_VALUES: Final = (
    ("t", "stickycookie"),
    ("u", "stickyauth"),
    ("view", "console_default_contentview"),
    ("stream", "stream_large_bodies"),
    ("limit", "body_size_limit"),
    ("W", "save_stream_file"),
    ("HAR", "hardump"),
    ("keylog", "tls_keylog_file"),
)
"""Said with their value, if it is not the default."""


def status_tags(
    options: Options, replays: tuple[int, int] = (0, 0), recorded: int | None = None, session: str = ""
) -> Sequence[str]:
    """`replays`: requests that wait to be sent again or are on their way; these, and all that went before them. `recorded`:
    responses that are left to answer requests with, None if none do. `session`: what is to be said of that, "" for nothing."""
    tags = [session] if session else []
    left, total = replays
    if left:
        tags.append(f"replay:{left}" if left == total else f"replay:{left} of {total}")
    if recorded is not None:
        norefresh = "" if options.server_replay_refresh else ", no refresh"
        tags.append(f"server replay:{recorded}{norefresh}")
    tags += [f"{tag}:{len(entries)}" for tag, name in _COUNTED if (entries := getattr(options, name))]
    tags += [tag for tag, name, value in _SWITCHES if getattr(options, name) == value]
    tags += [f"{tag}:{options.text_of(name)}" for tag, name in _VALUES if not options.is_default(name)]
    return tags
