"""What the hooks about connections are asked with."""

from __future__ import annotations

from dataclasses import dataclass

from interceptor.script.connection import Client, Server


@dataclass(slots=True)
class ServerConnectionHookData:
    """`server_connect` and its kin: `data.server`, `data.client`."""

    server: Server
    client: Client
