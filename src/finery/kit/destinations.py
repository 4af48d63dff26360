"""Checks addresses of outgoing requests that users name: the internet is allowed, private networks are not."""

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_REFUSED_NETWORKS = {
    "unspecified": ("0.0.0.0/8", "::/128"),
    "private": ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    "loopback": ("127.0.0.0/8", "::1/128"),
    "link-local": ("169.254.0.0/16", "fe80::/10"),
    "reserved": (
        *("192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4"),
        *("2001::/23", "2001:db8::/32", "3fff::/20"),
    ),
    "a relay to IPv6": ("192.88.99.0/24",),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
    "an IPv4 address in IPv6": ("::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16"),
}
_CLOSED = tuple((ipaddress.ip_network(text), kind) for kind, texts in _REFUSED_NETWORKS.items() for text in texts)
_UNICAST = ipaddress.ip_network("2000::/3")
"""The range of IPv6 that is assigned for global unicast."""


@dataclass(frozen=True)
class Destinations:
    """Allows the internet's addresses and those of the `allowed` networks."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "Destinations":
        """Parses the allowed addresses or networks. Raises ValueError."""
        return cls(tuple(ipaddress.ip_network(text.strip()) for text in texts))

    def refusal(self, text: str) -> str | None:
        """Returns why the address is refused, for example `loopback`; None if it is allowed."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return "no address"
        if any(address in network for network in self.allowed):
            return None
        return _kind_of(address)

    def refusal_of_host(self, host: str) -> str | None:
        """Returns why a host is refused that needs no look-up: localhost, or an address in any form of a resolver.

        Returns None for every other name, whose addresses are only known when it is connected to.
        """
        if host.rstrip(".").lower().rpartition(".")[2] == "localhost":
            return self.refusal("127.0.0.1")
        address = _numeric(host)
        return None if address is None else self.refusal(address)


def _kind_of(address: Address) -> str | None:
    for network, kind in _CLOSED:
        if address in network:
            return kind
    return "reserved" if address.version == 6 and address not in _UNICAST else None


def _numeric(host: str) -> str | None:
    """Returns the canonical address: `127.0.0.1` for `2130706433`, `0x7f.1` and `0177.0.0.1`, as resolvers do."""
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None
    return str(entries[0][4][0])
