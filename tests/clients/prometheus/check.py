"""Prometheus's own parser reads `/metrics` whole, and the figures agree with each other."""

import os
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

RUNS, REQUESTS, ROUTES = "finery_runs", "finery_http_request_seconds", "finery_http_route_seconds"


def main() -> None:
    with urlopen(f"{os.environ['FINERY_URL']}/metrics") as answer:
        kind, text = answer.headers["Content-Type"], answer.read().decode()
    assert kind.startswith("text/plain; version="), kind
    found = list(text_string_to_metric_families(text))
    families = {family.name: family for family in found}
    assert len(families) == len(found), "a family stands in several places"
    for family in found:
        assert family.documentation, family.name
        assert family.type != "unknown", family.name
        keys = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        assert len(set(keys)) == len(keys), f"{family.name} has a sample twice"
    succeeded = [each.value for each in families[RUNS].samples if each.labels == {"status": "succeeded"}]
    assert succeeded, families[RUNS].samples
    assert succeeded[0] >= 1
    assert families[ROUTES].samples
    histogram(families[REQUESTS].samples)


def histogram(samples: list) -> None:
    """Buckets add up, and the last one holds what the count says."""
    series: dict[tuple, list] = {}
    for sample in samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        series.setdefault(tuple(sorted(labels.items())), []).append(sample)
    assert series
    for parts in series.values():
        buckets = sorted((float(each.labels["le"]), each.value) for each in parts if each.name.endswith("_bucket"))
        values = [value for _, value in buckets]
        (count,) = (each.value for each in parts if each.name.endswith("_count"))
        assert values == sorted(values)
        assert buckets[-1] == (float("inf"), count)


if __name__ == "__main__":
    main()
