"""Checks the server's URL and API key, and warns when secrets would travel over plain HTTP."""

import ipaddress
import sys
from functools import cache
from urllib.parse import urlsplit

from finery.client.errors import BadConnection

DEFAULT_PORTS = {"http": 80, "https": 443}
ENDINGS = ("/api/v1", "/v1", "/ui", "/docs")
"""What people copy along with a server's address: its APIs and pages."""


def checked_url(text: str) -> str:
    """Returns `text` without a slash at its end. Raises BadConnection when it is no http or https URL."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in DEFAULT_PORTS and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise BadConnection(f"FINERY_URL: {text[:200]!r} is no address: write it as http://127.0.0.1:8001")
    address = text.rstrip("/")
    for ending in ENDINGS:
        if address.endswith(ending):
            server = address.removesuffix(ending)
            raise BadConnection(f"FINERY_URL: {text[:200]!r} is more than a server's address: write {server[:200]}")
    return address


def checked_key(text: str) -> str:
    """Returns `text`. Raises BadConnection when no HTTP header could carry it."""
    if not text.isascii() or not text.isprintable():
        raise BadConnection("FINERY_API_KEY: a key has only printable ASCII characters; copy it again")
    return text


def origin_of(url: str) -> str:
    """Returns scheme, host and port, all three spelled out: `https://example.org:443`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{parts.port or DEFAULT_PORTS[parts.scheme]}"


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def warn_of_plain_http(url: str) -> None:
    """Warns on stderr, once for each server, that what is secret can be read on the way to it."""
    if urlsplit(url).scheme == "http" and not is_loopback(url):
        _warn(origin_of(url))


@cache
def _warn(origin: str) -> None:
    message = f"keys and passwords go to {origin} unencrypted; use https, or a tunnel to its loopback"
    print(f"finery: warning: {message}", file=sys.stderr)
