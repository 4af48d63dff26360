"""Lists of fine-tuning jobs and of what belongs to one."""

import re

from sqlalchemy.orm import Session
from starlette.datastructures import QueryParams

from finery.api.openai.dialect import OpenAIJobNotFound
from finery.api.openai.fine_tuning_events import TOLD_TYPES, sequence_of, to_checkpoint, to_event
from finery.api.openai.fine_tuning_mapping import SOURCE, to_job
from finery.api.openai.fine_tuning_schemas import CheckpointPage, EventPage, JobPage
from finery.api.openai.pages import page_after, unknown_after
from finery.contracts.permissions import Principal
from finery.contracts.run import Run, RunFilter
from finery.domain import runs
from finery.domain.runs.errors import RunNotFound

_METADATA = re.compile(r'metadata\[([^"\\]{1,64})\]')


def job_run(session: Session, job_id: str, who: Principal) -> Run:
    """The run behind a job; a run of another dialect is none. Raises OpenAIJobNotFound."""
    try:
        run = runs.get(session, job_id, who)
    except RunNotFound as error:
        raise OpenAIJobNotFound(job_id) from error
    if run.source != SOURCE:
        raise OpenAIJobNotFound(job_id)
    return run


def job_filter(query: QueryParams) -> RunFilter:
    labels = [(found[1], value) for key, value in query.multi_items() if (found := _METADATA.fullmatch(key))]
    return RunFilter(source=SOURCE, labels=tuple(labels), without_labels=query.get("metadata") == "null")


def job_page(session: Session, run_filter: RunFilter, who: Principal, *, after: str | None, limit: int) -> JobPage:
    cursor = None if after is None else str(job_run(session, after, who).number)
    page = runs.list_page(session, run_filter, who, limit=limit, cursor=cursor)
    return JobPage(data=[to_job(run) for run in page.runs], has_more=page.next_cursor is not None)


def event_page(session: Session, run: Run, who: Principal, *, after: str | None, limit: int) -> EventPage:
    before = None if after is None else sequence_of(run.id, after)
    if after is not None and before is None:
        raise unknown_after(after)
    found = runs.list_events_backwards(session, run.id, who, before=before, limit=limit + 1, types=TOLD_TYPES)
    return EventPage(data=[to_event(event, run) for event in found[:limit]], has_more=len(found) > limit)


def checkpoint_page(session: Session, run: Run, who: Principal, *, after: str | None, limit: int) -> CheckpointPage:
    told = [to_checkpoint(checkpoint, run) for checkpoint in runs.list_checkpoints(session, run.id, who)]
    found = page_after(told, lambda one: one.id, after, limit)
    data = found[:limit]
    return CheckpointPage(
        data=data,
        has_more=len(found) > limit,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
    )
