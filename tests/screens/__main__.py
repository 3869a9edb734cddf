"""`make screenshots`: runs the program under a pseudo-terminal, types its way through the scenes, draws what is on the screen.

    make screenshots                      all of them, into docs/screens/
    make screenshots ARGS="list 80x24"    those whose file names have every one of these words

Without a change in the console the files stay the same to the last byte, so that a difference is a change that one sees.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.screens.picture import FontMissing, picture, save
from tests.screens.scenes import INTERCEPT, PALETTES, SCENES, SIZES, Shot, shots
from tests.support.console_screen import Driven

TOP = Path(__file__).parents[2]
FOLDER = TOP / "docs" / "screens"
SETTLED_SECONDS = 0.25
MOST_BYTES = 3_000_000


def run(folder: Path, size: tuple[int, int], palette: str, is_empty: bool) -> Driven:
    options = ["--set", f"console_palette={PALETTES[palette]}", "--set", "command_history=false"]
    if not is_empty:
        options += ["--set", f"intercept={INTERCEPT}"]
    environment = {
        "HOME": str(folder),
        "PYTHONPATH": str(TOP),
        "TZ": "UTC",
        "COLORTERM": "truecolor",
        "EDITOR": "nano",
        "PAGER": "less",
    }
    command = [sys.executable, "-m", "tests.screens.program", "empty" if is_empty else "flows", *options]
    return Driven(command, *size, **environment)


def settle(console: Driven) -> None:
    """Until nothing more is drawn."""
    while not console.is_silent_for(SETTLED_SECONDS):
        pass


def take(wanted: Iterable[Shot], folder: Path) -> None:
    """Of one size and palette, with flows or without."""
    console: Driven | None = None
    try:
        for shot in wanted:
            if console is None:
                console = run(folder, shot.size, shot.palette, shot.scene.is_empty)
                console.see("[0/0]" if shot.scene.is_empty else "[1/26]")
                time.sleep(1.1)  # what is loaded a moment after the start is loaded
                console.is_silent_for(0.1)
            type_keys(console, shot.scene.keys)
            console.see(*shot.scene.sees)
            settle(console)
            save(picture(console.screen), FOLDER / shot.file_name, shot.scene.colours)
            print(shot.file_name, flush=True)
            type_keys(console, shot.scene.leave)
            settle(console)
    finally:
        if console is not None:
            console.close()


def type_keys(console: Driven, keys: Iterable[str]) -> None:
    for key in keys:
        console.press(key)
        console.is_silent_for(0.02)
        settle(console)


def main(words: list[str]) -> int:
    FOLDER.mkdir(exist_ok=True)
    chosen = [shot for shot in shots() if all(word in shot.file_name for word in words)]
    try:
        for size in SIZES:
            for palette in PALETTES:
                for is_empty in (True, False):
                    together = [s for s in chosen if (s.size, s.palette, s.scene.is_empty) == (size, palette, is_empty)]
                    with tempfile.TemporaryDirectory() as folder:
                        take(together, Path(folder))
    except FontMissing as error:
        print(error, file=sys.stderr)
        return 1
    known = {shot.file_name for shot in shots()}
    for path in FOLDER.glob("*.png"):
        if path.name not in known:
            path.unlink()
    (FOLDER / "README.md").write_text(index())
    total = sum(path.stat().st_size for path in FOLDER.glob("*.png"))
    print(f"{len(chosen)} pictures; {total / 1e6:.2f} MB in all")
    return 0 if chosen and total <= MOST_BYTES else 1


def index() -> str:
    lines = ["# Screens", "", "Made by `make screenshots`, which runs the program, types, and draws what its terminal shows.", ""]
    for scene in SCENES:
        lines += [f"## {scene.name}", "", scene.about, ""]
        names = {(shot.size, shot.palette): shot.file_name for shot in shots() if shot.scene is scene}
        lines += [f"![{scene.name}]({names[(120, 40), 'dark']})", ""]
        links = [f"[{width}x{height} {palette}]({name})" for ((width, height), palette), name in names.items()]
        lines += ["Also: " + ", ".join(links) + ".", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
