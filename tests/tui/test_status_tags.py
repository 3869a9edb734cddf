"""The tags of the status line: said exactly while an option changes what happens."""

from __future__ import annotations

from typing import Any

import pytest

from interceptor.options import Options
from interceptor.tui.status_tags import status_tags


def test_nothing_is_said_of_defaults() -> None:
    assert status_tags(Options()) == []


@pytest.mark.parametrize(
    ("option", "value", "tag"),
    [
        ("ignore_hosts", ["a", "b"], "ignore:2"),
        ("allow_hosts", ["a"], "allow:1"),
        ("tcp_hosts", ["a"], "tcp:1"),
        ("udp_hosts", ["a", "b"], "udp:2"),
        ("modify_headers", ["/X/1", "/Y/1"], "headers:2"),
        ("modify_body", ["/a/b"], "bodies:1"),
        ("map_remote", ["|http://a|http://b"], "map_remote:1"),
        ("map_local", ["|a|/"], "map_local:1"),
        ("block_list", ["/~d a/404"], "block:1"),
        ("stickycookie", "~d a", "t:~d a"),
        ("stickyauth", "~all", "u:~all"),
        ("anticache", True, "anticache"),
        ("anticomp", True, "anticomp"),
        ("showhost", True, "showhost"),
        ("ssl_insecure", True, "insecure"),
        ("upstream_cert", False, "no-upstream-cert"),
        ("connection_strategy", "lazy", "lazy"),
        ("rawtcp", False, "no-rawtcp"),
        ("console_default_contentview", "hex", "view:hex"),
        ("stream_large_bodies", "5m", "stream:5m"),
        ("body_size_limit", "1g", "limit:1g"),
        ("save_stream_file", "+flows", "W:+flows"),
        ("hardump", "all.har", "HAR:all.har"),
        ("tls_keylog_file", "keys.log", "keylog:keys.log"),
        ("websocket", False, "no-websocket"),
        ("validate_inbound_headers", False, "lenient"),
        ("store_streamed_bodies", False, "unkept"),
    ],
)
def test_an_option_that_changes_something_has_its_tag(option: str, value: Any, tag: str) -> None:
    assert status_tags(Options(**{option: value})) == [tag]


def test_recorded_responses_are_counted() -> None:
    assert status_tags(Options(), recorded=0) == ["server replay:0"]
    assert status_tags(Options(server_replay_refresh=False), recorded=12) == ["server replay:12, no refresh"]


def test_replays_are_counted() -> None:
    assert status_tags(Options(), (3, 3)) == ["replay:3"]
    assert status_tags(Options(), (3, 10)) == ["replay:3 of 10"]
    assert status_tags(Options(), (0, 10)) == []
