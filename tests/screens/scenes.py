"""The scenes: what is typed to come there, what is then to be seen, and what is typed to leave. Their pictures, by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SIZES = ((80, 24), (120, 40), (200, 50))
PALETTES = {"dark": "solarized_dark", "light": "light"}
"""Name in the files -> name of the palette."""

INTERCEPT = "~u /v2/payments | (~s & ~u /v2/orders/A)"


@dataclass(frozen=True)
class Scene:
    """`keys` lead there from the list, `leave` back. `is_empty`: with no flow at all."""

    name: str
    about: str
    keys: tuple[str, ...]
    sees: tuple[str, ...]
    leave: tuple[str, ...] = ()
    is_empty: bool = False
    colours: int = 128


def _at(number: int) -> tuple[str, ...]:
    """The cursor on the flow of that number, counted from 1."""
    return (f":view.focus.go {number - 1}", "enter")


SCENES = (
    Scene("first-steps", "Nothing has come yet: what to do first.", (), ("No flows yet.",), is_empty=True),
    Scene("list", "The list: failures, holds, edits, replays, marks and what is still running.", _at(9), ("[9/26]",)),
    Scene("request", "A request that was edited and marked.", (*_at(9), "enter"), ('"items"',), ("q",)),
    Scene("response", "A response, its JSON laid out.", (*_at(8), "enter", "tab"), ('"page"',), ("q",)),
    Scene(
        "details",
        "What there is to know beside the messages: times first.",
        (*_at(8), "enter", "tab", "tab"),
        ("Timing",),
        ("q",),
    ),
    Scene(
        "tls",
        "Both connections, what TLS agreed on, and the certificates.",
        (*_at(8), "enter", "tab", "tab", "G"),
        ("Issuing CA",),
        ("q",),
    ),
    Scene("picture", "A picture is shown as one.", (*_at(6), "enter", "tab"), ("▀",), ("q",), colours=256),
    Scene("websocket", "The messages of a WebSocket.", (*_at(18), "enter", "tab", "tab"), ("welcome",), ("q",)),
    Scene("edit", "What can be edited.", (*_at(9), "e"), ("Edit…",), ("esc",)),
    Scene("editor", "A body in the editor.", (*_at(9), "ea"), ("Edit request-body", "voucher"), ("esc",)),
    Scene("grid", "Headers in a table.", (*_at(9), "e8"), ("Edit request-headers", "X-CSRF-Token"), ("q",)),
    Scene("held", "A held request: edit it, let it go, or kill it.", (*_at(24), "enter"), ("Resume", "sepa"), ("q",)),
    Scene("prompt", "The command prompt completes names and arguments.", (":view.f",), ("view.flows.duplicate",), ("ctrl c",)),
    Scene("export", "Ways to export a flow.", (*_at(8), "x"), ("curl",), ("esc",)),
    Scene("order", "What the list can be sorted by.", ("o",), ("duration",), ("esc",)),
    Scene("options", "Options, by group.", ("O",), ("listen_port",), ("q",)),
    Scene("commands", "Every command, with its help.", ("C",), ("console.bodyview",), ("q",)),
    Scene("keys", "Every key, by screen.", ("K",), ("console.command",), ("q",)),
    Scene("events", "The event log.", ("E",), ("refused the connection",), ("q",)),
    Scene("help", "Keys of the screen that one came from, and filters.", ("?",), ("Help",), ("q",)),
    Scene(
        "two-panes",
        "The list, and beside it the flow under the cursor.",
        (*_at(8), ":set console_layout horizontal", "enter", "enter", "tab"),
        ("│",),
        ("q", ":set console_layout single", "enter"),
    ),
)


@dataclass(frozen=True)
class Shot:
    """A scene in one size and palette."""

    scene: Scene
    size: tuple[int, int]
    palette: str

    @property
    def file_name(self) -> str:
        return f"{self.scene.name}-{self.size[0]}x{self.size[1]}-{self.palette}.png"


def shots() -> Iterator[Shot]:
    for size in SIZES:
        for palette in PALETTES:
            for scene in SCENES:
                yield Shot(scene, size, palette)
