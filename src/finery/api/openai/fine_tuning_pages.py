"""Looks up fine-tuning jobs, and makes pages of jobs, their events and their checkpoints."""

import re
from collections.abc import Callable, Set

from sqlalchemy.orm import Session
from starlette.datastructures import QueryParams

from finery.api.openai.dialect import OpenAIJobNotFound
from finery.api.openai.fine_tuning_events import LISTED_TYPES, sequence_of, to_checkpoint, to_event
from finery.api.openai.fine_tuning_mapping import SOURCE, to_job
from finery.api.openai.fine_tuning_schemas import CheckpointPage, EventPage, JobPage
from finery.api.openai.pages import page_after, unknown_after, unknown_key
from finery.contracts.permissions import Principal
from finery.contracts.run import Run, RunFilter
from finery.contracts.status import RunStatus
from finery.domain import runs
from finery.domain.errors import Issue
from finery.domain.runs.errors import RunNotFound
from finery.http.problems import RequestRefused, invalid_request

KEYS = frozenset({"after", "limit", "metadata"})
NO_METADATA = "null"
_METADATA = re.compile(r'metadata\[([^"\\]{1,64})\]')


def job_run(session: Session, job_id: str, actor: Principal) -> Run:
    """Returns the run behind a job. Raises OpenAIJobNotFound, also for a run of another dialect."""
    try:
        run = runs.get(session, job_id, actor)
    except RunNotFound as error:
        raise OpenAIJobNotFound(job_id) from error
    if run.source != SOURCE:
        raise OpenAIJobNotFound(job_id)
    return run


def control_job(
    session: Session,
    job_id: str,
    actor: Principal,
    act: Callable[[Session, str, Principal], Run],
    *,
    done: Set[RunStatus],
) -> Run:
    """Returns the run after `act`, which is skipped where the run's status is in `done`."""
    # The SDK sends a request again when it loses the answer: what the first one did is then the answer.
    run = job_run(session, job_id, actor)
    return run if run.status in done else act(session, run.id, actor)


def job_filter(query: QueryParams) -> RunFilter:
    """Returns the filter of `metadata` parameters. Raises RequestRefused for unknown parameters."""
    labels = []
    for key, value in query.multi_items():
        if match := _METADATA.fullmatch(key):
            labels.append((match[1], value))
        elif key.startswith("metadata[") or (key == "metadata" and value != NO_METADATA):
            message = "give metadata[key]=value, with a key of 1 to 64 characters without quotes, or metadata=null"
            raise RequestRefused(invalid_request([Issue(key[:100], message)]))
        elif key not in KEYS:
            raise unknown_key(key)
    return RunFilter(source=SOURCE, labels=tuple(labels), without_labels=query.get("metadata") == NO_METADATA)


def job_page(session: Session, run_filter: RunFilter, actor: Principal, *, after: str | None, limit: int) -> JobPage:
    try:
        cursor = None if after is None else str(job_run(session, after, actor).number)
    except OpenAIJobNotFound as error:
        raise unknown_after(after or "") from error
    page = runs.list_page(session, run_filter, actor, limit=limit, cursor=cursor)
    return JobPage(data=[to_job(run) for run in page.runs], has_more=page.next_cursor is not None)


def event_page(session: Session, run: Run, actor: Principal, *, after: str | None, limit: int) -> EventPage:
    before = None if after is None else sequence_of(run.id, after)
    if after is not None and before is None:
        raise unknown_after(after)
    events = runs.list_events_backwards(session, run.id, actor, before=before, limit=limit + 1, types=LISTED_TYPES)
    return EventPage(data=[to_event(event, run) for event in events[:limit]], has_more=len(events) > limit)


def checkpoint_page(session: Session, run: Run, actor: Principal, *, after: str | None, limit: int) -> CheckpointPage:
    stored = [to_checkpoint(checkpoint, run) for checkpoint in runs.list_checkpoints(session, run.id, actor)]
    page = page_after(stored, lambda checkpoint: checkpoint.id, after, limit)
    data = page[:limit]
    return CheckpointPage(
        data=data,
        has_more=len(page) > limit,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
    )
