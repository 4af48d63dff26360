"""What can be wrong with a dataset. Messages name line, field and reason, never a row's content."""

from collections.abc import Sequence
from pathlib import Path

from finery.contracts.datasets.report import DatasetReport
from finery.domain.errors import DomainError, ErrorKind, Issue


class DatasetNotFound(DomainError):
    kind = ErrorKind.INVALID
    code = "dataset_not_found"

    def __init__(self, path: Path | str, *, field: str | None = None) -> None:
        message = f"there is no dataset at {path}: give a data file, or a folder with a dataset_info.json"
        super().__init__(message, field=field)


class DatasetRefused(DomainError):
    kind = ErrorKind.INVALID
    code = "dataset_invalid"

    def __init__(self, message: str, *, issues: Sequence[Issue] = (), total: int = 1) -> None:
        super().__init__(message, issues=issues)
        self.total = total
        """How many rows have an issue; `issues` are the first of them."""

    @classmethod
    def for_file(cls, path: Path, reason: str) -> "DatasetRefused":
        return cls(f"{path.name}: {reason}", issues=[Issue(field="", message=reason)])

    @classmethod
    def for_rows(cls, report: DatasetReport) -> "DatasetRefused":
        issues = [Issue(field=issue.field, message=issue.reason, line=issue.line) for issue in report.issues]
        return cls(f"{report.file.name}: {report.refusal}", issues=issues, total=report.invalid)


class NotMeasurable(DomainError):
    kind = ErrorKind.INVALID
    code = "dataset_not_measurable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the dataset cannot be measured: {reason}", issues=[Issue(field="model", message=reason)])
