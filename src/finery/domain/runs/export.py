"""Gathers what a run's document shows, which leaves this server with whoever saves it."""

import re
from typing import Any

from sqlalchemy.orm import Session

from finery.contracts.events import EventType
from finery.contracts.permissions import Principal
from finery.contracts.run import Run
from finery.contracts.run_export import RunExport
from finery.domain.runs.history import METRIC_EVENTS, list_artifacts, list_events_backwards, metrics
from finery.domain.runs.service import get
from finery.kit.redaction import REDACTED

MOST_EVENTS = 300
MOST_POINTS = 5_000
MOST_METRICS = 60
TOLD = [type for type in EventType if type not in METRIC_EVENTS]
PLACES = frozenset({"type", "at", "step", "epoch", "total_steps", "total_epochs", "eta_seconds"})
"""Keys of a metric's point that place it, or tell of the pace."""
CREDENTIAL = re.compile(r"(?:^|_)(?:password|passwd|secret|credentials?|api_?key|(?:access|auth|hf)_token)$", re.I)


def export(session: Session, run_id: str, actor: Principal) -> RunExport:
    """Return what a run's document shows. Raises RunNotFound."""
    run = get(session, run_id, actor)
    events = list_events_backwards(session, run_id, actor, before=None, limit=MOST_EVENTS, types=TOLD)
    return RunExport(
        run=_presentable(run),
        metrics=_by_name(metrics(session, run_id, actor, points=MOST_POINTS)),
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
    if key == "environment" and isinstance(value, dict):
        return dict.fromkeys(value, REDACTED)
    if isinstance(value, dict):
        return _redacted(value)
    return REDACTED if isinstance(value, str) and CREDENTIAL.search(key) else value


def _by_name(points: list[dict[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, dict[float, float]] = {}
    for point in points:
        step, prefix = point.get("step"), "eval_" if point["type"] == EventType.EVALUATION else ""
        for key, value in point.items():
            if isinstance(step, int | float) and isinstance(value, int | float) and key not in PLACES:
                # A run that resumed tells some steps again.
                found.setdefault(prefix + key, {})[float(step)] = float(value)
    return {name: sorted(values.items()) for name, values in list(found.items())[:MOST_METRICS]}
