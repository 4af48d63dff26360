"""Files that were uploaded, and the figures of finished jobs, which are files too and written when asked for."""

from sqlalchemy.orm import Session
from starlette.responses import Response

from finery.api.openai.file_mapping import to_file, to_page
from finery.api.openai.file_schemas import FileObject, FilePage
from finery.api.openai.fine_tuning_events import results_csv
from finery.api.openai.fine_tuning_mapping import SOURCE, result_file_id, run_of_result_file
from finery.api.openai.pages import page_after
from finery.contracts.layout import HomeDirectory
from finery.contracts.permissions import Principal
from finery.contracts.run import Run, RunFilter
from finery.contracts.status import RunStatus
from finery.domain import files, runs
from finery.domain.files.errors import FileNotFound
from finery.domain.runs.errors import RunNotFound
from finery.http.files import file_range

RESULTS = "fine-tune-results"
ALL_POINTS = 10_000
NEWEST = 1000


def file_page(
    session: Session, who: Principal, *, purpose: str | None, after: str | None, limit: int, newest_first: bool
) -> FilePage:
    if purpose == RESULTS:
        return _result_page(session, who, after=after, limit=limit, newest_first=newest_first)
    found, has_more = files.list_page(
        session, who, purpose=purpose, after=after, limit=limit, newest_first=newest_first
    )
    return to_page([to_file(file) for file in found], has_more)


def described(session: Session, file_id: str, who: Principal) -> FileObject:
    """Raises FileNotFound."""
    if run_of_result_file(file_id) is None:
        return to_file(files.get(session, file_id, who))
    run = _finished_run(session, file_id, who)
    return _result_file(run, len(_csv(session, run, who)))


def content_answer(session: Session, file_id: str, who: Principal, home: HomeDirectory, wanted: str | None) -> Response:
    """Raises FileNotFound."""
    if run_of_result_file(file_id) is None:
        path = files.content_path(session, file_id, who, home)
        return file_range(path, wanted, media_type="application/octet-stream")
    return Response(_csv(session, _finished_run(session, file_id, who), who), media_type="text/csv; charset=utf-8")


def _result_page(session: Session, who: Principal, *, after: str | None, limit: int, newest_first: bool) -> FilePage:
    succeeded = RunFilter(source=SOURCE, statuses=frozenset({RunStatus.SUCCEEDED}))
    found = runs.list_page(session, succeeded, who, limit=NEWEST).runs
    ordered = found if newest_first else list(reversed(found))
    page = page_after(ordered, lambda run: result_file_id(run.id), after, limit)
    told = [_result_file(run, len(_csv(session, run, who))) for run in page[:limit]]
    return to_page(told, len(page) > limit)


def _finished_run(session: Session, file_id: str, who: Principal) -> Run:
    try:
        run = runs.get(session, run_of_result_file(file_id) or "", who)
    except RunNotFound as error:
        raise FileNotFound(file_id) from error
    if run.source != SOURCE or run.status is not RunStatus.SUCCEEDED:
        raise FileNotFound(file_id)
    return run


def _csv(session: Session, run: Run, who: Principal) -> bytes:
    return results_csv(runs.metrics(session, run.id, who, points=ALL_POINTS))


def _result_file(run: Run, size: int) -> FileObject:
    ended = run.finished_at or run.created_at
    return FileObject(
        id=result_file_id(run.id),
        bytes=size,
        created_at=int(ended.timestamp()),
        expires_at=None,
        filename=f"{run.id}-results.csv",
        purpose=RESULTS,
    )
