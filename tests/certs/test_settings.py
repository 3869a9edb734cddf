"""The key log: a sink that can be switched, and never stands in the way."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from interceptor.certs.settings import KeyLog
from interceptor.specs.errors import UserError


def test_nowhere_until_it_is_opened(tmp_path: Path) -> None:
    keylog = KeyLog()
    keylog.write(b"lost")
    assert not keylog.is_open
    keylog.open(tmp_path / "keys")
    keylog.write(b"one")
    keylog.write(b"two\n")
    assert keylog.path == tmp_path / "keys"
    assert (tmp_path / "keys").read_bytes() == b"one\ntwo\n"


def test_it_appends_and_is_private(tmp_path: Path) -> None:
    for line in (b"one", b"two"):
        keylog = KeyLog(tmp_path / "keys")
        keylog.write(line)
        keylog.close()
    assert (tmp_path / "keys").read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


def test_switched_elsewhere_and_off(tmp_path: Path) -> None:
    keylog = KeyLog(tmp_path / "a")
    keylog.open(tmp_path / "b")
    keylog.write(b"x")
    keylog.open(None)
    keylog.write(b"y")
    assert (tmp_path / "a").read_bytes() == b""
    assert (tmp_path / "b").read_bytes() == b"x\n"
    assert keylog.path is None


def test_a_file_that_cannot_be_opened_changes_nothing(tmp_path: Path) -> None:
    keylog = KeyLog(tmp_path / "a")
    with pytest.raises(UserError, match="Cannot write TLS keys to"):
        keylog.open(tmp_path / "missing" / "b")
    keylog.write(b"x")
    assert (tmp_path / "a").read_bytes() == b"x\n"


def test_a_full_disk_loses_a_line_and_no_more() -> None:
    keylog = KeyLog("/dev/full")
    keylog.write(b"x")
    assert keylog.is_open
