"""What can be wrong with a dataset. Messages name line, field and reason, never a row's content."""

from collections.abc import Sequence
from pathlib import Path

from finery.contracts.datasets.report import DatasetReport, RowFlaw
from finery.domain.errors import DomainError, ErrorKind, Flaw


class DatasetNotFound(DomainError):
    kind = ErrorKind.INVALID
    code = "dataset_not_found"

    def __init__(self, path: Path) -> None:
        super().__init__(f"there is no dataset at {path}: give a data file, or a folder with a dataset_info.json")


class DatasetRefused(DomainError):
    kind = ErrorKind.INVALID
    code = "dataset_invalid"

    def __init__(self, message: str, *, flaws: Sequence[Flaw] = (), total: int = 1) -> None:
        super().__init__(message, flaws=flaws)
        self.total = total
        """How many rows have a flaw; `flaws` are the first of them."""

    @classmethod
    def for_file(cls, path: Path, reason: str) -> "DatasetRefused":
        return cls(f"{path.name}: {reason}", flaws=[Flaw(field="", message=reason)])

    @classmethod
    def for_rows(cls, report: DatasetReport) -> "DatasetRefused":
        first = report.flaws[0]
        count = f"{report.flawed:,} of {report.rows:,} rows {'has a flaw' if report.flawed == 1 else 'have flaws'}"
        message = f"{report.file.name}: line {first.line} (row {first.row}): {_words(first)}. {count}."
        return cls(message, flaws=[_flaw(flaw) for flaw in report.flaws], total=report.flawed)


def _words(flaw: RowFlaw) -> str:
    return f"{flaw.field}: {flaw.reason}" if flaw.field else flaw.reason


def _flaw(flaw: RowFlaw) -> Flaw:
    return Flaw(field=flaw.field, message=flaw.reason, line=flaw.line)
