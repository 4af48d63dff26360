"""Runs: accepted, listed, controlled, resumed and deleted. `attempts` and `claims` are for the scheduler."""

from finery.domain.runs.checkpoints import list_checkpoints
from finery.domain.runs.export import export
from finery.domain.runs.history import (
    get_artifact,
    iter_metrics,
    list_artifacts,
    list_events,
    list_events_backwards,
    metrics,
    read_feed,
)
from finery.domain.runs.intents import request_cancel, request_checkpoint, request_pause, request_stop
from finery.domain.runs.listing import list_page
from finery.domain.runs.metric_samples import sample_metrics
from finery.domain.runs.notices import Removal, Visibility, list_notices, removal_of
from finery.domain.runs.output_removal import forget_output
from finery.domain.runs.queue_places import place_in_queue, queue_page
from finery.domain.runs.resumption import resume
from finery.domain.runs.service import change, count_by_status, create, delete, get, log_path, report

__all__ = [
    "Removal",
    "Visibility",
    "change",
    "count_by_status",
    "create",
    "delete",
    "export",
    "forget_output",
    "get",
    "get_artifact",
    "iter_metrics",
    "list_artifacts",
    "list_checkpoints",
    "list_events",
    "list_events_backwards",
    "list_notices",
    "list_page",
    "log_path",
    "metrics",
    "place_in_queue",
    "queue_page",
    "read_feed",
    "removal_of",
    "report",
    "request_cancel",
    "request_checkpoint",
    "request_pause",
    "request_stop",
    "resume",
    "sample_metrics",
]
