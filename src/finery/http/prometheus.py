"""Writes the server's metrics in Prometheus's text format."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finery import __version__
from finery.contracts.deployment import DeploymentStatus
from finery.contracts.status import RunStatus
from finery.http.engine_metrics import EngineMetrics
from finery.http.latencies import Latencies

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class ServerMetrics:
    runs: Mapping[RunStatus, int]
    engines: Mapping[DeploymentStatus, int]
    latencies: Latencies
    exchanges: EngineMetrics


def exposition(metrics: ServerMetrics) -> bytes:
    # Imported at the first scrape: a server that nobody scrapes does without the library.
    from prometheus_client import PROCESS_COLLECTOR, CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(PROCESS_COLLECTOR)
    registry.register(_Collector(metrics))
    return generate_latest(registry)


@dataclass(eq=False)
class _Collector:
    metrics: ServerMetrics

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

        yield InfoMetricFamily("finery", "The server.", value={"version": __version__})
        found = self.metrics.runs
        runs = GaugeMetricFamily("finery_runs", "Runs by status.", labels=["status"])
        for status in RunStatus:
            runs.add_metric([status], found.get(status, 0))
        yield runs
        waiting = found.get(RunStatus.QUEUED, 0)
        yield GaugeMetricFamily("finery_queue_depth", "Runs that wait for a lease.", value=waiting)
        live = sum(count for status, count in found.items() if status.is_live)
        yield GaugeMetricFamily("finery_runs_with_leases", "Runs that hold GPUs or CPU slots.", value=live)
        yield from _engines(self.metrics)
        yield from _latencies(self.metrics.latencies.snapshot())


def _engines(metrics: ServerMetrics) -> "Iterator[Metric]":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    engines = GaugeMetricFamily("finery_engines", "Engines by status; those that run are loaded.", labels=["status"])
    for status in DeploymentStatus:
        if not status.is_finished:
            engines.add_metric([status], metrics.engines.get(status, 0))
    yield engines
    found = metrics.exchanges
    requests = GaugeMetricFamily("finery_engine_requests", "Requests that engines have.", labels=["state"])
    requests.add_metric(["waiting"], found.waiting)
    requests.add_metric(["answering"], found.answering)
    yield requests
    tokens = CounterMetricFamily("finery_engine_tokens", "Tokens of prompts and of answers.", labels=["kind"])
    for kind, count in found.tokens.items():
        tokens.add_metric([kind], count)
    yield tokens
    seconds = HistogramMetricFamily("finery_engine_first_token_seconds", "To the first token of a streamed answer.")
    seconds.add_metric([], found.first_token.buckets(), sum_value=found.first_token.total)
    yield seconds


def _latencies(latencies: Latencies) -> "Iterator[Metric]":
    from prometheus_client.core import HistogramMetricFamily, SummaryMetricFamily

    seconds = HistogramMetricFamily("finery_http_request_seconds", "Time to the start of an answer.", labels=["status"])
    for answered, found in sorted(latencies.by_status.items()):
        seconds.add_metric([answered], found.buckets(), sum_value=found.total)
    yield seconds
    routes = SummaryMetricFamily(
        "finery_http_route_seconds", "The same, by route.", labels=["method", "route", "status"]
    )
    for key, sums in latencies.by_route.items():
        routes.add_metric([key.method, key.route, key.status], count_value=sums.count, sum_value=sums.total)
    yield routes
