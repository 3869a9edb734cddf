"""Lists of files, also of broken archives."""

from __future__ import annotations

import zipfile
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews import zip_view
from interceptor.contentviews.registry import render
from interceptor.contentviews.rendered import ContentFacts, NotThisView, text_of
from interceptor.contentviews.zip_view import show_zip
from tests.support.effort import examples


def archive(count: int = 2) -> bytes:
    output = BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as made:
        for number in range(count):
            made.writestr(zipfile.ZipInfo(f"a/\x1b[31m{number}", (2020, 1, 2, 3, 4, 6)), "x" * 5000)
    return output.getvalue()


def test_files() -> None:
    shown = render(archive(), "auto", ContentFacts())
    assert (shown.view_name, shown.description) == ("zip archive", "ZIP archive, 2 files, 9.8k unpacked")
    assert text_of(shown.lines[0]) == "    4.9k  2020-01-02 03:04  a/\\x1b[31m0"


def test_many_files_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_view, "MOST_FILES", 3)
    assert [text_of(line)[-8:] for line in show_zip(archive(5)).lines][-1] == "… 2 more"
    monkeypatch.setattr(zip_view, "LARGEST_DIRECTORY", 10)
    with pytest.raises(NotThisView, match="too large"):
        show_zip(archive())


@examples(200)
@given(place=st.integers(0, 300), noise=st.binary(max_size=20))
def test_broken_archives_do_not_fail(place: int, noise: bytes) -> None:
    body = archive()
    for broken in (body[place:], body[:place] + noise + body[place + len(noise) :], body[:-place] if place else body):
        try:
            show_zip(broken)
        except NotThisView:
            continue
