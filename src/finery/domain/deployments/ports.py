"""Chooses free ports on loopback for engines."""

import secrets
import socket

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.domain.deployments.errors import NoFreePort
from finery.models import DeploymentRow

FIRST_PORT, LAST_PORT = 8100, 8999


def free_port(session: Session) -> int:
    """Return a port that no deployment has and that can be bound. Raises NoFreePort."""
    taken = set(session.scalars(select(DeploymentRow.port).where(DeploymentRow.port.is_not(None))))
    # The start is random: another server on this machine may choose at the same time, and engines bind seconds later.
    count = LAST_PORT + 1 - FIRST_PORT
    first: int = secrets.randbelow(count)
    for step in range(count):
        port = FIRST_PORT + (first + step) % count
        if port not in taken and _is_free(port):
            return port
    raise NoFreePort(FIRST_PORT, LAST_PORT)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
