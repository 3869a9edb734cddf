"""Pictures of half blocks: small, bounded, and a sentence where there is none."""

from __future__ import annotations

import sys
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from interceptor.contentviews import picture as module
from interceptor.contentviews.image_facts import show_image
from interceptor.contentviews.picture import COLUMNS, ROWS, picture
from interceptor.contentviews.rendered import COLOURS, RenderCancelled, never, text_of
from tests.support.effort import examples


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    output = BytesIO()
    image.save(output, form)
    return output.getvalue()


def test_pixels_become_half_blocks() -> None:
    image = Image.new("RGBA", (3, 3), (255, 0, 0, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    image.putpixel((1, 1), (0, 0, 255, 255))
    image.putpixel((2, 0), (0, 0, 0, 0))
    image.putpixel((2, 1), (0, 0, 0, 0))
    lines, reason = picture(encoded(image), never)
    assert not reason
    assert lines == [
        [("fg:#ff0000 bg:default", "▄"), ("fg:#ff0000 bg:#0000ff", "▀"), ("text", " ")],
        [("fg:#ff0000 bg:default", "▀▀▀")],
    ]


@pytest.mark.parametrize("form", ["PNG", "GIF", "JPEG", "WEBP", "BMP"])
def test_formats(form: str) -> None:
    shown = show_image(encoded(Image.new("RGB", (400, 100), (10, 200, 30)), form), never)
    lines = [line for line in shown.lines if "▀" in text_of(line)]
    assert len(lines) == 9 and {len(text_of(line)) for line in lines} == {COLUMNS}
    assert all(COLOURS.fullmatch(style) for line in lines for style, _ in line)


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (1, 1), (1000, 1000)])
def test_every_shape_fits(size: tuple[int, int]) -> None:
    lines, _ = picture(encoded(Image.new("L", size)), never)
    assert 1 <= len(lines) <= ROWS and all(1 <= len(text_of(line)) <= COLUMNS for line in lines)


def test_bombs_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    body = encoded(Image.new("1", (6000, 6000)))
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    assert picture(body, never) == ([], "No picture: more than 25 million pixels.")
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    assert picture(body, never)[0] == []


def test_formats_that_are_seldom_used_are_not_decoded() -> None:
    assert picture(encoded(Image.new("L", (9, 9)), "TIFF"), never)[0] == []


def test_without_pillow_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    body = encoded(Image.new("L", (9, 9)))
    monkeypatch.setitem(sys.modules, "PIL", None)
    shown = show_image(body, never)
    assert text_of(shown.lines[-1]) == "To see it, install Pillow: pip install 'interceptor[images]'."


def test_cancelling() -> None:
    with pytest.raises(RenderCancelled):
        picture(encoded(Image.new("L", (9, 9))), lambda: True)


@examples(150)
@given(form=st.sampled_from(["PNG", "GIF", "JPEG", "WEBP", "BMP"]), place=st.integers(0, 200), noise=st.binary(max_size=20))
def test_broken_images_give_a_sentence(form: str, place: int, noise: bytes) -> None:
    body = encoded(Image.effect_noise((16, 16), 50), form)
    for broken in (body[:place], body[:place] + noise + body[place + len(noise) :]):
        lines, reason = picture(broken, never)
        assert lines or reason.startswith("No picture: ")
        assert reason.isprintable()
