"""Headers of images, written by hand from the formats' specifications."""

from __future__ import annotations

from struct import pack

import pytest

from interceptor.contentviews.image_facts import image_facts, show_image
from interceptor.contentviews.rendered import NotThisView, never, text_of

PNG = b"\x89PNG\r\n\x1a\n" + pack(">I4sIIBBBBB", 13, b"IHDR", 640, 480, 8, 6, 0, 0, 1)
APNG = PNG + b"CRC_" + pack(">I4sII", 8, b"acTL", 7, 0)
GIF = b"GIF89a" + pack("<HHB", 10, 20, 0x87)
JPEG = (
    b"\xff\xd8\xff\xe0"
    + pack(">H", 6)
    + b"JFIF"
    + b"\xff\xff\xc4"
    + pack(">H", 2)
    + b"\xff\xc2"
    + pack(">HBHHB", 17, 8, 480, 640, 3)
)
VP8 = b"RIFF0000WEBPVP8 0000" + b"123\x9d\x01\x2a" + pack("<HH", 550, 368)
VP8L = b"RIFF0000WEBPVP8L0000\x2f" + pack("<I", 99 | 49 << 14)
VP8X = b"RIFF0000WEBPVP8X0000\x12\0\0\0" + (399).to_bytes(3, "little") + (299).to_bytes(3, "little")
BMP = b"BM" + bytes(12) + pack("<IiiHH", 40, 5, -6, 1, 24)
OLD_BMP = b"BM" + bytes(12) + pack("<IHHHH", 12, 5, 6, 1, 24)
ICO = pack("<HHH", 0, 1, 2) + pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, 9, 9) + pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, 9, 9)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (PNG, {"Format": "PNG", "Dimensions": "640 × 480", "Depth": "8 bits, RGB with alpha", "Interlaced": "yes"}),
        (APNG, {"Frames": "7"}),
        (GIF, {"Format": "GIF 89a", "Dimensions": "10 × 20", "Palette": "256 colours"}),
        (JPEG, {"Format": "JPEG", "Dimensions": "640 × 480", "Depth": "8 bits, 3 components", "Coding": "progressive"}),
        (VP8, {"Format": "WebP lossy", "Dimensions": "550 × 368"}),
        (VP8L, {"Format": "WebP lossless", "Dimensions": "100 × 50"}),
        (VP8X, {"Format": "WebP extended", "Dimensions": "400 × 300", "Features": "alpha, animation"}),
        (BMP, {"Format": "BMP", "Dimensions": "5 × 6", "Depth": "24 bits"}),
        (OLD_BMP, {"Format": "BMP", "Dimensions": "5 × 6"}),
        (ICO, {"Format": "ICO", "Dimensions": "256 × 256", "Images": "2", "Sizes": "16 × 16, 256 × 256"}),
    ],
)
def test_facts(body: bytes, expected: dict[str, str]) -> None:
    facts = image_facts(body)
    assert facts is not None
    assert dict(facts).items() >= expected.items()


@pytest.mark.parametrize("body", [PNG, GIF, JPEG, VP8, VP8L, VP8X, BMP, ICO])
def test_cut_off_headers_are_no_image(body: bytes) -> None:
    for size in range(min(len(body), 9)):
        assert image_facts(body[:size]) is None


def test_a_jpeg_of_many_segments_ends() -> None:
    assert image_facts(b"\xff\xd8" + b"\xff\xd0" * 1_000_000) is None


def test_the_view() -> None:
    shown = show_image(GIF, never)
    assert shown.description == "Image, GIF 89a, 10 × 20"
    assert [text_of(line) for line in shown.lines[:4]] == [
        "Format:     GIF 89a",
        "Dimensions: 10 × 20",
        "Palette:    256 colours",
        "Size:       11 bytes (11b)",
    ]
    with pytest.raises(NotThisView):
        show_image(b"hello", never)
