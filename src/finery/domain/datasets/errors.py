"""What can be wrong with a dataset. Messages name line, field and reason, never a row's content."""

from collections.abc import Sequence
from pathlib import Path

from finery.contracts.datasets.report import DatasetReport
from finery.domain.errors import DomainError, ErrorKind, Flaw


class DatasetNotFound(DomainError):
    kind = ErrorKind.INVALID
    code = "dataset_not_found"

    def __init__(self, path: Path | str, *, field: str | None = None) -> None:
        message = f"there is no dataset at {path}: give a data file, or a folder with a dataset_info.json"
        super().__init__(message, field=field)


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
        flaws = [Flaw(field=flaw.field, message=flaw.reason, line=flaw.line) for flaw in report.flaws]
        return cls(f"{report.file.name}: {report.refusal}", flaws=flaws, total=report.flawed)


class NotMeasurable(DomainError):
    kind = ErrorKind.INVALID
    code = "dataset_not_measurable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the dataset cannot be measured: {reason}", flaws=[Flaw(field="model", message=reason)])
