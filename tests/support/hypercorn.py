"""hypercorn as an origin: an ASGI application with and without TLS, over HTTP/1.1 and over HTTP/2 if it is told to."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.certificates import ServerCertificate
from tests.support.programs import free_port, start, stop, wait_until_accepting

_CONFIG = """
bind = ["127.0.0.1:{https_port}"]
insecure_bind = ["127.0.0.1:{http_port}"]
certfile = "{certificate}"
keyfile = "{certificate}"
alpn_protocols = {alpn}
keep_alive_timeout = 60
graceful_timeout = 0
"""


class Hypercorn:
    """`repositories` is a folder whose repositories are served under /git/."""

    def __init__(
        self,
        folder: Path,
        certificate: ServerCertificate,
        application: str = "application:application",
        alpn: Sequence[str] = ("http/1.1",),
    ) -> None:
        self.repositories = folder / "repositories"
        self.repositories.mkdir(parents=True)
        self.http_port, self.https_port = free_port(), free_port()
        self.http_url = f"http://localhost:{self.http_port}"
        self.https_url = f"https://localhost:{self.https_port}"
        config = folder / "hypercorn.toml"
        ports = {"http_port": self.http_port, "https_port": self.https_port}
        config.write_text(_CONFIG.format(**ports, certificate=certificate.file, alpn=json.dumps(alpn)))
        log = folder / "hypercorn.log"
        self._process = start(
            [sys.executable, "-m", "hypercorn", "--config", config, f"tests.support.{application}"],
            log,
            {"PYTHONPATH": str(Path(__file__).parents[2]), "GIT_PROJECT_ROOT": str(self.repositories)},
        )
        try:
            wait_until_accepting(self.http_port, self._process, log)
            wait_until_accepting(self.https_port, self._process, log)
        except BaseException:
            self.stop()
            raise

    def url(self, scheme: str) -> str:
        return self.https_url if scheme == "https" else self.http_url

    def stop(self) -> None:
        stop(self._process)
