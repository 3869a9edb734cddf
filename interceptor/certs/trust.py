"""How to make devices and programs trust the CA: the same guides for the terminal (`interceptor ca`) and for the page that the
proxy serves to a phone.

    authority ─▸ guides() ─┬▸ instructions(), ca_report()   text, with the files where they lie on this computer
                           └▸ addons/onboarding.py          HTML, with the files as they are called once downloaded

A guide is a title and steps; a step is a sentence and perhaps a command to copy. Making the changes is for `stores.py`.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from interceptor.certs.authority import CERT_CER_FILE, CERT_P12_FILE, CERT_PEM_FILE, Authority
from interceptor.certs.stores import ANCHOR_NAME, Machine, Outcome, install, nickname, uninstall
from interceptor.specs.errors import UserError

__all__ = ["PAGE", "Guide", "Machine", "Outcome", "Step", "ca_report", "guides", "install", "instructions", "uninstall"]

PAGE: Final = "http://interceptor.test/"
"""What a device that uses the proxy opens to get the certificate."""

_ENDS_SOON: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Step:
    """A sentence, and a command or a setting to copy ("" if there is none)."""

    text: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Guide:
    """How one platform comes to trust the CA. `group` is what several guides may be asked for by."""

    name: str
    title: str
    steps: tuple[Step, ...]
    group: str = ""


@dataclass(frozen=True, slots=True)
class _Files:
    """The certificate's files as they are to be named in a command: PEM for a POSIX shell, CER for the one of Windows."""

    pem: str
    cer: str

    @classmethod
    def of(cls, folder: Path | None) -> _Files:
        if folder is None:
            return cls(CERT_PEM_FILE, CERT_CER_FILE)
        return cls(shlex.quote(str(folder / CERT_PEM_FILE)), f'"{folder / CERT_CER_FILE}"')


def guides(authority: Authority, *, is_download: bool = False) -> tuple[Guide, ...]:
    """All guides. With `is_download` commands name the files as downloaded, in the current folder, else where they lie here."""
    files = _Files.of(None if is_download else authority.pem_path.parent)
    return tuple([*_phones(authority, is_download), *_desktops(files), *_linux(authority, files), *_programs(files)])


def instructions(authority: Authority, platform: str | None = None) -> str:
    """The guides as text: all, or those of one platform ("android", "linux", "node"). UserError for one that is not known."""
    everything = guides(authority)
    chosen = [guide for guide in everything if platform is None or platform.lower() in (guide.name, guide.group)]
    if not chosen:
        known = dict.fromkeys(guide.group or guide.name for guide in everything)
        raise UserError(f"There is no guide for {platform!r}; there are {', '.join(known)}.")
    return "\n".join(_as_text(guide) for guide in chosen)


def ca_report(authority: Authority) -> str:
    """What `interceptor ca` prints: the CA, its files, whether it still counts, and how to have it trusted."""
    folder = authority.pem_path.parent
    rows = [
        ("CA", f"{authority.common_name}, {_key_kind(authority)}"),
        ("Fingerprint", f"SHA-256 {authority.fingerprint_sha256}"),
        ("Valid until", f"{authority.not_after:%Y-%m-%d}{_remaining(authority)}"),
        ("Certificate", f"{folder / CERT_PEM_FILE}  for most programs"),
        ("", f"{folder / CERT_CER_FILE}  for Windows and phones"),
        ("", f"{folder / CERT_P12_FILE}  for what wants PKCS #12 (no password)"),
        ("Private key", f"{authority.pem_path}  whoever has it can read your traffic"),
        ("For devices", f"{PAGE}  once they use this proxy"),
    ]
    head = "\n".join(f"{label:<12} {text}" for label, text in rows)
    hint = "`interceptor ca install` puts it into this computer's stores, `interceptor ca uninstall` takes it out. By hand:"
    return f"{head}\n\n{hint}\n\n{instructions(authority)}"


def android_system_name(authority: Authority) -> str:
    """The file name by which Android's system store finds a CA (OpenSSL's old subject hash)."""
    digest = hashlib.md5(authority.certificate.subject.public_bytes(), usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}.0"


def _remaining(authority: Authority) -> str:
    left = authority.not_after - datetime.now(UTC)
    if authority.is_expired:
        return f": expired, so nothing trusts it any more. Move {authority.pem_path} away, start again, and trust the new one"
    if left < _ENDS_SOON:
        return f": {left.days} days left. Then move {authority.pem_path} away, start again, and trust the new one"
    return ""


def _key_kind(authority: Authority) -> str:
    match authority.key:
        case rsa.RSAPrivateKey() as key:
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePrivateKey() as key:
            return f"EC {key.curve.name}"
        case _:
            return "EdDSA"


def _as_text(guide: Guide) -> str:
    lines = [guide.title]
    for step in guide.steps:
        lines.append(f"  - {step.text}")
        lines += [f"      {line}" for line in step.command.splitlines()]
    return "\n".join(lines) + "\n"


def _phones(authority: Authority, is_download: bool) -> Iterator[Guide]:
    there = f"With the proxy set on the device, open {PAGE} and download the certificate (.cer)."
    fetch = "Download the certificate (.cer) from this page." if is_download else there
    yield Guide(
        "ios",
        "iPhone and iPad",
        (
            Step(f"{fetch} Use Safari, and allow the profile."),
            Step("Settings > General > VPN & Device Management: choose the downloaded profile and install it."),
            Step("Settings > General > About > Certificate Trust Settings: switch on full trust for it."),
        ),
    )
    name = android_system_name(authority)
    yield Guide(
        "android",
        "Android",
        (
            Step(fetch),
            Step(
                "Settings > Security & privacy > More security settings > Encryption & credentials > Install a certificate"
                " > CA certificate: choose the file. Names differ by maker: search the settings for 'CA certificate'."
            ),
            Step(
                "Browsers now trust it. Apps do only if they opted in: for your own, allow user certificates in the debug"
                " build's network security configuration.",
                '<debug-overrides><trust-anchors><certificates src="user"/></trust-anchors></debug-overrides>',
            ),
            Step(
                "On a rooted device or an emulator with a writable system, all apps trust the system store.",
                f"adb push {CERT_PEM_FILE} /system/etc/security/cacerts/{name}\n"
                f"adb shell chmod 644 /system/etc/security/cacerts/{name}",
            ),
            Step(
                "Chrome 99 and newer refuses a CA that is in the system store alone (ERR_CERTIFICATE_TRANSPARENCY_REQUIRED),"
                " because it expects those to be public: for Chrome install it as a user certificate."
            ),
        ),
    )


def _desktops(files: _Files) -> Iterator[Guide]:
    yield Guide(
        "macos",
        "macOS (Safari, Chrome, most apps)",
        (
            Step(
                "Add it to your keychain as trusted; you are asked for your password.",
                f"security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db {files.pem}",
            ),
            Step("Or open the .pem file in Keychain Access, open its Trust section, and choose Always Trust for SSL."),
        ),
    )
    yield Guide(
        "windows",
        "Windows (Edge, Chrome, most programs)",
        (
            Step("Add it to the roots of your account, and confirm.", f"certutil -addstore -user Root {files.cer}"),
            Step(
                "Or open the .cer file, Install Certificate, Current User, and place it in Trusted Root Certification"
                " Authorities."
            ),
        ),
    )
    yield Guide(
        "firefox",
        "Firefox",
        (
            Step(
                "Settings > Privacy & Security > Certificates > View Certificates > Authorities > Import: choose the .pem"
                " file, and tick 'Trust this CA to identify websites'."
            ),
            Step("On Windows and macOS it also takes over what the system trusts, unless that is switched off there."),
        ),
    )


def _linux(authority: Authority, files: _Files) -> Iterator[Guide]:
    debian = f"sudo cp {files.pem} /usr/local/share/ca-certificates/{ANCHOR_NAME}\nsudo update-ca-certificates"
    fedora = f"sudo cp {files.pem} /etc/pki/ca-trust/source/anchors/{ANCHOR_NAME}\nsudo update-ca-trust"
    yield Guide("debian", "Linux: Debian, Ubuntu, Alpine", (Step("System store:", debian),), "linux")
    yield Guide("fedora", "Linux: Fedora, RHEL", (Step("System store:", fedora),), "linux")
    yield Guide("arch", "Linux: Arch", (Step("System store:", f"sudo trust anchor --store {files.pem}"),), "linux")
    chrome = f'certutil -d sql:$HOME/.pki/nssdb -A -t "C,," -n "{nickname(authority)}" -i {files.pem}'
    tools = "Chrome does not look at the system store; certutil comes with libnss3-tools (Debian) or nss-tools (Fedora)."
    yield Guide("chrome", "Linux: Chrome, Chromium", (Step(tools, chrome),), "linux")


def _programs(files: _Files) -> Iterator[Guide]:
    keytool = "keytool -importcert -noprompt -trustcacerts -cacerts -storepass changeit -alias interceptor -file"
    yield Guide("java", "Java", (Step("Into the trust store of the JDK that runs the program:", f"{keytool} {files.pem}"),))
    yield Guide(
        "node",
        "Node.js",
        (
            Step("Read once, when the program starts:", f"export NODE_EXTRA_CA_CERTS={files.pem}"),
            Step("Or, if the system trusts it (Node 22.15, 23.9 and newer):", "node --use-system-ca"),
        ),
    )
    yield Guide(
        "python",
        "Python",
        (
            Step(
                "requests reads the first, httpx, aiohttp and urllib the second, pip the third. They then trust this CA and"
                " no other, which is right while all goes through the proxy.",
                f"export REQUESTS_CA_BUNDLE={files.pem}\nexport SSL_CERT_FILE={files.pem}\nexport PIP_CERT={files.pem}",
            ),
        ),
    )
    yield Guide(
        "curl",
        "curl, git",
        (
            Step("For one command:", f"curl --cacert {files.pem} https://example.com/"),
            Step("For a shell:", f"export CURL_CA_BUNDLE={files.pem}\nexport GIT_SSL_CAINFO={files.pem}"),
        ),
    )
