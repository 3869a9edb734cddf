from __future__ import annotations

import pytest
from urwid import AttrSpec
from urwid.display.raw import Screen

from interceptor.contentviews.rendered import STYLES as BODY_STYLES
from interceptor.tui import palettes


def luminance(colour: tuple[int, ...]) -> float:
    parts = [value / 255 / 12.92 if value / 255 <= 0.03928 else ((value / 255 + 0.055) / 1.055) ** 2.4 for value in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(foreground: str, background: str, colours: int) -> float:
    """WCAG 2, for the colours that xterm has by default."""
    values = AttrSpec(foreground, background, colours).get_rgb_values()
    darker, lighter = sorted((luminance(values[:3]), luminance(values[3:])))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("name", ["dark", "light", "solarized_dark", "solarized_light"])
def test_all_styles_are_readable_with_256_colours(name: str) -> None:
    poor = {entry[0]: contrast(entry[4], entry[5], 256) for entry in palettes.palette(name, transparent=False)}
    assert {style: ratio for style, ratio in poor.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("name", palettes.names())
def test_all_styles_are_readable_with_16_colours(name: str) -> None:
    poor = {entry[0]: contrast(entry[1], entry[2], 16) for entry in palettes.palette(name, transparent=False)}
    assert {style: ratio for style, ratio in poor.items() if ratio < 2.6} == {}


@pytest.mark.parametrize("name", palettes.names())
def test_urwid_takes_every_palette(name: str) -> None:
    for transparent in (False, True):
        Screen().register_palette(palettes.palette(name, transparent))


def test_low_palettes_keep_to_16_colours() -> None:
    for entry in palettes.palette("lowdark", transparent=False):
        assert not any(mark in f"{entry[4]}{entry[5]}" for mark in "#0123456789"), entry


def test_a_transparent_palette_paints_no_background_of_its_own() -> None:
    looks = {entry[0]: entry for entry in palettes.palette("dark", transparent=True)}
    assert looks["text"][5] == looks["text"][2] == "default"
    assert looks["focus text"][5] != "default", "the row with the cursor is still to be seen"


def test_every_style_of_content_views_and_every_row_style_under_the_cursor_is_there() -> None:
    known = {entry[0] for entry in palettes.palette("dark", transparent=False)}
    assert set(BODY_STYLES) <= known
    assert {palettes.focused(style) for style in palettes.ROW_STYLES} <= known
    assert palettes.focused("section") == "section"
