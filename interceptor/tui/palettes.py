"""Colours: every style name that the console draws with, and what it looks like in each palette.

A style has a meaning ("status 4xx", "held", "hint key"), never a colour. Which colour it has is said in two steps, so that a new
palette is one table of roles and a new style is one line:

    STYLES   style  → role of its foreground, role of its background, settings, look on a terminal without colours
    Theme    role   → a colour for 16 colours and one for 256

Where a row has the cursor its background changes and its foreground does not; so each style that rows are made of exists twice,
plain and under `focused(style)`. With 16 colours there is no second background that all foregrounds are readable on, so there the
row with the cursor has one foreground. A test measures the contrast of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Entry = tuple[str, str, str, str, str, str]
"""name, foreground and background for 16 colours, settings for none, foreground and background for 256."""


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours by role; each is (one of the 16, one of the 256)."""

    background: tuple[str, str]
    bar: tuple[str, str]  # behind the title, the tabs, the status line
    cursor: tuple[str, str]  # behind the row with the cursor
    selected: tuple[str, str]  # behind the selected tab or choice
    text: tuple[str, str]
    strong: tuple[str, str]
    dim: tuple[str, str]
    faint: tuple[str, str]
    blue: tuple[str, str]
    cyan: tuple[str, str]
    green: tuple[str, str]
    yellow: tuple[str, str]
    orange: tuple[str, str]
    red: tuple[str, str]
    magenta: tuple[str, str]
    ink: tuple[str, str]  # on a loud background
    loud: tuple[str, str]  # behind what waits for the user
    alarm: tuple[str, str]  # behind what went wrong
    hit: tuple[str, str]  # behind a match
    on_alarm: tuple[str, str]
    on_selected: tuple[str, str]
    on_cursor: str  # of the 16, for the whole row


_DARK: Final = Theme(
    background=("black", "g#1c"),
    bar=("black", "g#30"),
    cursor=("dark blue", "g#3a"),
    selected=("light gray", "#068"),
    text=("light gray", "g#d0"),
    strong=("white", "g#ee"),
    dim=("light gray", "g#a8"),
    faint=("dark gray", "g#8a"),
    blue=("light blue", "#8af"),
    cyan=("light cyan", "#6dd"),
    green=("light green", "#8d8"),
    yellow=("yellow", "#dd8"),
    orange=("brown", "#fa6"),
    red=("light red", "#f88"),
    magenta=("light magenta", "#d8f"),
    ink=("black", "#000"),
    loud=("brown", "#fa0"),
    alarm=("dark red", "#800"),
    hit=("dark cyan", "#dd6"),
    on_alarm=("white", "g#ff"),
    on_selected=("black", "g#ff"),
    on_cursor="white",
)

_LIGHT: Final = Theme(
    background=("light gray", "g#ff"),
    bar=("light gray", "g#e4"),
    cursor=("dark blue", "g#da"),
    selected=("dark blue", "#06a"),
    text=("black", "g#1c"),
    strong=("black", "#000"),
    dim=("black", "g#44"),
    faint=("dark gray", "g#58"),
    blue=("dark blue", "#00a"),
    cyan=("dark blue", "#066"),
    green=("black", "#060"),
    yellow=("black", "#660"),
    orange=("dark magenta", "#800"),
    red=("dark red", "#a00"),
    magenta=("dark magenta", "#80a"),
    ink=("black", "#000"),
    loud=("brown", "#fa0"),
    alarm=("dark red", "#a00"),
    hit=("dark green", "#fd6"),
    on_alarm=("white", "g#ff"),
    on_selected=("white", "g#ff"),
    on_cursor="white",
)

_SOLARIZED_DARK: Final = Theme(
    background=("black", "h234"),
    bar=("black", "h236"),
    cursor=("dark blue", "h237"),
    selected=("light gray", "h24"),
    text=("light gray", "h252"),
    strong=("white", "h230"),
    dim=("light gray", "h250"),
    faint=("dark gray", "h245"),
    blue=("light blue", "h75"),
    cyan=("light cyan", "h80"),
    green=("light green", "h149"),
    yellow=("yellow", "h179"),
    orange=("brown", "h209"),
    red=("light red", "h210"),
    magenta=("light magenta", "h183"),
    ink=("black", "h16"),
    loud=("brown", "h214"),
    alarm=("dark red", "h88"),
    hit=("dark cyan", "h179"),
    on_alarm=("white", "h231"),
    on_selected=("black", "h231"),
    on_cursor="white",
)

_SOLARIZED_LIGHT: Final = Theme(
    background=("light gray", "h230"),
    bar=("light gray", "h254"),
    cursor=("dark blue", "h187"),
    selected=("dark blue", "h25"),
    text=("black", "h236"),
    strong=("black", "h16"),
    dim=("black", "h238"),
    faint=("dark gray", "h240"),
    blue=("dark blue", "h19"),
    cyan=("dark blue", "h23"),
    green=("black", "h22"),
    yellow=("black", "h58"),
    orange=("dark magenta", "h88"),
    red=("dark red", "h124"),
    magenta=("dark magenta", "h89"),
    ink=("black", "h16"),
    loud=("brown", "h214"),
    alarm=("dark red", "h124"),
    hit=("dark green", "h221"),
    on_alarm=("white", "h231"),
    on_selected=("white", "h231"),
    on_cursor="white",
)

_THEMES: Final = {
    "dark": (_DARK, True),
    "light": (_LIGHT, True),
    "lowdark": (_DARK, False),
    "lowlight": (_LIGHT, False),
    "solarized_dark": (_SOLARIZED_DARK, True),
    "solarized_light": (_SOLARIZED_LIGHT, True),
}
"""name → (theme, whether it may use more than 16 colours)"""

Style = tuple[str, str, str, str]

ROW_STYLES: Final[dict[str, Style]] = {
    # what rows of flows, fields, options and log entries are made of; each has a twin under the cursor
    "text": ("text", "background", "", ""),
    "strong": ("strong", "background", "bold", "bold"),
    "dim": ("dim", "background", "", ""),
    "faint": ("faint", "background", "", ""),
    "cursor": ("yellow", "background", "bold", "bold"),
    "time": ("faint", "background", "", ""),
    "scheme": ("faint", "background", "", ""),
    "scheme secure": ("green", "background", "", ""),
    "method": ("cyan", "background", "", ""),
    "method write": ("yellow", "background", "", ""),
    "method delete": ("red", "background", "", ""),
    "method other": ("magenta", "background", "", ""),
    "host": ("text", "background", "", ""),
    "path": ("strong", "background", "", ""),
    "query": ("dim", "background", "", ""),
    "status 1xx": ("cyan", "background", "", ""),
    "status 2xx": ("green", "background", "", ""),
    "status 3xx": ("blue", "background", "", ""),
    "status 4xx": ("orange", "background", "bold", "bold"),
    "status 5xx": ("red", "background", "bold", "bold"),
    "type": ("dim", "background", "", ""),
    "type text": ("green", "background", "", ""),
    "type data": ("yellow", "background", "", ""),
    "type code": ("magenta", "background", "", ""),
    "type media": ("blue", "background", "", ""),
    "size": ("dim", "background", "", ""),
    "size large": ("orange", "background", "", ""),
    "duration": ("dim", "background", "", ""),
    "duration slow": ("yellow", "background", "", ""),
    "duration very slow": ("red", "background", "", ""),
    "live": ("cyan", "background", "", ""),
    "held": ("ink", "loud", "bold", "standout"),
    "held text": ("yellow", "background", "bold", "bold"),
    "error": ("red", "background", "", "bold"),
    "warning": ("yellow", "background", "", "bold"),
    "marker": ("magenta", "background", "bold", "bold"),
    "replay": ("blue", "background", "bold", "bold"),
    "modified": ("orange", "background", "", ""),
    "key": ("blue", "background", "", ""),
    "note": ("dim", "background", "", ""),
    "changed": ("yellow", "background", "bold", "bold"),
    "log debug": ("faint", "background", "", ""),
    "log info": ("text", "background", "", ""),
    "log alert": ("cyan", "background", "bold", "bold"),
    "log warn": ("yellow", "background", "", ""),
    "log error": ("red", "background", "bold", "bold"),
}

OTHER_STYLES: Final[dict[str, Style]] = {
    # details of a flow
    "section": ("yellow", "background", "bold", "bold"),
    "field name": ("blue", "background", "", "bold"),
    "field value": ("text", "background", "", ""),
    "tab": ("dim", "bar", "", ""),
    "tab selected": ("on_selected", "selected", "bold", "standout"),
    "tab held": ("ink", "loud", "bold", "bold"),
    "match": ("ink", "hit", "", "standout"),
    "match current": ("ink", "loud", "bold,underline", "standout,underline"),
    "bar": ("blue", "background", "", ""),
    "bar wait": ("yellow", "background", "", ""),
    "bar secure": ("green", "background", "", ""),
    "bar track": ("faint", "background", "", ""),
    "added": ("green", "background", "", "bold"),
    "diff added": ("green", "background", "", "bold"),
    "diff removed": ("red", "background", "", "bold"),
    "diff added part": ("green", "background", "bold,underline", "bold,underline"),
    "diff removed part": ("red", "background", "bold,underline", "bold,underline"),
    "removed": ("red", "background", "strikethrough", "standout"),
    "more": ("cyan", "background", "", ""),
    # bodies: the styles of content views
    "string": ("green", "background", "", ""),
    "number": ("magenta", "background", "", ""),
    "keyword": ("orange", "background", "", ""),
    "literal": ("orange", "background", "", ""),
    "comment": ("faint", "background", "", ""),
    "tag": ("blue", "background", "", ""),
    "attribute": ("cyan", "background", "", ""),
    "name": ("cyan", "background", "", ""),
    "function": ("blue", "background", "", ""),
    "operator": ("dim", "background", "", ""),
    "punctuation": ("dim", "background", "", ""),
    "offset": ("faint", "background", "", ""),
    "header": ("yellow", "background", "bold", "bold"),
    # the shell around it
    "background": ("text", "background", "", ""),
    "title": ("strong", "bar", "bold", "standout"),
    "heading": ("dim", "bar", "", ""),
    "heading sorted": ("yellow", "bar", "bold", "bold"),
    "title text": ("dim", "bar", "", "standout"),
    "title focused": ("on_selected", "selected", "bold", "standout,bold"),
    "border": ("faint", "background", "", ""),
    "status": ("text", "bar", "", "standout"),
    "status key": ("yellow", "bar", "bold", "standout"),
    "status tag": ("cyan", "bar", "", "standout"),
    "status held": ("ink", "loud", "bold", "standout,bold"),
    "status warn": ("ink", "loud", "", "standout"),
    "status error": ("on_alarm", "alarm", "bold", "standout,bold"),
    "status alert": ("on_selected", "selected", "bold", "standout,bold"),
    "hint": ("dim", "background", "", ""),
    "hint key": ("yellow", "background", "bold", "bold"),
    "prompt": ("strong", "background", "bold", "bold"),
    "prompt text": ("strong", "background", "", ""),
    "prompt good": ("green", "background", "", ""),
    "prompt bad": ("red", "background", "underline", "underline"),
    "prompt hint": ("faint", "background", "", ""),
    "chooser": ("text", "bar", "", ""),
    "chooser title": ("strong", "bar", "bold", "bold"),
    "chooser key": ("yellow", "bar", "bold", "bold"),
    "chooser selected": ("on_selected", "selected", "bold", "standout"),
    "chooser border": ("dim", "bar", "", ""),
    "chooser hint": ("dim", "bar", "", ""),
    "edit": ("strong", "bar", "", "underline"),
    "edit selected": ("on_selected", "selected", "", "standout"),
}

STYLES: Final = ROW_STYLES | OTHER_STYLES


def focused(style: str) -> str:
    """The style for the same thing in the row with the cursor; the style itself if it has no twin."""
    return f"focus {style}" if style in ROW_STYLES else style


def names() -> tuple[str, ...]:
    return tuple(_THEMES)


def palette(name: str, transparent: bool) -> list[Entry]:
    """For urwid's `register_palette`. `transparent` leaves the terminal's own background. KeyError for an unknown name.

    `None` is what urwid gives to cells without a style; they look like "background".
    """
    theme, has_many_colours = _THEMES[name]
    entries = [_entry(style, theme, look, transparent, has_many_colours) for style, look in STYLES.items()]
    entries.append(("qr code", "black", "white", "default", *(("#000", "#fff") if has_many_colours else ("black", "white"))))
    for style, (foreground, background, settings, plain) in ROW_STYLES.items():
        under = "cursor" if background == "background" else background
        look = ("dim" if foreground == "faint" else foreground, under, settings, "standout")
        twin, low, low_background, plain, high, high_background = _entry(focused(style), theme, look, False, has_many_colours)
        if under == "cursor":
            low = _joined(theme.on_cursor, settings)
        entries.append((twin, low, low_background, plain, high if has_many_colours else low, high_background))
    return entries


def _entry(style: str, theme: Theme, look: Style, transparent: bool, has_many_colours: bool) -> Entry:
    foreground_role, background_role, settings, plain = look
    foreground: tuple[str, str] = getattr(theme, foreground_role)
    background: tuple[str, str] = getattr(theme, background_role)
    if transparent and background_role == "background":
        background = ("default", "default")
    # A bar needs to be seen where it has no colour of its own.
    low_settings = settings.replace("strikethrough", "underline")
    if background_role == "bar" and background[0] == theme.background[0]:
        low_settings = f"{low_settings},standout" if style.startswith(("title", "status")) else low_settings
    level = 1 if has_many_colours else 0
    return (
        style,
        _joined(foreground[0], low_settings),
        background[0],
        plain or "default",
        _joined(foreground[level], settings if has_many_colours else low_settings),
        background[level],
    )


def _joined(colour: str, settings: str) -> str:
    return f"{colour},{settings.strip(',')}" if settings.strip(",") else colour
