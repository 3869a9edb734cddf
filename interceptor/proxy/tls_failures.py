"""Why a TLS handshake failed, in words for a person: what happened, and what to do about it."""

from __future__ import annotations

from typing import Any, Final

from OpenSSL import SSL

_lib: Any = SSL._lib  # type: ignore[attr-defined]
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]
_TRUST_ALERTS: Final = ("unknown ca", "bad certificate", "certificate unknown", "certificate expired", "access denied")
_TRUST_HINT: Final = "Let it trust the CA: `interceptor ca` says how, or open http://interceptor.test/ through this proxy."


def _texts(error: SSL.Error | None) -> list[str]:
    """What OpenSSL says, most telling last; nothing if the peer just closed the connection."""
    if error is None or not error.args or not isinstance(error.args[0], list):
        return []
    return [str(entry[-1]) for entry in error.args[0]]


def says_nothing(error: SSL.Error) -> bool:
    """The peer has just ended TLS, without an alert."""
    return not _texts(error)


def broken(error: SSL.Error) -> str:
    """After the handshake: an alert, or bytes that are no records of this connection."""
    return f"TLS broke off: {' '.join(_texts(error)) or 'no valid records'}"


def client_left(host: str, *, was_answered: bool) -> str:
    """The client has closed the connection without an alert; `was_answered`: it has seen our certificate."""
    start = f"TLS handshake with the client failed for {host or 'this proxy'}: the client closed the connection "
    if not was_answered:
        return start + "before it was answered."
    return start + f"without saying why. If it always does, it may not trust the CA, or pin the certificate. {_TRUST_HINT}"


def client_failure(error: SSL.Error, host: str, offered: str) -> str:
    """`offered` is the highest version in the ClientHello, in words; `host` is whom the client wanted."""
    text = " ".join(_texts(error))
    start = f"TLS handshake with the client failed for {host}: "
    if any(alert in text for alert in _TRUST_ALERTS):
        alert = next(alert for alert in _TRUST_ALERTS if alert in text)
        return start + f"the client does not trust the certificate (alert: {alert}). {_TRUST_HINT}"
    if "unsupported protocol" in text or "no protocols available" in text or "version too low" in text:
        return start + f"the client speaks {offered} at most, which tls_version_client_min forbids."
    if "no shared cipher" in text:
        return start + "the client offers no cipher suite that is allowed here; see ciphers_client."
    if "http request" in text:
        return start + "the client speaks plain HTTP."
    return start + f"{text}."


def verdict_on(ssl: SSL.Connection | None) -> tuple[int, str]:
    """What OpenSSL found wrong with the peer's certificate, as `server_failure` takes it; 0 if nothing, or nobody looked."""
    code = _lib.SSL_get_verify_result(ssl._ssl) if ssl is not None else 0
    return code, _ffi.string(_lib.X509_verify_cert_error_string(code)).decode() if code else ""


def server_failure(error: SSL.Error | None, host: str, verify_code: int, verify_text: str) -> str:
    """`verify_code` and `verify_text` are OpenSSL's judgement of the server's certificate, 0 if it was not refused."""
    text = " ".join(_texts(error))
    if verify_code and ("verify" in text or not text):
        hint = "Trust its CA by ssl_verify_upstream_trusted_ca, or set ssl_insecure to accept any certificate (-k)."
        return f"the server's certificate for {host} is not valid: {verify_text}. {hint}"
    if error is None or not text:
        return "the server closed the connection"
    if "wrong version number" in text or "packet length too long" in text or "http request" in text:
        return "the server does not speak TLS on this port"
    if "unsupported protocol" in text or "version" in text:
        return f"no common TLS version with the server ({text}); see tls_version_server_min"
    if "certificate required" in text or "handshake failure" in text:
        return f"the server refused the handshake ({text}); it may want a client certificate (client_certs)"
    return text
