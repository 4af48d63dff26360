"""How often something may be tried, counted in this process's memory."""

import ipaddress
import math
import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from finery.http.problems import Problem, RequestRefused

LOGINS = RateLimitItemPerMinute(20, namespace="login")
"""From one address, right or wrong."""
SETUPS = RateLimitItemPerMinute(10, namespace="setup")
PASSWORD_CHANGES = RateLimitItemPerMinute(10, namespace="password")
"""Of one user, wherever they come from: whoever found an open session should not find the password too."""
DENIALS = RateLimitItemPerMinute(60, namespace="denial")
"""What the audit log takes from one address."""


class Rates:
    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def is_within(self, limit: RateLimitItem, who: str | None) -> bool:
        """Counts this time too. `who` is an address, or a user's id."""
        return self._limiter.hit(limit, _bucket(who))

    def check(self, limit: RateLimitItem, who: str | None) -> None:
        """Raises RequestRefused: 429 with Retry-After, in seconds."""
        if self.is_within(limit, who):
            return
        window = self._limiter.get_window_stats(limit, _bucket(who))
        seconds = max(1, math.ceil(window.reset_time - time.time()))
        message = f"too many attempts; try again in {seconds} seconds"
        raise RequestRefused(Problem(429, "too_many_attempts", message, headers={"Retry-After": str(seconds)}))


def _bucket(who: str | None) -> str:
    """A network of IPv6 is one client: whoever has one has 2**64 addresses."""
    try:
        parsed = ipaddress.ip_address(who or "")
    except ValueError:
        return who or "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
