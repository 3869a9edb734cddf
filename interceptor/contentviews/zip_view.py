"""What a ZIP archive holds: names, sizes and times from its directory; nothing is unpacked (APPNOTE.TXT §4.3.12)."""

from __future__ import annotations

from io import BytesIO
from struct import error as StructError
from typing import Final
from zipfile import BadZipFile, LargeZipFile, ZipFile

from interceptor.contentviews.rendered import Line, NotThisView, Rendered
from interceptor.contentviews.visible import styled
from interceptor.specs.sizes import format_size

LARGEST_DIRECTORY: Final = 4 * 1024 * 1024
MOST_FILES: Final = 5000
_BROKEN: Final = (BadZipFile, LargeZipFile, StructError, ValueError, OSError, RuntimeError, LookupError, ArithmeticError)


def show_zip(body: bytes) -> Rendered:
    end = body.rfind(b"PK\5\6", max(0, len(body) - 66_000))
    if end < 0:
        raise NotThisView("not a ZIP archive: there is no directory at its end")
    if int.from_bytes(body[end + 12 : end + 16], "little") > LARGEST_DIRECTORY:
        raise NotThisView("the directory of the ZIP archive is too large")
    try:
        with ZipFile(BytesIO(body)) as archive:
            entries = archive.infolist()
    except _BROKEN as error:
        raise NotThisView(f"not a ZIP archive: {error}") from None
    lines: list[Line] = []
    for entry in entries[:MOST_FILES]:
        year, month, day, hour, minute, _ = entry.date_time
        line: Line = [
            ("number", f"{format_size(entry.file_size):>8}"),
            ("comment", f"  {year}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}  "),
        ]
        line += styled("key" if entry.filename.endswith("/") else "string", entry.filename)
        lines.append([*line, ("error", "  encrypted")] if entry.flag_bits & 1 else line)
    if len(entries) > MOST_FILES:
        lines.append([("marker", f"… {len(entries) - MOST_FILES} more")])
    total = sum(entry.file_size for entry in entries)
    count = "1 file" if len(entries) == 1 else f"{len(entries)} files"
    return Rendered("zip archive", f"ZIP archive, {count}, {format_size(total)} unpacked", lines)
