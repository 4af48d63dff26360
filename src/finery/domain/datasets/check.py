"""One pass over a dataset before a run is accepted: every row of a shape that serves the recipe, something to learn."""

import hashlib
import os
from collections.abc import Hashable
from pathlib import Path

from finery.contracts.datasets.info import INFO_NAME, InfoRefused, Source, open_source
from finery.contracts.datasets.report import DatasetReport
from finery.domain.datasets.errors import DatasetNotFound, DatasetRefused
from finery.domain.datasets.reports import ReportCache
from finery.domain.datasets.tally import Tally
from finery.kit.tables import UnreadableTable, scan_rows

_reports = ReportCache(limit=256)


def check_dataset(path: Path, *, recipe: str, entry_name: str | None = None) -> DatasetReport:
    """Raises DatasetNotFound and DatasetRefused. An unchanged file is read only once per recipe and entry."""
    try:
        if not path.exists():
            raise DatasetNotFound(path)
        source = open_source(path, entry_name)
        report = _report(source, recipe, (entry_name, _state(path / INFO_NAME)))
    except InfoRefused as error:
        raise DatasetRefused(str(error)) from error
    except UnreadableTable as error:
        raise DatasetRefused.for_file(path, str(error)) from error
    except OSError as error:
        raise DatasetRefused.for_file(path, f"cannot be read: {error.strerror}") from error
    return _approved(report)


def examine(source: Source, recipe: str) -> DatasetReport:
    """The report, flaws and all. Raises UnreadableTable and OSError."""
    digest = hashlib.sha256()
    tally = Tally(source, recipe)
    for row in scan_rows(source.file, observe=digest.update, accept=tally.accept):
        tally.add(row)
    return tally.report(size=source.file.stat().st_size, sha256=digest.hexdigest())


def _report(source: Source, recipe: str, entry: Hashable) -> DatasetReport:
    if not source.file.is_file():
        raise UnreadableTable("is neither a file nor a folder")
    return _reports.get_or_make((recipe, entry, _state(source.file)), lambda: examine(source, recipe))


def _state(path: Path) -> Hashable:
    """Changes whenever the file does, also where its time of change was set back."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return (str(path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _approved(report: DatasetReport) -> DatasetReport:
    if report.flawed:
        raise DatasetRefused.for_rows(report)
    if not report.rows:
        raise DatasetRefused.for_file(report.file, "holds no rows")
    if not report.trainable:
        raise DatasetRefused.for_file(report.file, "no row has a trainable token: every answer is empty or masked")
    return report
