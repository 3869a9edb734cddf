"""`browser.start` in the real console: a browser that comes through it and has nothing to say against its certificates."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browsers import WITHOUT_WINDOW
from tests.support.certificates import TestAuthority
from tests.support.console_program import Console
from tests.support.nginx import Nginx

PAGE = """<!doctype html><title>page</title><script>
fetch('/upload/{name}.txt', {{method: 'PUT', body: 'secure ' + isSecureContext + ' ' + location.protocol}});
</script>"""


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """The path of a Chromium's socket in it is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="b-") as folder:
        yield Path(folder)


@pytest.mark.parametrize(
    ("browser", "pages"),
    [
        pytest.param("chromium", ["first", "second"], marks=pytest.mark.needs_chromium),  # more than one at a time
        pytest.param("firefox", ["third"], marks=pytest.mark.needs_firefox),
    ],
)
@pytest.mark.needs_nginx
def test_a_browser_loads_a_page_over_tls_without_certificate_errors(
    browser: str, pages: list[str], tmp_path: Path, confdir: Path, authority: TestAuthority, nginx: Nginx, short_folder: Path
) -> None:
    profiles = short_folder
    with Console(tmp_path, confdir=confdir, trusted_ca=authority.ca_file, TMPDIR=str(profiles)) as console:
        for name in pages:
            nginx.serve(f"{name}.html", PAGE.format(name=name).encode())
            page = f"{nginx.https_url}/{name}.html"
            console.press(":", " ".join(["browser.start", browser, *WITHOUT_WINDOW[browser], page]), "enter")
            report = console.wait_for_file(nginx.folder / "upload" / f"{name}.txt")
            assert report == "secure true https:"
            console.see(f"/{name}.html", "200")
        assert len(list(profiles.glob("interceptor-browser-*"))) == len(pages)
        console.press("Q", "y")
        console.ended()
    assert list(profiles.glob("interceptor-browser-*")) == []


def test_without_a_regular_listener_there_is_nothing_to_come_through(
    tmp_path: Path, confdir: Path, authority: TestAuthority
) -> None:
    with Console(tmp_path, "-m", "reverse:http://127.0.0.1:9", confdir=confdir, trusted_ca=authority.ca_file) as console:
        console.press("B")
        console.see("a browser needs a listener in regular mode")
