"""What a person may set about TLS, and the key log: values that contexts are built from.

A pyOpenSSL context cannot be changed once a connection used it. So settings are an immutable value (a change means new contexts),
and what must be switchable while running, the key log, is a sink that every context writes to from its start.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from OpenSSL import SSL

from interceptor.specs.errors import UserError

VERSIONS: Final = {
    "UNBOUNDED": 0,
    "TLS1": SSL.TLS1_VERSION,
    "TLS1_1": SSL.TLS1_1_VERSION,
    "TLS1_2": SSL.TLS1_2_VERSION,
    "TLS1_3": SSL.TLS1_3_VERSION,
}
"""The names that the tls_version options take, as OpenSSL numbers them; UNBOUNDED leaves that end open."""

_GROUPS: Final = "X25519:P-256:P-384"
_RELEASE_BUFFERS: Final = 0x10  # SSL_MODE_RELEASE_BUFFERS, which pyOpenSSL does not name: 11 kB less per idle connection


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The options of the same names. "client" is the side that faces the programs which use us, "server" faces the servers;
    cipher lists are OpenSSL's and govern TLS 1.2 and older; curves are OpenSSL group lists."""

    tls_version_client_min: str = "TLS1_2"
    tls_version_client_max: str = "UNBOUNDED"
    tls_version_server_min: str = "TLS1_2"
    tls_version_server_max: str = "UNBOUNDED"
    ciphers_client: str | None = None
    ciphers_server: str | None = None
    tls_ecdh_curve_client: str | None = None
    tls_ecdh_curve_server: str | None = None
    ssl_verify_upstream_trusted_ca: str | None = None
    ssl_verify_upstream_trusted_confdir: str | None = None
    client_certs: str | None = None
    cert_passphrase: str | None = None
    request_client_cert: bool = False
    add_upstream_certs_to_client_chain: bool = False

    @property
    def passphrase(self) -> bytes | None:
        return self.cert_passphrase.encode() if self.cert_passphrase else None


class KeyLog:
    """Where TLS secrets are written for Wireshark, in NSS key log format; nowhere until a file is opened. Every context holds
    the sink, so that it can be switched while connections run."""

    def __init__(self, path: str | Path | None = None) -> None:
        self.path: Path | None = None
        self._file: BinaryIO | None = None
        self.open(path)

    @property
    def is_open(self) -> bool:
        return self._file is not None

    def open(self, path: str | Path | None) -> None:
        """From now on append to that file (made readable by its owner alone), or write nowhere if None. UserError if it cannot
        be opened; then all stays as it was."""
        file: BinaryIO | None = None
        if path:
            try:
                descriptor = os.open(Path(path).expanduser(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                file = os.fdopen(descriptor, "wb", buffering=0)
            except OSError as error:
                raise UserError(f"Cannot write TLS keys to {path} ({error.strerror}); name a file of your own.") from error
        self.close()
        self._file, self.path = file, Path(path) if path else None

    def write(self, line: bytes) -> None:
        """One line of the key log, with or without its line end. A disk that is full loses lines, never a connection."""
        if self._file is not None:
            with suppress(OSError):
                self._file.write(line if line.endswith(b"\n") else line + b"\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self.path = None, None


_DTLS1: Final = 0xFEFF
_DTLS1_2: Final = 0xFEFD


def new_context(
    method: int, versions: tuple[str, str], ciphers: str | None, groups: str | None, keylog: KeyLog, *, is_lenient: bool
) -> SSL.Context:
    """A context with all that both sides have in common. `is_lenient` takes the short keys and old signatures that OpenSSL would
    refuse: for the clients, which are the user's own, and for servers that are not verified anyway. UserError for a version,
    cipher list or group list that OpenSSL does not know."""
    oldest, newest = (_version(each) for each in versions)
    context = SSL.Context(method)
    is_datagrams = method in (SSL.DTLS_CLIENT_METHOD, SSL.DTLS_SERVER_METHOD)
    context.set_mode(_RELEASE_BUFFERS)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    if is_datagrams:
        context.set_min_proto_version(_DTLS1_2 if oldest >= SSL.TLS1_2_VERSION else _DTLS1)
        context.set_options(SSL.OP_NO_QUERY_MTU)
    else:
        context.set_min_proto_version(oldest)
        context.set_max_proto_version(newest)
    level = ":@SECLEVEL=0" if is_lenient or oldest < SSL.TLS1_2_VERSION else ""
    try:
        context.set_cipher_list(((ciphers or "DEFAULT") + ("" if ciphers and "@SECLEVEL" in ciphers else level)).encode())
    except (SSL.Error, UnicodeError) as error:
        raise UserError(f"OpenSSL knows no cipher list {ciphers!r}; `openssl ciphers -v` shows what there is.") from error
    # Not the post-quantum default: it costs a third of a handshake, two packets and 11 kB a connection.
    if SSL._lib.SSL_CTX_set1_curves_list(context._context, (groups or _GROUPS).encode("ascii", "replace")) != 1:  # type: ignore[attr-defined]
        SSL._lib.ERR_clear_error()  # type: ignore[attr-defined]
        raise UserError(f"OpenSSL knows no group {groups!r}; use for example X25519 or prime256v1, several joined by colons.")
    context.set_keylog_callback(lambda _, line: keylog.write(line))
    return context


def _version(name: str) -> int:
    try:
        return VERSIONS[name]
    except KeyError:
        raise UserError(f"There is no TLS version {name!r}; use one of {', '.join(VERSIONS)}.") from None
