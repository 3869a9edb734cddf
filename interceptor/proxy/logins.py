"""Tokens of NTLM and Negotiate (RFC 4559) for a hop, by pyspnego: each in a thread, since Kerberos asks its servers for them."""

from __future__ import annotations

import asyncio
from typing import Any

from interceptor.proxy.asks import LogIn, LogInFailed, Token


async def log_in(ask: LogIn) -> Token | LogInFailed:
    return await asyncio.to_thread(_step, ask)


def _step(ask: LogIn) -> Token | LogInFailed:
    try:
        import spnego
    except ImportError:
        return LogInFailed(f"{ask.scheme} is done by pyspnego, which is not installed: pip install 'interceptor[login]'")
    hop, context = ask.hop, ask.context
    try:
        if context is None:
            password = hop.password if hop.user is not None else None
            context = spnego.client(hop.user, password, hostname=hop.host, service="HTTP", protocol=ask.scheme.lower())
        said: Any = context
        token = said.step(ask.challenge or None)
    except Exception as error:  # of whatever library stands behind it
        lines = str(error).strip().splitlines()
        return LogInFailed(lines[0] if lines else type(error).__name__)
    return Token(context, token or b"")
