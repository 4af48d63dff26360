"""Binds the server's address, and refuses or warns where others can reach it and that is not safe."""

import socket
import sys

from finery.app.composition import Composition
from finery.app.settings import Settings
from finery.http.addresses import is_every_address
from finery.http.permission import is_loopback

SETUP_NOTICE = """\
There is no administrator yet. Whoever shows this token makes the first one; it is not shown again, and a new
one is drawn at the next start:
    {token}
`finery setup`, FINERY_URL naming this server, asks for it; or send it as `setup_token`, with email, username
and password, to POST /api/v1/setup."""


class BindRefused(Exception):
    """Other machines could reach a server that has no administrator yet."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} is not this machine alone, and there is no administrator yet: start it on 127.0.0.1 and make one "
            "with `finery setup`, or give --remote-setup"
        )


def listen(host: str, port: int) -> socket.socket:
    """Bind the address, before anything else is done, so that a second server ends at once. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def check_bind(composition: Composition, listener: socket.socket) -> None:
    """Raises BindRefused. The bound address counts, since a name may stand for any."""
    if is_loopback(listener.getsockname()[0]) or composition.setup_token is not None:
        return
    if not composition.has_accounts():
        raise BindRefused(composition.settings.host)


def address_of(settings: Settings, listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    scheme = "https" if settings.tls_certificate else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def announce(composition: Composition, listener: socket.socket) -> None:
    """Print on stderr where the server is, what is unsafe about that, and how to make the first account."""
    address = address_of(composition.settings, listener)
    lines = [f"Finery is at {address}/ui/ (API: {address}/docs)"]
    lines += [f"finery server: {warning}" for warning in _warnings(composition.settings, listener)]
    if composition.setup_token is not None:
        lines.append(SETUP_NOTICE.format(token=composition.setup_token))
    print("\n".join(lines), file=sys.stderr, flush=True)


def _warnings(settings: Settings, listener: socket.socket) -> list[str]:
    host = listener.getsockname()[0]
    warnings: list[str] = []
    if is_loopback(host):
        return warnings
    if settings.tls_certificate is None and not settings.trusted_proxies:
        warnings.append(
            f"passwords and keys travel to {host} for all on the way to read: set FINERY_TLS_CERTIFICATE and "
            "FINERY_TLS_KEY, or put a proxy with TLS before it and name that in FINERY_TRUSTED_PROXIES"
        )
    if is_every_address(host) and not settings.allowed_hosts:
        warnings.append("it answers to the name localhost only: set FINERY_ALLOWED_HOSTS to the names that others use")
    return warnings
