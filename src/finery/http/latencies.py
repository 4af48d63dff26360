"""Measures how long requests take until their answer begins, by status class and by route."""

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
        """Returns cumulative counts with their upper bounds, as Prometheus defines them."""
        running, buckets = 0, []
        for bound, count in zip([*map(str, BOUNDS), "+Inf"], self.counts, strict=True):
            running += count
            buckets.append((bound, float(running)))
        return buckets


@dataclass
class Summary:
    count: int = 0
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.total += seconds


@dataclass(frozen=True)
class RouteStatus:
    method: str
    route: str
    status: str
    """The class of the status: `2xx`."""


@dataclass
class Latencies:
    """Has a histogram for each class of statuses, and a sum for each route: with a histogram for each route, every
    scrape would be half a megabyte."""

    by_status: defaultdict[str, Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    by_route: defaultdict[RouteStatus, Summary] = field(default_factory=lambda: defaultdict(Summary))
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, key: RouteStatus, seconds: float) -> None:
        with self._lock:
            self.by_status[key.status].add(seconds)
            self.by_route[key].add(seconds)

    def snapshot(self) -> "Latencies":
        with self._lock:
            return Latencies(copy.deepcopy(self.by_status), copy.deepcopy(self.by_route))


class LatencyMiddleware:
    """Measures from the request's arrival to the start of its answer, so that streams count too."""

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
                # Any word may be sent as a method, and each would be kept for ever.
                method = scope["method"] if scope["method"] in METHODS else OTHER
                # The route's template, not the path itself: ids would make a series each.
                route = scope["route"].path if isinstance(scope.get("route"), Route) else "none"
                key = RouteStatus(method, route, f"{message['status'] // 100}xx")
                self._latencies.add(key, time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, sender)
