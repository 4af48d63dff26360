"""Checks whether a file is fit for a recipe, before a run is accepted. An unchanged file is read once."""

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from finery.contracts.datasets.check import examine
from finery.contracts.datasets.info import INFO_NAME, InfoRefused, Source, open_source
from finery.contracts.datasets.report import DatasetReport
from finery.domain.datasets.errors import DatasetNotFound, DatasetRefused


@dataclass
class _Slot:
    lock: Lock = field(default_factory=Lock)
    report: DatasetReport | None = None


class ReportCache:
    """A bounded cache. Of threads that want the same report at once one makes it, and the others wait."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()

    def get_or_make(self, key: Hashable, make: Callable[[], DatasetReport]) -> DatasetReport:
        """Return the report of `key`. What `make` raises is not cached: the next caller tries again."""
        slot = self._slot(key)
        with slot.lock:
            if slot.report is None:
                slot.report = make()
            return slot.report

    def _slot(self, key: Hashable) -> _Slot:
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            if len(self._slots) > self._limit:
                self._slots.popitem(last=False)
            return slot


_reports = ReportCache(limit=256)


def check_dataset(
    path: Path, *, recipe: str, entry_name: str | None = None, validation: Path | None = None
) -> DatasetReport:
    """Return the report of data that a run may train on. Raises DatasetNotFound and DatasetRefused."""
    report = report_on(path, recipe=recipe, entry_name=entry_name, validation=validation)
    if report.unreadable or not report.invalid:
        if report.refusal:
            raise DatasetRefused.for_file(report.file, report.refusal)
        return report
    raise DatasetRefused.for_rows(report)


def report_on(
    path: Path, *, recipe: str, entry_name: str | None = None, validation: Path | None = None
) -> DatasetReport:
    """Return the report with all issues; its `ok` says whether a run may train on the data.

    Raises DatasetNotFound, and DatasetRefused where no report can be made.
    """
    source = _open(path, entry_name)
    other = _open(validation, None) if validation is not None else None
    key = (recipe, entry_name, _state(path, source), other and validation and _state(validation, other))
    try:
        return _reports.get_or_make(key, lambda: examine(source, recipe, other))
    except OSError as error:
        raise DatasetRefused.for_file(path, f"cannot be read: {error.strerror}") from error


def _open(path: Path, entry_name: str | None) -> Source:
    try:
        if not path.exists():
            raise DatasetNotFound(path)
        source = open_source(path, entry_name)
        if not source.file.is_file():
            raise DatasetRefused.for_file(path, "is neither a file nor a folder")
    except InfoRefused as error:
        raise DatasetRefused(str(error)) from error
    except OSError as error:
        raise DatasetRefused.for_file(path, f"cannot be read: {error.strerror}") from error
    return source


def state_of_rows(path: Path, entry_name: str | None) -> Hashable:
    """Return a value that changes whenever the rows at `path` do, which may be a folder.

    Raises DatasetNotFound and DatasetRefused.
    """
    return _state(path, _open(path, entry_name))


def _state(path: Path, source: Source) -> Hashable:
    return (state_of(path / INFO_NAME), state_of(source.file), source.entry and source.entry.model_dump_json())


def state_of(path: Path) -> Hashable:
    """Return a value that changes whenever the file does, also where its modification time was set back."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return (str(path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
