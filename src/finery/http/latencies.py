"""How long requests took, by route; counted here so that the metrics library is loaded only when somebody asks."""

import threading
import time
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from http import HTTPMethod

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS: frozenset[str] = frozenset(HTTPMethod)
OTHER = "OTHER"


@dataclass
class Histogram:
    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus wants them: up to each bound, the last without one."""
        running, found = 0, []
        for bound, count in zip([*map(str, BOUNDS), "+Inf"], self.counts, strict=True):
            running += count
            found.append((bound, float(running)))
        return found


@dataclass(frozen=True)
class Served:
    method: str
    route: str
    status: int


class Latencies:
    def __init__(self) -> None:
        self._histograms: defaultdict[Served, Histogram] = defaultdict(Histogram)
        self._lock = threading.Lock()

    def add(self, served: Served, seconds: float) -> None:
        with self._lock:
            self._histograms[served].add(seconds)

    def snapshot(self) -> dict[Served, Histogram]:
        with self._lock:
            return {served: Histogram([*found.counts], found.total) for served, found in self._histograms.items()}


class LatencyMiddleware:
    """Times from the request's arrival to the start of its answer, so that streams count too."""

    def __init__(self, app: ASGIApp, latencies: Latencies) -> None:
        self._app = app
        self._latencies = latencies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def sender(message: Message) -> None:
            if message["type"] == "http.response.start":
                served = Served(_method(scope), _route_path(scope), message["status"])
                self._latencies.add(served, time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, sender)


def _method(scope: Scope) -> str:
    """Any word may stand there: each would be kept for ever."""
    method: str = scope["method"]
    return method if method in METHODS else OTHER


def _route_path(scope: Scope) -> str:
    """The template, never the path itself: ids would make a series each."""
    route = scope.get("route")
    return route.path if isinstance(route, Route) else "none"
