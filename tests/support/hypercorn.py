"""hypercorn as an origin: `application` over HTTP/1.1 (or HTTP/2, too), with and without TLS."""

from __future__ import annotations

import json
import sys
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
"""


class Hypercorn:
    """`repositories` is a folder whose repositories are served under /git/."""

    def __init__(self, folder: Path, certificate: ServerCertificate, alpn: tuple[str, ...] = ("http/1.1",)) -> None:
        self.repositories = folder / "repositories"
        self.repositories.mkdir(parents=True)
        self.http_port, self.https_port = free_port(), free_port()
        self.http_url = f"http://localhost:{self.http_port}"
        self.https_url = f"https://localhost:{self.https_port}"
        config = folder / "hypercorn.toml"
        made = {"http_port": self.http_port, "https_port": self.https_port, "certificate": certificate.file}
        config.write_text(_CONFIG.format(alpn=json.dumps(alpn), **made))
        log = folder / "hypercorn.log"
        self._process = start(
            [sys.executable, "-m", "hypercorn", "--config", config, "tests.support.application:application"],
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
