"""Rate limits per address or user in a moving window of a minute, kept in memory."""

import ipaddress
import math
import threading
import time
from collections import deque
from dataclasses import dataclass

from finery.http.problems import Problem, RequestRefused
from finery.kit.translatable import Translatable

WINDOW_SECONDS = 60.0


@dataclass(frozen=True)
class RateLimit:
    name: str
    per_minute: int


LOGINS = RateLimit("login", 20)
"""From one address, whether they succeed or fail."""
SETUPS = RateLimit("setup", 10)
PASSWORD_CHANGES = RateLimit("password", 10)
"""Of one user, from any address: whoever found an open session must not find out the password, too."""
DENIALS = RateLimit("denial", 60)
"""How many the audit log records from one address."""


class RateLimits:
    """Counts the attempts of the last minute that were let through."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts: dict[tuple[str, str], deque[float]] = {}
        self._cleaned_at = time.monotonic()

    def is_within(self, limit: RateLimit, actor: str | None) -> bool:
        """Returns whether the attempt is allowed, and counts it then. `actor` is an address, or a user's id."""
        return self._seconds_to_wait(limit, actor) == 0

    def check(self, limit: RateLimit, actor: str | None) -> None:
        """Raises RequestRefused: 429 with Retry-After in seconds."""
        if seconds := self._seconds_to_wait(limit, actor):
            message = Translatable("too many attempts; try again in {seconds} seconds", seconds=seconds)
            raise RequestRefused(Problem(429, "too_many_attempts", message, headers={"Retry-After": str(seconds)}))

    def _seconds_to_wait(self, limit: RateLimit, actor: str | None) -> int:
        """Returns 0 where the attempt is allowed, and counts it."""
        now = time.monotonic()
        with self._lock:
            self._forget(now)
            attempts = self._attempts.setdefault((limit.name, _bucket(actor)), deque(maxlen=limit.per_minute))
            if len(attempts) == limit.per_minute and attempts[0] + WINDOW_SECONDS > now:
                return max(1, math.ceil(attempts[0] + WINDOW_SECONDS - now))
            attempts.append(now)
            return 0

    def _forget(self, now: float) -> None:
        """Drop old attempts, once a minute: anyone may have any number of addresses."""
        if now < self._cleaned_at + WINDOW_SECONDS:
            return
        self._cleaned_at = now
        recent = {key: times for key, times in self._attempts.items() if times[-1] + WINDOW_SECONDS > now}
        self._attempts = recent


def _bucket(actor: str | None) -> str:
    """Returns the key to count by. A network of IPv6, which has 2**64 addresses, counts as one client."""
    try:
        parsed = ipaddress.ip_address(actor or "")
    except ValueError:
        return actor or "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
