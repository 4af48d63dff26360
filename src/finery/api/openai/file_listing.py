"""Lists, reads and deletes uploaded files, and result files of finished jobs, which are rendered on demand."""

from threading import Lock

from sqlalchemy.orm import Session
from starlette.responses import Response

from finery.api.openai.file_mapping import to_file, to_page
from finery.api.openai.file_schemas import FileObject, FilePage
from finery.api.openai.fine_tuning_events import results_csv
from finery.api.openai.fine_tuning_mapping import SOURCE, result_file_id, run_of_result_file
from finery.api.openai.pages import unknown_after
from finery.contracts.layout import HomeDirectory
from finery.contracts.permissions import Permission, Principal
from finery.domain import files, runs
from finery.domain.files.errors import FileNotFound, ResultFileStays
from finery.http.files import file_range, named_attachment
from finery.http.permission import PermissionMissing

RESULTS = "fine-tune-results"
MOST_NEW_SIZES = 100
MOST_NEW_BYTES = 1 << 20
"""How many contents, and bytes of them, are written for one page only to tell their sizes; a page with more of them
ends early."""


class ResultSizes:
    """A bounded cache of the sizes of result files: every list tells them, and each costs writing the content.

    What was stored first is forgotten first.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._sizes: dict[files.Result, int] = {}

    def get(self, result: files.Result) -> int | None:
        return self._sizes.get(result)

    def put(self, result: files.Result, size: int) -> None:
        with self._lock:
            self._sizes[result] = size
            if len(self._sizes) > self._limit:
                del self._sizes[next(iter(self._sizes))]


_sizes = ResultSizes(limit=100_000)


def file_page(
    session: Session, actor: Principal, *, purpose: str | None, after: str | None, limit: int, newest_first: bool
) -> FilePage:
    try:
        if purpose == RESULTS:
            return _result_page(session, actor, after=after, limit=limit, newest_first=newest_first)
        stored, has_more = files.list_page(
            session, actor, purpose=purpose, after=after, limit=limit, newest_first=newest_first
        )
    except FileNotFound as error:
        raise unknown_after(after or "") from error
    return to_page([to_file(file) for file in stored], has_more)


def describe_file(session: Session, file_id: str, actor: Principal) -> FileObject:
    """Raises FileNotFound."""
    if run_of_result_file(file_id) is None:
        return to_file(files.get(session, file_id, actor))
    result = _result(session, file_id, actor)
    return _to_result_file(result, _sizes.get(result) or _measure(session, result, actor))


def content_response(
    session: Session, file_id: str, actor: Principal, home: HomeDirectory, byte_range: str | None
) -> Response:
    """Raises FileNotFound."""
    if run_of_result_file(file_id) is None:
        path = files.content_path(session, file_id, actor, home)
        answer = file_range(path, byte_range, media_type="application/octet-stream")
        answer.headers["Content-Disposition"] = named_attachment(files.get(session, file_id, actor).filename)
        return answer
    result = _result(session, file_id, actor)
    answer = Response(_csv(session, result, actor), media_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = named_attachment(_filename(result))
    return answer


def delete(session: Session, file_id: str, actor: Principal) -> None:
    """Raises FileNotFound, FileInUse, ResultFileStays."""
    if run_of_result_file(file_id) is not None:
        _result(session, file_id, actor)
        raise ResultFileStays(file_id)
    files.delete(session, file_id, actor)


def _result_page(session: Session, actor: Principal, *, after: str | None, limit: int, newest_first: bool) -> FilePage:
    """Returns at most `limit` files; `has_more` may be true where they are fewer."""
    _require_runs_read(actor)
    past = None if after is None else _result(session, after, actor, field="after").number
    results = files.list_results(session, actor, source=SOURCE, after=past, limit=limit + 1, newest_first=newest_first)
    shown: list[FileObject] = []
    new = new_bytes = 0
    for result in results[:limit]:
        size = _sizes.get(result)
        if size is None:
            if new >= MOST_NEW_SIZES or new_bytes >= MOST_NEW_BYTES:
                break
            size = _measure(session, result, actor)
            new, new_bytes = new + 1, new_bytes + size
        shown.append(_to_result_file(result, size))
    return to_page(shown, len(results) > len(shown))


def _require_runs_read(actor: Principal) -> None:
    # The routes admit those who may read files; a result file tells of a job.
    if not actor.may(Permission.RUNS_READ):
        raise PermissionMissing(Permission.RUNS_READ, is_scoped=actor.is_scoped)


def _result(session: Session, file_id: str, actor: Principal, *, field: str = "file_id") -> files.Result:
    _require_runs_read(actor)
    result = files.find_result(session, run_of_result_file(file_id) or "", actor, source=SOURCE)
    if result is None:
        raise FileNotFound(file_id, field=field)
    return result


def _measure(session: Session, result: files.Result, actor: Principal) -> int:
    size = len(_csv(session, result, actor))
    _sizes.put(result, size)
    return size


def _csv(session: Session, result: files.Result, actor: Principal) -> bytes:
    return results_csv(runs.iter_metrics(session, result.run_id, actor))


def _filename(result: files.Result) -> str:
    return f"{result.run_id}-results.csv"


def _to_result_file(result: files.Result, size: int) -> FileObject:
    return FileObject(
        id=result_file_id(result.run_id),
        bytes=size,
        created_at=int(result.created_at.timestamp()),
        expires_at=None,
        filename=_filename(result),
        purpose=RESULTS,
    )
