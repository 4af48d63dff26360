"""Finds the client's address and whether it uses TLS, from the socket or the headers of a trusted proxy."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.requests import HTTPConnection

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
FORWARDED = ("forwarded", "x-real-ip", "via")
FORWARDED_PREFIX = "x-forwarded-"


@dataclass(frozen=True)
class TrustedProxies:
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "TrustedProxies":
        """Parses addresses or networks. Raises ValueError, also for the network of all addresses."""
        networks = tuple(ipaddress.ip_network(text.strip()) for text in texts)
        if any(network.prefixlen == 0 for network in networks):
            raise ValueError("a network of all addresses would let everybody say where they come from")
        return cls(networks)

    def __contains__(self, text: str) -> bool:
        # A socket appends the interface of a link-local address after a percent sign.
        address = _parse(text.partition("%")[0])
        return address is not None and any(address in network for network in self.networks)


def client_address(connection: HTTPConnection, trusted: TrustedProxies) -> str | None:
    """Returns the right-most address that no trusted proxy has; the proxy's own where the header is malformed."""
    if connection.client is None:
        return None
    peer = connection.client.host
    if peer not in trusted:
        return peer
    hops = ",".join(connection.headers.getlist("x-forwarded-for")).split(",")
    for hop in reversed(hops):
        address = _parse(hop.strip())
        if address is None:
            return peer
        if str(address) not in trusted:
            return str(address)
    return peer


def is_secure(connection: HTTPConnection, trusted: TrustedProxies) -> bool:
    """Returns whether the client uses TLS, to us or to a trusted proxy."""
    if connection.scope["scheme"] in ("https", "wss"):
        return True
    peer = connection.client.host if connection.client is not None else ""
    return peer in trusted and connection.headers.get("x-forwarded-proto", "").strip().lower() == "https"


def was_forwarded(connection: HTTPConnection) -> bool:
    return any(name in FORWARDED or name.startswith(FORWARDED_PREFIX) for name in connection.headers)


def is_every_address(host: str) -> bool:
    """Returns whether it is 0.0.0.0 or ::, on which a server listens everywhere."""
    address = _parse(host)
    return address is not None and address.is_unspecified


def _parse(text: str) -> Address | None:
    """Returns None also for an address with a scope, since anything may come after its percent sign."""
    if "%" in text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
