"""Files that were uploaded, and the figures of finished jobs, which are files too and written when asked for."""

from sqlalchemy.orm import Session
from starlette.responses import Response

from finery.api.openai.file_mapping import to_file, to_page
from finery.api.openai.file_schemas import FileObject, FilePage
from finery.api.openai.fine_tuning_events import results_csv
from finery.api.openai.fine_tuning_mapping import SOURCE, result_file_id, run_of_result_file
from finery.api.openai.pages import unknown_after
from finery.api.openai.result_sizes import ResultSizes
from finery.contracts.layout import HomeDirectory
from finery.contracts.permissions import Permission, Principal
from finery.domain import files, runs
from finery.domain.files.errors import FileNotFound, ResultFileStays
from finery.http.files import file_range
from finery.http.permission import PermissionMissing

RESULTS = "fine-tune-results"
MOST_NEW_SIZES = 100
MOST_NEW_BYTES = 1 << 20
"""Contents that are written for one page only to tell their sizes; where they are more, the page ends early."""
_sizes = ResultSizes(limit=100_000)


def file_page(
    session: Session, actor: Principal, *, purpose: str | None, after: str | None, limit: int, newest_first: bool
) -> FilePage:
    try:
        if purpose == RESULTS:
            return _result_page(session, actor, after=after, limit=limit, newest_first=newest_first)
        found, has_more = files.list_page(
            session, actor, purpose=purpose, after=after, limit=limit, newest_first=newest_first
        )
    except FileNotFound as error:
        raise unknown_after(after or "") from error
    return to_page([to_file(file) for file in found], has_more)


def described(session: Session, file_id: str, actor: Principal) -> FileObject:
    """Raises FileNotFound."""
    if run_of_result_file(file_id) is None:
        return to_file(files.get(session, file_id, actor))
    result = _result(session, file_id, actor)
    return _to_file(result, _sizes.find(result) or _measure(session, result, actor))


def content_answer(
    session: Session, file_id: str, actor: Principal, home: HomeDirectory, wanted: str | None
) -> Response:
    """Raises FileNotFound."""
    if run_of_result_file(file_id) is None:
        path = files.content_path(session, file_id, actor, home)
        return file_range(path, wanted, media_type="application/octet-stream")
    content = _csv(session, _result(session, file_id, actor), actor)
    return Response(content, media_type="text/csv; charset=utf-8")


def delete(session: Session, file_id: str, actor: Principal) -> None:
    """Raises FileNotFound, FileInUse, ResultFileStays."""
    if run_of_result_file(file_id) is not None:
        _result(session, file_id, actor)
        raise ResultFileStays(file_id)
    files.delete(session, file_id, actor)


def _result_page(session: Session, actor: Principal, *, after: str | None, limit: int, newest_first: bool) -> FilePage:
    """It may hold fewer than `limit`, and tells that there are more."""
    _require_reading(actor)
    past = None if after is None else _result(session, after, actor, field="after").number
    found = files.list_results(session, actor, source=SOURCE, after=past, limit=limit + 1, newest_first=newest_first)
    told: list[FileObject] = []
    new = new_bytes = 0
    for result in found[:limit]:
        size = _sizes.find(result)
        if size is None:
            if new >= MOST_NEW_SIZES or new_bytes >= MOST_NEW_BYTES:
                break
            size = _measure(session, result, actor)
            new, new_bytes = new + 1, new_bytes + size
        told.append(_to_file(result, size))
    return to_page(told, len(found) > len(told))


def _require_reading(actor: Principal) -> None:
    """The routes let those in who may read files; these tell of jobs."""
    if not actor.may(Permission.RUNS_READ):
        raise PermissionMissing(Permission.RUNS_READ)


def _result(session: Session, file_id: str, actor: Principal, *, field: str = "file_id") -> files.Result:
    _require_reading(actor)
    found = files.find_result(session, run_of_result_file(file_id) or "", actor, source=SOURCE)
    if found is None:
        raise FileNotFound(file_id, field=field)
    return found


def _measure(session: Session, result: files.Result, actor: Principal) -> int:
    size = len(_csv(session, result, actor))
    _sizes.keep(result, size)
    return size


def _csv(session: Session, result: files.Result, actor: Principal) -> bytes:
    return results_csv(runs.iter_metrics(session, result.run_id, actor))


def _to_file(result: files.Result, size: int) -> FileObject:
    return FileObject(
        id=result_file_id(result.run_id),
        bytes=size,
        created_at=int(result.created_at.timestamp()),
        expires_at=None,
        filename=f"{result.run_id}-results.csv",
        purpose=RESULTS,
    )
