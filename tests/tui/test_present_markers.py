"""Markers by name, and what is offered while one is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from interceptor.tui.console import Console
from interceptor.tui.present.markers import MARKED, marker_names, marker_sign
from interceptor.tui.present.text import width
from tests.tui.fake_app import FakeApp


@pytest.mark.parametrize(
    ("marker", "sign"),
    [
        ("", ""),
        ("default", MARKED),
        ("star", "★"),
        (":alarm_clock:", "⏰"),
        ("ROCKET", "🚀"),
        ("to do", MARKED),
        ("!", "!"),
        ("é", "é"),
        ("\x1b[31m", MARKED),
        ("latin_small_letter_a", MARKED),
        ("🍇", "🍇"),
    ],
)
def test_signs(marker: str, sign: str) -> None:
    assert marker_sign(marker) == sign


def test_all_names_have_a_sign_that_fits() -> None:
    names = marker_names()
    assert len(names) > 1000
    assert {name for name, sign in names if not 0 < width(sign) <= 2 or marker_sign(f":{name}:") != sign} == set()


def test_names_are_completed(tmp_path: Path) -> None:
    app = FakeApp(tmp_path, schedule=lambda delay, deed: deed())
    Console(app).register_commands()
    offered = app.commands.complete("flow.mark @focus ")
    assert [offer.text for offer in offered[:3]] == ["true", "false", ":red_circle:"]
    assert [(offer.text, offer.help) for offer in app.commands.complete("flow.mark @focus :rock")] == [
        (":rock:", "🪨"),
        (":rocket:", "🚀"),
    ]
