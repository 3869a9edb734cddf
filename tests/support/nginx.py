"""nginx as an origin: static files with ranges and keep-alive, and uploads by PUT that end as files. HTTP and HTTPS."""

from __future__ import annotations

import hashlib
import random
import subprocess
from pathlib import Path

from tests.support.certificates import ServerCertificate
from tests.support.programs import free_port, start, stop, wait_until_accepting

_CONFIG = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 512; }}
http {{
    access_log {folder}/access.log;
    types {{ text/html html; text/css css; text/javascript js; image/svg+xml svg; application/json json; }}
    default_type application/octet-stream;
    client_body_temp_path {folder}/client_body; proxy_temp_path {folder}/t1; fastcgi_temp_path {folder}/t2;
    uwsgi_temp_path {folder}/t3; scgi_temp_path {folder}/t4;
    client_max_body_size 0; keepalive_requests 100000; keepalive_timeout 60;
    server {{
        listen 127.0.0.1:{http_port};
        listen 127.0.0.1:{https_port} ssl;
        listen 127.0.0.1:{http2_port} ssl http2;
        ssl_certificate {certificate}; ssl_certificate_key {certificate};
        root {folder}/www;
        add_header X-Served-By nginx;
        location /upload/ {{ dav_methods PUT; create_full_put_path on; root {folder}; }}
        location /gzip/ {{ alias {folder}/www/; gzip on; gzip_min_length 1; gzip_types *; }}
    }}
}}
"""


def content(seed: str, size: int) -> bytes:
    """Bytes that look random and are the same each time."""
    return random.Random(seed).randbytes(size)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Nginx:
    """`http_url` and `https_url` are its two roots; `www` what is served; what was put to /upload/NAME is found by `uploaded`."""

    def __init__(self, folder: Path, certificate: ServerCertificate) -> None:
        self.folder = folder
        self.www = folder / "www"
        self.www.mkdir(parents=True)
        (folder / "upload").mkdir()
        self.http_port, self.https_port, self.http2_port = free_port(), free_port(), free_port()
        self.http_url = f"http://localhost:{self.http_port}"
        self.https_url = f"https://localhost:{self.https_port}"
        self.http2_url = f"https://localhost:{self.http2_port}"  # the same, in HTTP/2 if the client can
        config = folder / "nginx.conf"
        config.write_text(
            _CONFIG.format(
                folder=folder,
                http_port=self.http_port,
                https_port=self.https_port,
                http2_port=self.http2_port,
                certificate=certificate.file,
            )
        )
        log = folder / "out.log"
        self._process = start(["nginx", "-p", folder, "-e", folder / "start.log", "-c", config], log)
        try:
            wait_until_accepting(self.https_port, self._process, log)
        except BaseException:
            self.stop()
            raise

    def url(self, scheme: str) -> str:
        return self.https_url if scheme == "https" else self.http_url

    def serve(self, name: str, body: bytes) -> bytes:
        """Puts a file there, and returns its bytes."""
        path = self.www / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return body

    def uploaded(self, name: str) -> bytes:
        return (self.folder / "upload" / name).read_bytes()

    def requests(self) -> list[str]:
        """The access log."""
        return (self.folder / "access.log").read_text().splitlines()

    def stop(self) -> None:
        stop(self._process)


def version() -> str:
    return subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr.strip()
