from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from interceptor.model.flow import Flow, HttpFlow
from interceptor.session.selection import Selection
from interceptor.specs.errors import UserError
from interceptor.specs.filter import parse
from tests.tui.fake_app import FakeApp, request


@pytest.fixture
def selection(tmp_path: Path) -> Selection:
    app = FakeApp(tmp_path, schedule=lambda delay, deed: deed())
    for method in ("GET", "POST", "PUT"):
        app.store.add(HttpFlow(0, request=request(method, "/")))
    app.store.flush()
    app.view.set_filter(parse("~m PUT | ~m GET"))
    first = app.store.get(1)
    assert first is not None
    first.marker = ":x:"
    app.store.touch(first)
    return Selection(app.store, app.view, lambda text: parse(text) if text else None)


def methods(flows: Sequence[Flow]) -> list[str]:
    return [flow.request.method for flow in flows if isinstance(flow, HttpFlow)]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("@all", ["GET", "POST", "PUT"]),
        ("@focus", ["GET"]),
        ("@shown", ["GET", "PUT"]),
        ("@hidden", ["POST"]),
        ("@marked", ["GET"]),
        ("@unmarked", ["POST", "PUT"]),
        ("@3, 1,99", ["PUT", "GET"]),
        ("~m P", ["POST", "PUT"]),
        ("", ["GET", "POST", "PUT"]),
    ],
)
def test_what_is_meant(selection: Selection, spec: str, expected: list[str]) -> None:
    assert methods(selection.resolve(spec)) == expected


@pytest.mark.parametrize("spec", ["@", "@everything", "@1,x", "@²", "@-1"])
def test_what_nobody_can_mean(selection: Selection, spec: str) -> None:
    with pytest.raises(UserError, match="no flows are called"):
        selection.resolve(spec)
