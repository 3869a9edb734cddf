"""What an image says of itself in its first bytes: format, dimensions, depth. Under them a small picture.

PNG (W3C PNG §11.2.2), GIF (GIF89a §18), JPEG (ITU T.81 §B.2.2), WebP (RFC 9649 §2), BMP, ICO.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import error as StructError
from struct import unpack_from
from typing import Final

from interceptor.contentviews.picture import picture
from interceptor.contentviews.rendered import Cancelled, Line, NotThisView, Rendered
from interceptor.specs.sizes import format_size

Facts = list[tuple[str, str]]

_PNG_COLOURS: Final = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
_JPEG_NAMES: Final = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive", 0xC3: "lossless"}
_DRAWN: Final = ("PNG", "GIF", "JPEG", "WebP", "BMP")
_MOST_SEGMENTS: Final = 10_000


def image_facts(body: bytes) -> Facts | None:
    """None if it is no image that we know. Begins with ("Format", …)."""
    for magic, read in _READERS:
        if body.startswith(magic):
            try:
                facts = read(body)
            except (StructError, IndexError):
                facts = None
            if facts is not None:
                return facts
    return None


def show_image(body: bytes, cancelled: Cancelled) -> Rendered:
    facts = image_facts(body)
    if facts is None:
        raise NotThisView("no image of a known format, or cut off in its header")
    values = dict(facts)
    facts.append(("Size", f"{len(body)} bytes ({format_size(len(body))})"))
    lines: list[Line] = [[("key", f"{name + ':':<12}"), ("string", value)] for name, value in facts]
    if facts[0][1].startswith(_DRAWN):
        drawn, reason = picture(body, cancelled)
        lines += [[], *drawn] if drawn else [[], [("comment", reason)]]
    return Rendered("image", f"Image, {values['Format']}, {values.get('Dimensions', 'unknown dimensions')}", lines)


def _dimensions(width: int, height: int) -> tuple[str, str]:
    return "Dimensions", f"{width} × {height}"


def _png(body: bytes) -> Facts | None:
    if body[12:16] != b"IHDR":
        return None
    width, height, depth, colour, _, _, interlace = unpack_from(">IIBBBBB", body, 16)
    facts = [("Format", "PNG"), _dimensions(width, height), ("Depth", f"{depth} bits, {_PNG_COLOURS.get(colour, 'unknown')}")]
    if interlace:
        facts.append(("Interlaced", "yes"))
    animation = body.find(b"acTL", 33, 4096)
    if animation > 0:
        facts.append(("Frames", str(unpack_from(">I", body, animation + 4)[0])))
    return facts


def _gif(body: bytes) -> Facts | None:
    if body[3:6] not in (b"87a", b"89a"):
        return None
    width, height, flags = unpack_from("<HHB", body, 6)
    facts = [("Format", f"GIF {body[3:6].decode()}"), _dimensions(width, height)]
    if flags & 0x80:
        facts.append(("Palette", f"{2 << (flags & 7)} colours"))
    return facts


def _jpeg(body: bytes) -> Facts | None:
    """Follows the segments to the frame header."""
    position = 2
    for _ in range(_MOST_SEGMENTS):
        while body[position] == 0xFF and body[position + 1] == 0xFF:
            position += 1
        if body[position] != 0xFF:
            return None
        marker = body[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            depth, height, width, components = unpack_from(">BHHB", body, position + 4)
            kind = _JPEG_NAMES.get(marker, "other")
            return [
                ("Format", "JPEG"),
                _dimensions(width, height),
                ("Depth", f"{depth} bits, {components} components"),
                ("Coding", kind),
            ]
        if marker in (0x01, *range(0xD0, 0xD8)):
            position += 2
        else:
            position += 2 + max(2, unpack_from(">H", body, position + 2)[0])
    return None


def _webp(body: bytes) -> Facts | None:
    if body[8:12] != b"WEBP":
        return None
    chunk = body[12:16]
    if chunk == b"VP8X":
        width = int.from_bytes(body[24:27], "little") + 1
        height = int.from_bytes(body[27:30], "little") + 1
        extras = [name for bit, name in ((0x10, "alpha"), (0x02, "animation"), (0x08, "EXIF"), (0x20, "ICC")) if body[20] & bit]
        facts = [("Format", "WebP extended"), _dimensions(width, height)]
        return [*facts, ("Features", ", ".join(extras))] if extras else facts
    if chunk == b"VP8L":
        (bits,) = unpack_from("<I", body, 21)
        return [("Format", "WebP lossless"), _dimensions((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)]
    if chunk == b"VP8 ":
        width, height = unpack_from("<HH", body, 26)
        return [("Format", "WebP lossy"), _dimensions(width & 0x3FFF, height & 0x3FFF)]
    return None


def _bmp(body: bytes) -> Facts | None:
    (header,) = unpack_from("<I", body, 14)
    if header == 12:
        width, height, _, depth = unpack_from("<HHHH", body, 18)
    elif 40 <= header <= 256:
        width, height, _, depth = unpack_from("<iiHH", body, 18)
    else:
        return None
    return [("Format", "BMP"), _dimensions(width, abs(height)), ("Depth", f"{depth} bits")]


def _ico(body: bytes) -> Facts | None:
    (count,) = unpack_from("<H", body, 4)
    if not count or len(body) < 22 or body[9]:
        return None
    entries = [(body[at] or 256, body[at + 1] or 256) for at in range(6, min(6 + 16 * min(count, 32), len(body) - 1), 16)]
    facts = [("Format", "ICO"), _dimensions(*max(entries)), ("Images", str(count))]
    return [*facts, ("Sizes", ", ".join(f"{width} × {height}" for width, height in entries))]


_READERS: Final[tuple[tuple[bytes, Callable[[bytes], Facts | None]], ...]] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"GIF8", _gif),
    (b"\xff\xd8\xff", _jpeg),
    (b"RIFF", _webp),
    (b"BM", _bmp),
    (b"\0\0\1\0", _ico),
)
