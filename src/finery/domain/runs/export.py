"""Gathers what a run's document shows, which leaves this server with whoever saves it."""

import math
import re
from typing import Any

from sqlalchemy.orm import Session

from finery.contracts.events import EventType
from finery.contracts.metrics import MetricSeries, SampledMetrics, SampleRequest
from finery.contracts.permissions import Principal
from finery.contracts.run import Run
from finery.contracts.run_export import RunExport
from finery.domain.runs.history import METRIC_EVENTS, list_artifacts, list_events_backwards
from finery.domain.runs.metric_samples import sample_metrics
from finery.domain.runs.service import get
from finery.kit.redaction import REDACTED

MOST_EVENTS = 300
POINTS = 800
"""Of each curve."""
MOST_METRICS = 60
TOLD = [type for type in EventType if type not in METRIC_EVENTS]
LOSSES = ("loss", "eval_loss")
ENVIRONMENTS = ("environment", "env")
CREDENTIAL = re.compile(
    r"(?:^|_)(?:password|passwd|secret|credentials?|api_?key|(?:access|auth|api|hf)_token)$|^token$", re.I
)


def export(session: Session, run_id: str, actor: Principal) -> RunExport:
    """Return what a run's document shows. Raises RunNotFound."""
    run = get(session, run_id, actor)
    events = list_events_backwards(session, run_id, actor, before=None, limit=MOST_EVENTS, types=TOLD)
    return RunExport(
        run=_presentable(run),
        metrics=_curves(sample_metrics(session, run_id, actor, SampleRequest(points=POINTS))),
        events=events[::-1],
        artifacts=list_artifacts(session, run_id, actor),
    )


def _presentable(run: Run) -> Run:
    """Return the run without values that may be secret: stored secrets are named in its configuration only, but a
    program's environment, or a run reported from elsewhere, may hold others."""
    return run.model_copy(update={"config": _redacted(run.config), "requested": _redacted(run.requested)})


def _redacted(config: dict[str, Any]) -> dict[str, Any]:
    return {key: _value(key, value) for key, value in config.items()}


def _value(key: str, value: Any) -> Any:
    match value:
        case dict() if key in ENVIRONMENTS:
            return dict.fromkeys(value, REDACTED)
        case dict():
            return _redacted(value)
        case list():
            return [_value(key, item) for item in value]
        case str() if CREDENTIAL.search(key):
            return REDACTED
    return value


def _curves(sampled: SampledMetrics) -> dict[str, list[tuple[float, float]]]:
    # The losses come first: they are what people look for.
    shown = sorted(sampled.series, key=lambda series: series.name not in LOSSES)[:MOST_METRICS]
    return {series.name: _points(series) for series in shown}


def _points(series: MetricSeries) -> list[tuple[float, float]]:
    pairs = zip(series.steps, series.values, strict=True)
    return [(step, value) for step, value in pairs if value is not None and math.isfinite(value)]
