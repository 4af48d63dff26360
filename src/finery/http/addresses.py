"""Where a request comes from: the socket says it, unless a proxy that is trusted stands between."""

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
        """Addresses or networks. Raises ValueError, also for a network that holds every address there is."""
        networks = tuple(ipaddress.ip_network(text.strip()) for text in texts)
        if any(network.prefixlen == 0 for network in networks):
            raise ValueError("a network of all addresses would let everybody say where they come from")
        return cls(networks)

    def __contains__(self, text: str) -> bool:
        address = _parse(_without_scope(text))
        return address is not None and any(address in network for network in self.networks)


def client_address(connection: HTTPConnection, trusted: TrustedProxies) -> str | None:
    """The right-most address that no trusted proxy has; what is malformed counts for nothing."""
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
    """Whether the client speaks TLS, to us or to a trusted proxy."""
    if connection.scope["scheme"] in ("https", "wss"):
        return True
    peer = connection.client.host if connection.client is not None else ""
    return peer in trusted and connection.headers.get("x-forwarded-proto", "").strip().lower() == "https"


def was_forwarded(connection: HTTPConnection) -> bool:
    return any(name in FORWARDED or name.startswith(FORWARDED_PREFIX) for name in connection.headers)


def is_every_address(host: str) -> bool:
    """0.0.0.0 and ::, on which a server listens everywhere."""
    address = _parse(host)
    return address is not None and address.is_unspecified


def _without_scope(text: str) -> str:
    """A socket names the interface of a link-local address after a percent sign."""
    return text.partition("%")[0]


def _parse(text: str) -> Address | None:
    """None also for an address with a scope, behind whose percent sign anything may stand."""
    if "%" in text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
