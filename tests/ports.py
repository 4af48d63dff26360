import random
import socket
from contextlib import suppress

FIRST, LAST = 20_000, 32_000
"""Below the ports that the kernel gives to clients: one of those may be taken before a server listens on it."""
_random = random.SystemRandom()


def free_port() -> int:
    """A port on loopback that was free a moment ago."""
    while True:
        port = _random.randrange(FIRST, LAST)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
