"""A password file as Apache's `htpasswd` writes it: `user:hash` lines, `#` comments. bcrypt and {SHA} are understood.

A bcrypt check takes a tenth of a second by design, and it would be the event loop's. So what was verified once is remembered
(as a keyed digest, not as a password), what was refused too, and each address has a few guesses, and then one a second.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from interceptor.specs.errors import UserError

_BCRYPT: Final = ("$2y$", "$2b$", "$2a$")
_REMEMBERED: Final = 4_096
_GUESSES: Final = 5
_GUESS_AGAIN_SECONDS: Final = 1.0
_ADDRESSES: Final = 4_096


class HtpasswdFile:
    """The users of one file, read once. UserError if it cannot be read or has a line that is not understood."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._hashes = _read(path)
        self._clock = clock
        self._key = os.urandom(32)
        self._verdicts: dict[bytes, bool] = {}
        self._guesses: dict[str, tuple[float, float]] = {}  # address -> (left, as of)

    def is_right(self, user: str, password: str, address: str) -> bool:
        """`address`: who asks, for the count of wrong guesses."""
        stored = self._hashes.get(user)
        if stored is None:
            return False
        if stored.startswith("{SHA}"):
            return _is_sha(stored, password)
        seen = hmac.digest(self._key, f"{user}:{password}".encode("utf-8", "surrogateescape"), "sha256")
        verdict = self._verdicts.get(seen)
        if verdict is None:
            if not self._may_guess(address):
                return False
            verdict = _is_bcrypt(stored, password)
            if len(self._verdicts) >= _REMEMBERED:
                self._forget_a_verdict()
            self._verdicts[seen] = verdict
            if verdict:
                self._guesses.pop(address, None)
        return verdict

    def _may_guess(self, address: str) -> bool:
        now = self._clock()
        left, as_of = self._guesses.get(address, (float(_GUESSES), now))
        left = min(float(_GUESSES), left + (now - as_of) / _GUESS_AGAIN_SECONDS)
        if left < 1:
            return False
        if len(self._guesses) >= _ADDRESSES:
            self._guesses.clear()
        self._guesses[address] = (left - 1, now)
        return True

    def _forget_a_verdict(self) -> None:
        """A wrong one, so that guesses do not push out who is logged in."""
        oldest_wrong = next((seen for seen, verdict in self._verdicts.items() if not verdict), None)
        del self._verdicts[oldest_wrong if oldest_wrong is not None else next(iter(self._verdicts))]


def _read(path: Path) -> dict[str, str]:
    try:
        text = path.expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"The password file {path} cannot be read: {reason}.") from None
    hashes = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        user, colon, stored = line.partition(":")
        if not colon or not user:
            raise UserError(f"Line {number} of {path} is not user:hash.")
        _check_hash(stored, f"Line {number} of {path}")
        hashes[user] = stored
    if not hashes:
        raise UserError(f"The password file {path} has no users; `htpasswd -B {path} NAME` adds one.")
    return hashes


def _check_hash(stored: str, place: str) -> None:
    if stored.startswith("{SHA}"):
        try:
            digest = base64.b64decode(stored[5:], validate=True)
        except ValueError:
            digest = b""
        if len(digest) != hashlib.sha1(usedforsecurity=False).digest_size:
            raise UserError(f"{place} has a damaged {{SHA}} hash.")
    elif stored.startswith(_BCRYPT):
        if len(stored) != 60:
            raise UserError(f"{place} has a damaged bcrypt hash.")
        if importlib.util.find_spec("bcrypt") is None:
            raise UserError(f"{place} has a bcrypt hash, which needs the package bcrypt: pip install bcrypt.")
    else:
        raise UserError(f"{place} has a hash that is neither bcrypt nor {{SHA}}; `htpasswd -B` makes bcrypt.")


def _is_sha(stored: str, password: str) -> bool:
    digest = hashlib.sha1(password.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
    return hmac.compare_digest(base64.b64decode(stored[5:]), digest)


def _is_bcrypt(stored: str, password: str) -> bool:
    import bcrypt

    try:
        return bcrypt.checkpw(password.encode("utf-8", "surrogateescape")[:72], stored.encode())  # bcrypt sees no more than 72
    except ValueError:
        return False
