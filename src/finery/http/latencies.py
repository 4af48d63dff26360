"""How long requests took, by status and by route. The metrics library is loaded only when somebody asks for them."""

import copy
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


@dataclass
class Sum:
    count: int = 0
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.total += seconds


@dataclass(frozen=True)
class Served:
    method: str
    route: str
    status: str
    """Its class: `2xx`."""


@dataclass
class Latencies:
    """A histogram of a dozen lines for each class of statuses, and two lines for each route: with a histogram for each
    route, the whole would be half a megabyte at every scrape."""

    by_status: defaultdict[str, Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    by_route: defaultdict[Served, Sum] = field(default_factory=lambda: defaultdict(Sum))
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, served: Served, seconds: float) -> None:
        with self._lock:
            self.by_status[served.status].add(seconds)
            self.by_route[served].add(seconds)

    def snapshot(self) -> "Latencies":
        with self._lock:
            return Latencies(copy.deepcopy(self.by_status), copy.deepcopy(self.by_route))


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
                served = Served(_method(scope), _route_path(scope), f"{message['status'] // 100}xx")
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
