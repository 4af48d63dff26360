"""Where a server is, and how safe the way to it is."""

import ipaddress
import sys
from functools import cache
from urllib.parse import SplitResult, urlsplit

from finery.client.errors import BadConnection

DEFAULT_PORTS = {"http": 80, "https": 443}


def checked_url(text: str) -> str:
    """Without a slash at its end. Raises BadConnection."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in DEFAULT_PORTS and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise BadConnection(f"FINERY_URL: {text[:200]!r} is no address: write it as http://127.0.0.1:8001")
    return text.rstrip("/")


def checked_key(text: str) -> str:
    """Raises BadConnection."""
    if not text.isascii() or (text and not text.isprintable()):
        raise BadConnection("FINERY_API_KEY: a key has only printable ASCII characters; copy it again")
    return text


def origin_of(url: str) -> str:
    """Scheme, host and port, all three spelled out: `https://example.org:443`."""
    parts = urlsplit(url)
    host = _host(parts)
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{parts.port or DEFAULT_PORTS[parts.scheme]}"


def is_loopback(url: str) -> bool:
    host = _host(urlsplit(url))
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def warn_of_plain_http(url: str) -> None:
    """On stderr, once for each server: what is secret can be read on the way to it."""
    if urlsplit(url).scheme == "http" and not is_loopback(url):
        _warn(origin_of(url))


@cache
def _warn(origin: str) -> None:
    message = f"keys and passwords go to {origin} unencrypted; use https, or a tunnel to its loopback"
    print(f"finery: warning: {message}", file=sys.stderr)


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").lower()
