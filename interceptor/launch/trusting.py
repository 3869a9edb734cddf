"""What makes a program trust the CA, and go through a proxy, that nothing else on this machine trusts or uses.

TrustFiles(folder, ca) ─▸ bundle.pem (the system's roots and ours), truststore.jks
variables(files)       ─▸ what curl, Python, Node, Java, Go, Ruby, git, … look at
proxy_variables(…)     ─▸ for programs that cannot be enclosed in a network of their own
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Final

STORES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch
    "/etc/ssl/cert.pem",  # Alpine, BSD
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/pki/tls/cert.pem",
)
JAVA_STORES: Final = ("/etc/ssl/certs/java/cacerts", "/etc/pki/java/cacerts", "/etc/pki/ca-trust/extracted/java/cacerts")
JAVA_HOMES: Final = ("/usr/lib/jvm/*", "/opt/*", "~/.sdkman/candidates/java/*", "~/.jdks/*")
"""Where people have Javas, many of which bring a store of their own."""

_BUNDLE_VARIABLES: Final = (
    "SSL_CERT_FILE",  # OpenSSL, Go, Ruby, rustls-native-certs
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "HTTPLIB2_CA_CERTS",
    "PIP_CERT",
    "AWS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "DENO_CERT",
    "NIX_SSL_CERT_FILE",
    "PERL_LWP_SSL_CA_FILE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "BUNDLE_SSL_CA_CERT",
)
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_PROXY_NAMES: Final = ("http_proxy", "https_proxy", "all_proxy")
_NO_PROXY: Final = ("no_proxy", "NO_PROXY")


@dataclass(frozen=True, slots=True)
class TrustFiles:
    bundle: Path
    java: Path
    ca: Path

    @classmethod
    def write(cls, folder: Path, ca_file: Path) -> TrustFiles:
        """The system's roots stay trusted: what the proxy passes through untouched has to verify, too. OSError."""
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12

        files = cls(folder / "bundle.pem", folder / "truststore.p12", ca_file)
        ours = ca_file.read_bytes()
        files.bundle.write_bytes(_system_roots() + b"\n" + ours)
        entries: list[pkcs12.PKCS12Certificate] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some roots of some systems are not quite what RFC 5280 wants
            for number, pem in enumerate(_PEM.findall(files.bundle.read_bytes())):
                with suppress(ValueError):
                    entries.append(pkcs12.PKCS12Certificate(x509.load_pem_x509_certificate(pem), f"root-{number}".encode()))
        # Without a password: a Java that is not told of one reads its own store without, and finds nothing in one that has it.
        files.java.write_bytes(pkcs12.serialize_java_truststore(entries, NoEncryption()))
        return files

    def mounts(self, program: str) -> Sequence[tuple[str, str]]:
        """(what, over what) for those stores that this machine has, or that program brings."""
        pairs = [(str(self.bundle), store) for store in STORES if os.path.isfile(store)]
        return pairs + [(str(self.java), store) for store in _java_stores(program)]


def _java_stores(program: str) -> list[str]:
    found = [shutil.which(each) for each in (program, "java")]
    homes = [os.path.dirname(os.path.dirname(os.path.realpath(java))) for java in found if java is not None]
    homes += [home for pattern in JAVA_HOMES for home in glob(os.path.expanduser(pattern))]
    if home := os.environ.get("JAVA_HOME"):
        homes.append(home)
    stores = [*JAVA_STORES, *(os.path.join(home, part, "security/cacerts") for home in homes for part in ("lib", "jre/lib"))]
    return list(dict.fromkeys(os.path.realpath(store) for store in stores if os.path.isfile(store)))


def _system_roots() -> bytes:
    candidates = (ssl.get_default_verify_paths().cafile, *STORES)
    for path in candidates:
        if path and os.path.isfile(path):
            return Path(path).read_bytes()
    return b""


def variables(files: TrustFiles, is_mounted: bool = False) -> Mapping[str, str]:
    """`is_mounted`: Java finds its own store changed, and need not be told (it prints a line when it is)."""
    found = dict.fromkeys(_BUNDLE_VARIABLES, str(files.bundle))
    found["NODE_EXTRA_CA_CERTS"] = str(files.ca)
    if not is_mounted:
        found["JAVA_TOOL_OPTIONS"] = _java(files)
    return found


def proxy_variables(host: str, port: int, files: TrustFiles) -> Mapping[str, str | None]:
    """With those of `variables`. None: not set any more."""
    url = f"http://{host}:{port}"
    found: dict[str, str | None] = {name: url for each in _PROXY_NAMES for name in (each, each.upper())}
    found.update(dict.fromkeys(_NO_PROXY))
    found["NODE_USE_ENV_PROXY"] = "1"
    ways = " ".join(f"-D{scheme}.proxyHost={host} -D{scheme}.proxyPort={port}" for scheme in ("http", "https"))
    found["JAVA_TOOL_OPTIONS"] = f"{_java(files)} {ways} -Dhttp.nonProxyHosts="
    return found


def _java(files: TrustFiles) -> str:
    return f"-Djavax.net.ssl.trustStore={files.java} -Djavax.net.ssl.trustStoreType=PKCS12"
