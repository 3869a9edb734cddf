"""TLS contexts, complete and cached: what every handshake on either side is started from.

    ClientHello's names, upstream's chain ─▸ ClientContexts ─▸ a server-side context with a leaf   (LRU)
    verify or not, host                   ─▸ UpstreamContexts ─▸ a client-side context with the trusted CAs

Invariants: a context is finished before anyone sees it, since pyOpenSSL freezes it at its first connection; the same question
gets the same object, since a session can be resumed only through the context that it came from; a question that is answered on
the event loop takes less than a millisecond (`is_quick`, `find`), all else goes through `get_later` and a thread. What differs
between two connections of one context (protocols to choose from, host to verify) is set on the connection:

    client side:   connection.set_app_data((b"h2", b"http/1.1"))   what may be chosen, our favourite first
    server side:   SNI, ALPN offer and the host to verify; the context verifies the chain alone

Changed settings mean new contexts: make new caches, and drop the old ones when their connections are gone.
"""

from __future__ import annotations

import asyncio
import math
import os
import ssl
import time
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509
from OpenSSL import SSL, crypto

from interceptor.certs.authority import Authority
from interceptor.certs.leaf import LeafKey, LeafKeys, certificate_names, general_names, liken, sign
from interceptor.certs.own import OwnCertificate, OwnCertificates, load_own
from interceptor.certs.settings import KeyLog, TlsSettings, new_context
from interceptor.specs.errors import UserError

__all__ = ["ClientContexts", "KeyLog", "OwnCertificates", "TlsSettings", "UpstreamContexts"]

CACHED_CONTEXTS: Final = 4096
"""Client-facing contexts kept; one is about 12 kB."""

_REFRESH_SECONDS: Final = 86_400.0  # a leaf is minted anew this long before it ends,
_LEAST_SECONDS: Final = 3_600.0  # but no more often than this, also when the CA itself is about to end

_MOST_SHOWN_ON: Final = 16  # certificates of an upstream that are passed on to clients
_MAX_CERTIFICATE: Final = 32_768  # bytes; one with hundreds of names has 10,000, and a hostile one would hold up the loop

_SYSTEM_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",  # older Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/var/lib/ca-certificates/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS, the BSDs
)

_COOKIE_BYTES: Final = 20

_Key = tuple[tuple[str, ...], bytes, bool]


@dataclass(slots=True)
class _Cached:
    context: SSL.Context
    good_until: float


class ClientContexts:
    """Server-side contexts, for connections that face clients. `names` are what the client asked for, most telling first (SNI,
    CONNECT host, address); `upstream_chain` is what the server showed, DER, leaf first, empty if unknown."""

    def __init__(
        self,
        authority: Authority,
        own_certificates: OwnCertificates,
        settings: TlsSettings,
        keylog: KeyLog,
        leaf_keys: LeafKeys | None = None,
        size: int = CACHED_CONTEXTS,
    ) -> None:
        self._authority = authority
        self._own_certificates = own_certificates
        self._settings = settings
        self._keylog = keylog
        self._keys = leaf_keys or LeafKeys()
        self._size = size
        self._cached: OrderedDict[_Key, _Cached] = OrderedDict()
        self._unproven: SSL.Context | None = None
        self._own_contexts: dict[OwnCertificate, SSL.Context] = {}
        self._being_made: dict[_Key, asyncio.Future[_Cached]] = {}
        # An upstream's overlong names are dealt with; nobody needs to read about each.
        warnings.filterwarnings("ignore", "Attribute's length must be", UserWarning)
        self._blank()  # a bad cipher or group list is said when it is set, not at the first handshake

    def find(self, names: tuple[str, ...], upstream_chain: tuple[bytes, ...], wants_rsa: bool) -> SSL.Context | None:
        """The context, if there is one already: always quick."""
        return self._find(self._key(names, upstream_chain, wants_rsa))

    def is_quick(self, wants_rsa: bool) -> bool:
        """Whether `get` may be called on the event loop also when nothing is cached. Two leaves are over the millisecond, or
        just below; those who want the second are so few that they can all wait for a thread."""
        return self._authority.signs_quickly and not wants_rsa

    def get(self, names: tuple[str, ...], upstream_chain: tuple[bytes, ...], wants_rsa: bool) -> SSL.Context:
        """The context for these, minted now if need be: half a millisecond if `is_quick`, else up to 100. `wants_rsa`: the client
        offers no ECDSA, so an RSA leaf is there as well."""
        key = self._key(names, upstream_chain, wants_rsa)
        return self._find(key) or self._keep(key, self._make(names, upstream_chain, wants_rsa))

    async def get_later(self, names: tuple[str, ...], upstream_chain: tuple[bytes, ...], wants_rsa: bool) -> SSL.Context:
        """The same off the event loop; those who ask for the same meanwhile share one."""
        key = self._key(names, upstream_chain, wants_rsa)
        cached = self._find(key)
        if cached is not None:
            return cached
        running = self._being_made.get(key)
        if running is None:
            running = asyncio.get_running_loop().run_in_executor(None, self._make, names, upstream_chain, wants_rsa)
            self._being_made[key] = running
            running.add_done_callback(lambda future: self._made(key, future))
        return (await asyncio.shield(running)).context

    def __len__(self) -> int:
        return len(self._cached)

    def _key(self, names: tuple[str, ...], upstream_chain: tuple[bytes, ...], wants_rsa: bool) -> _Key:
        return names, sha256(upstream_chain[0]).digest() if upstream_chain else b"", wants_rsa

    def _find(self, key: _Key) -> SSL.Context | None:
        entry = self._cached.get(key)
        if entry is None or entry.good_until < time.time():
            return None
        self._cached.move_to_end(key)
        return entry.context

    def _keep(self, key: _Key, made: _Cached) -> SSL.Context:
        self._cached[key] = made
        self._cached.move_to_end(key)
        while len(self._cached) > self._size:
            self._cached.popitem(last=False)
        return made.context

    def _made(self, key: _Key, future: asyncio.Future[_Cached]) -> None:
        del self._being_made[key]
        if not future.cancelled() and future.exception() is None:
            self._keep(key, future.result())

    def _make(self, names: tuple[str, ...], upstream_chain: tuple[bytes, ...], wants_rsa: bool) -> _Cached:
        upstream = _parsed(upstream_chain[0]) if upstream_chain else None
        own = self._own_certificate(names, upstream)
        if own is not None:
            return _Cached(self._own_context(own), math.inf)
        likeness = liken(names, upstream)
        context = self._blank()
        keys: tuple[LeafKey, ...] = (self._keys.ec, self._keys.rsa) if wants_rsa else (self._keys.ec,)
        for key in keys:
            leaf = sign(self._authority, key, likeness)
            context.use_certificate(leaf)
            context.use_privatekey(key)
        for certificate in self._authority.chain:
            context.add_extra_chain_cert(certificate)
        if self._settings.add_upstream_certs_to_client_chain:
            for certificate in filter(None, map(_parsed, upstream_chain[:_MOST_SHOWN_ON])):
                context.add_extra_chain_cert(certificate)
        ends = leaf.not_valid_after_utc.timestamp()
        return _Cached(context, max(ends - _REFRESH_SECONDS, time.time() + _LEAST_SECONDS))

    def _own_certificate(self, names: tuple[str, ...], upstream: x509.Certificate | None) -> OwnCertificate | None:
        # Only who named no host (no SNI, a bare address) is taken to want what the upstream is: nobody asked for its other names.
        if self._own_certificates and upstream is not None and not any(map(_is_host_name, names)):
            return self._own_certificates.find((*names, *certificate_names(upstream)))
        return self._own_certificates.find(names)

    def _own_context(self, own: OwnCertificate) -> SSL.Context:
        context = self._own_contexts.get(own)
        if context is None:
            context = self._blank()
            context.use_certificate(own.certificate)
            context.use_privatekey(own.key)
            for certificate in own.chain:
                context.add_extra_chain_cert(certificate)
            self._own_contexts[own] = context
        return context

    def for_unproven(self) -> SSL.Context:
        """For DTLS with a client that has not yet shown that it is where it says: asks it for that (a cookie, RFC 6347 §4.2.1),
        and has no certificate. The connection's app data is the cookie, if it has been asked for one before. When it has
        shown it, the connection gets another context (`set_context`)."""
        if self._unproven is None:
            settings = self._settings
            versions = settings.tls_version_client_min, settings.tls_version_client_max
            groups, ciphers = settings.tls_ecdh_curve_client, settings.ciphers_client
            context = new_context(SSL.DTLS_SERVER_METHOD, versions, ciphers, groups, self._keylog, is_lenient=True)
            context.set_options(SSL.OP_COOKIE_EXCHANGE or 0)
            context.set_cookie_generate_callback(lambda connection: connection.get_app_data() or os.urandom(_COOKIE_BYTES))
            context.set_alpn_select_callback(_choose_protocol)
            self._unproven = context
        return self._unproven

    def _blank(self) -> SSL.Context:
        """All but the certificates."""
        settings = self._settings
        versions = settings.tls_version_client_min, settings.tls_version_client_max
        groups = settings.tls_ecdh_curve_client
        context = new_context(SSL.TLS_SERVER_METHOD, versions, settings.ciphers_client, groups, self._keylog, is_lenient=True)
        # Tickets carry the state of a session, so nothing needs to be kept here; without an id OpenSSL refuses to resume once a
        # client certificate was asked for.
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_session_id(b"interceptor")
        context.set_alpn_select_callback(_choose_protocol)
        if settings.request_client_cert:
            context.set_verify(SSL.VERIFY_PEER, _accept_any_certificate)
        return context


class UpstreamContexts:
    """Client-side contexts, for connections to servers. Trusted are the CAs of the settings, else those of the system: on Linux
    the distribution's bundle (or SSL_CERT_FILE and SSL_CERT_DIR); elsewhere what Python's OpenSSL or /etc/ssl/cert.pem has, which
    on macOS and Windows does not include what was added to the keychain or the registry; certifi's list if there is nothing else.

    The caller names the host to verify on each connection; the contexts verify the chain alone. UserError if a setting names a
    file that cannot be used: for the folders and files of the settings at once, for what is in them at `get`."""

    def __init__(self, settings: TlsSettings, keylog: KeyLog) -> None:
        self._settings = settings
        self._keylog = keylog
        self._contexts: dict[tuple[bool, Path | None, bool], SSL.Context] = {}
        self._trusting: SSL.Context | None = None  # the one that read the CAs, which the others share
        self._client_certs = Path(settings.client_certs).expanduser() if settings.client_certs else None
        if self._client_certs is not None and not self._client_certs.is_dir():
            load_own(self._client_certs, settings.cert_passphrase)
        self._trusted: tuple[str | None, str | None] | None = None
        if settings.ssl_verify_upstream_trusted_ca or settings.ssl_verify_upstream_trusted_confdir:
            self._trusted = _chosen_trust(settings.ssl_verify_upstream_trusted_ca, settings.ssl_verify_upstream_trusted_confdir)
        self._blank(verify=False)  # a bad cipher or group list is said when it is set

    def get(self, verify: bool, host: str | None = None, is_datagrams: bool = False) -> SSL.Context:
        """The context for servers that are verified or not; `host` chooses the client certificate where `client_certs` is a
        folder, `is_datagrams` is for DTLS. The first verifying one takes some 4 ms, for the CAs are read; a thread may make it
        early."""
        client_cert = self._client_cert(host)
        context = self._contexts.get((verify, client_cert, is_datagrams))
        if context is None:
            context = self._contexts[verify, client_cert, is_datagrams] = self._make(verify, client_cert, is_datagrams)
        return context

    @property
    def trust_source(self) -> str:
        """Where the trusted CAs come from, for people: a file or a folder, or both."""
        return " and ".join(filter(None, self._trust()))

    def _make(self, verify: bool, client_cert: Path | None, is_datagrams: bool) -> SSL.Context:
        context = self._blank(verify, is_datagrams)
        if verify:
            if self._trusting is None:
                self._load_trust(context)
                self._trusting = context
            else:
                _share_store(self._trusting, context)
        if client_cert is not None:
            own = load_own(client_cert, self._settings.cert_passphrase)
            context.use_certificate(own.certificate)
            context.use_privatekey(own.key)
            for certificate in own.chain:
                context.add_extra_chain_cert(certificate)
        return context

    def _blank(self, verify: bool, is_datagrams: bool = False) -> SSL.Context:
        settings = self._settings
        versions = settings.tls_version_server_min, settings.tls_version_server_max
        groups = settings.tls_ecdh_curve_server
        ciphers = settings.ciphers_server
        method = SSL.DTLS_CLIENT_METHOD if is_datagrams else SSL.TLS_CLIENT_METHOD
        context = new_context(method, versions, ciphers, groups, self._keylog, is_lenient=not verify)
        if verify:
            context.set_verify(SSL.VERIFY_PEER)
        else:
            context.set_verify(SSL.VERIFY_NONE)
            context.set_options(SSL.OP_LEGACY_SERVER_CONNECT)
        return context

    def _load_trust(self, context: SSL.Context) -> None:
        cafile, capath = self._trust()
        try:
            context.load_verify_locations(cafile, capath)
        except SSL.Error as error:
            raise UserError(f"No CA certificates can be read from {cafile or capath}; it must be PEM.") from error
        # A certificate in the list is trusted as it is: also one that is no root, such as a test server's own.
        store = context.get_cert_store()
        if store is not None:
            store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)

    def _trust(self) -> tuple[str | None, str | None]:
        if self._trusted is None:
            self._trusted = system_trust()
        return self._trusted

    def _client_cert(self, host: str | None) -> Path | None:
        folder = self._client_certs
        if folder is None or not folder.is_dir():
            return folder
        if not host or "/" in host or "\\" in host or "\0" in host:  # the name comes from the wire
            return None
        path = folder / f"{host}.pem"
        return path if path.is_file() else None


def system_trust() -> tuple[str | None, str | None]:
    """A bundle of CA certificates and a folder of hashed ones, as OpenSSL takes them; at least one of them. UserError if the
    system has neither, and certifi is not installed."""
    environment = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    chosen = _existing(*environment)
    if any(chosen):
        return chosen
    for bundle in _SYSTEM_BUNDLES:
        if os.access(bundle, os.R_OK):
            return bundle, None
    paths = ssl.get_default_verify_paths()
    found = _existing(paths.cafile, paths.capath)
    if any(found):
        return found
    try:
        import certifi  # only where there is nothing else: it does not know what the user added
    except ImportError:
        raise UserError("This system has no CA list; install ca-certificates or set ssl_verify_upstream_trusted_ca.") from None
    return certifi.where(), None


def _existing(cafile: str | None, capath: str | None) -> tuple[str | None, str | None]:
    has_hashed = capath is not None and Path(capath).is_dir() and any(Path(capath).glob("*.[0-9]"))
    return cafile if cafile and os.access(cafile, os.R_OK) else None, capath if has_hashed else None


def _chosen_trust(cafile: str | None, capath: str | None) -> tuple[str | None, str | None]:
    file = str(Path(cafile).expanduser()) if cafile else None
    folder = str(Path(capath).expanduser()) if capath else None
    if file is not None and not (os.path.isfile(file) and os.access(file, os.R_OK)):
        raise UserError(f"Cannot read {file}; ssl_verify_upstream_trusted_ca names a PEM file of CA certificates.")
    if folder is not None and not os.path.isdir(folder):
        raise UserError(f"{folder} is no folder; ssl_verify_upstream_trusted_confdir names one that c_rehash has prepared.")
    return file, folder


def _share_store(source: SSL.Context, target: SSL.Context) -> None:
    """Reading the system's CAs takes 4 ms; contexts of different client certificates trust the same ones."""
    lib = SSL._lib  # type: ignore[attr-defined]
    store = lib.SSL_CTX_get_cert_store(source._context)
    lib.X509_STORE_up_ref(store)
    lib.SSL_CTX_set_cert_store(target._context, store)  # which takes over that reference


def _choose_protocol(connection: SSL.Connection, offered: list[bytes]) -> bytes | SSL._NoOverlappingProtocols:
    for protocol in connection.get_app_data() or ():
        if protocol in offered:
            return bytes(protocol)
    return SSL.NO_OVERLAPPING_PROTOCOLS


def _accept_any_certificate(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int) -> bool:
    return True


@lru_cache(maxsize=256)
def _parsed(der: bytes) -> x509.Certificate | None:
    if len(der) > _MAX_CERTIFICATE:
        return None
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        return None


def _is_host_name(name: str) -> bool:
    return any(isinstance(each, x509.DNSName) for each in general_names([name]))
