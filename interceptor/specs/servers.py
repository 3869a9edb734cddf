"""Name servers as a person types them: an IP address, with or without a port."""

from __future__ import annotations

import re
from ipaddress import ip_address

from interceptor.model.connection import Address
from interceptor.specs.errors import UserError


def parse_server(text: str) -> Address:
    """UserError with what would be right."""
    found = re.fullmatch(r"\[([^\]]*)\](?::(\d{1,5}))?|([^:]*)(?::(\d{1,5}))?", text.strip())
    host, port = ((found[1] or found[3] or ""), found[2] or found[4]) if found is not None else (text.strip(), None)
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        examples = "9.9.9.9, 9.9.9.9:5353 or [::1]:53"
        raise UserError(f"{text!r} is not a name server: write its IP address, as in {examples}.") from None
    number = int(port) if port else 53
    if not 1 <= number <= 65535:
        raise UserError(f"{text!r} is not a name server: a port is a number from 1 to 65535.")
    return host, number

