"""The server's figures in Prometheus's words. The library is imported when somebody asks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finery import __version__
from finery.contracts.status import RunStatus
from finery.http.latencies import Latencies

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(runs_by_status: Mapping[RunStatus, int], latencies: Latencies) -> bytes:
    from prometheus_client import PROCESS_COLLECTOR, CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(PROCESS_COLLECTOR)
    registry.register(_Figures(runs_by_status, latencies))
    return generate_latest(registry)


@dataclass(eq=False)
class _Figures:
    runs_by_status: Mapping[RunStatus, int]
    latencies: Latencies

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import (
            GaugeMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
            SummaryMetricFamily,
        )

        yield InfoMetricFamily("finery", "The server.", value={"version": __version__})
        runs = GaugeMetricFamily("finery_runs", "Runs by status.", labels=["status"])
        for status in RunStatus:
            runs.add_metric([status], self.runs_by_status.get(status, 0))
        yield runs
        waiting = self.runs_by_status.get(RunStatus.QUEUED, 0)
        yield GaugeMetricFamily("finery_queue_depth", "Runs that wait for a lease.", value=waiting)
        live = sum(count for status, count in self.runs_by_status.items() if status.is_live)
        yield GaugeMetricFamily("finery_runs_with_leases", "Runs that hold GPUs or CPU slots.", value=live)
        latencies = self.latencies.snapshot()
        seconds = HistogramMetricFamily(
            "finery_http_request_seconds", "Time to the start of an answer.", labels=["status"]
        )
        for answered, found in sorted(latencies.by_status.items()):
            seconds.add_metric([answered], found.buckets(), sum_value=found.total)
        yield seconds
        routes = SummaryMetricFamily(
            "finery_http_route_seconds", "The same, by route.", labels=["method", "route", "status"]
        )
        for key, sums in latencies.by_route.items():
            routes.add_metric([key.method, key.route, key.status], count_value=sums.count, sum_value=sums.total)
        yield routes
