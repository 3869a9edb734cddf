"""The pictures in docs/screens/ are those of the scenes, and a picture is drawn the same each time."""

from __future__ import annotations

import re
from pathlib import Path

import pyte
import pytest
from PIL import Image

from tests.screens.__main__ import FOLDER, MOST_BYTES, index
from tests.screens.picture import CELL, picture, save
from tests.screens.sample import sample
from tests.screens.scenes import SCENES, shots


def test_there_is_a_picture_of_every_scene_and_no_other() -> None:
    assert {path.name for path in FOLDER.glob("*.png")} == {shot.file_name for shot in shots()}, "`make screenshots` draws them"
    assert len({scene.name for scene in SCENES}) == len(SCENES)


def test_every_picture_has_the_size_of_its_screen_and_together_they_are_small() -> None:
    for shot in shots():
        with Image.open(FOLDER / shot.file_name) as image:
            assert image.size == (shot.size[0] * CELL[0], shot.size[1] * CELL[1])
            assert image.mode == "P"
    assert sum(path.stat().st_size for path in FOLDER.glob("*.png")) < MOST_BYTES


def test_the_page_shows_them_all() -> None:
    text = (FOLDER / "README.md").read_text()
    assert text == index(), "`make screenshots` writes it"
    assert set(re.findall(r"\]\((.+?\.png)\)", text)) == {shot.file_name for shot in shots()}


def test_the_sample_is_the_same_each_time() -> None:
    first, second = sample(), sample()
    assert [flow.created_at for flow in first.flows] == [flow.created_at for flow in second.flows]
    assert [flow.id for flow in first.flows] == list(range(1, len(first.flows) + 1))


@pytest.mark.needs_dejavu
def test_the_same_screen_gives_the_same_bytes(tmp_path: Path) -> None:
    screen = pyte.Screen(20, 3)
    pyte.Stream(screen).feed(
        "\x1b[1;38;2;255;0;0mred\x1b[0m │ ▌ 🔴 急 \x1b[4mline\x1b[0m\x1b[48;2;0;0;80m blue\x1b[2;1H\x1b[7m reversed \x1b[0m"
    )
    pictures = []
    for name in ("a.png", "b.png"):
        save(picture(screen), tmp_path / name, 64)
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]
    drawn = picture(screen)
    assert drawn.size == (160, 48)
    assert drawn.getpixel((1, 1)) == (0, 0, 0)
    assert (255, 0, 0) in {drawn.getpixel((x, y)) for x in range(24) for y in range(16)}
    assert (0, 0, 80) in {drawn.getpixel((x, y)) for x in range(160) for y in range(16)}
    assert drawn.getpixel((2, 17)) == (208, 208, 208)
