"""What `--version` prints: this program, what runs it, and every library. Nothing is imported to find out but OpenSSL."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from interceptor import __version__

LIBRARIES: Final = (
    "aioquic",
    "bcrypt",
    "brotli",
    "cryptography",
    "dnspython",
    "h11",
    "h2",
    "psutil",
    "pygments",
    "pyOpenSSL",
    "ruamel.yaml",
    "segno",
    "urwid",
    "uvloop",
    "wcwidth",
    "websockets",
    "wsproto",
    "zstandard",
)
"""What pyproject.toml depends on."""


def version_text() -> str:
    rows = [
        ("interceptor", __version__),
        ("Python", f"{platform.python_version()} ({platform.python_implementation()})"),
        ("OpenSSL", _openssl()),
        ("Platform", platform.platform()),
        *((name, _version_of(name)) for name in LIBRARIES),
    ]
    return "".join(f"{name:<13}{value}\n" for name, value in rows)


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _openssl() -> str:
    """The one that TLS runs on here: it comes with cryptography and is not Python's own."""
    try:
        from cryptography.hazmat.backends.openssl import backend
    except ImportError:
        return "not installed"
    return backend.openssl_version_text().removeprefix("OpenSSL ")
