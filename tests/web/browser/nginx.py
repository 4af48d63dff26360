"""nginx as deploy/nginx.conf sets it up, on a port of its own and without root."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.app.certificates import certificate
from tests.ports import free_port
from tests.servers import ROOT

VISITOR = "203.0.113.7"
"""Whom nginx says that it asks for: somebody who is not on this machine (RFC 5737)."""
WAIT_SECONDS = 30.0
MAIN = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""


def program() -> str | None:
    return shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")


@contextmanager
def before(server_port: int, folder: Path) -> Iterator[str]:
    """Runs it before the server; yields its address."""
    port = free_port()
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, site=site(server_port, port, folder)))
    found = program()
    assert found is not None
    process = subprocess.Popen([found, "-c", str(folder / "nginx.conf"), "-p", str(folder)], stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process, folder)
        yield f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def site(server_port: int, port: int, folder: Path) -> str:
    """Returns deploy/nginx.conf with this machine's name, ports and certificate in it; only TLS, only on loopback."""
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    files = certificate(folder)
    changes = {
        "127.0.0.1:8001": f"127.0.0.1:{server_port}",
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "listen [::]:80;": "",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "listen [::]:443 ssl http2;": "",
        "server_name finery.example;": "server_name 127.0.0.1;",
        "/etc/ssl/finery/fullchain.pem": str(files[0]),
        "/etc/ssl/finery/privkey.pem": str(files[1]),
        "$remote_addr": VISITOR,
    }
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError((folder / "error.log").read_text())
