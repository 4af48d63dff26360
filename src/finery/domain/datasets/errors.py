"""Errors of datasets, their rows and their store. Messages name line, field and reason, never a row's content."""

from collections.abc import Sequence
from pathlib import Path

from finery.contracts.datasets.report import DatasetReport
from finery.domain.errors import DomainError, ErrorKind, InvalidField, Issue
from finery.kit.printable import printable
from finery.kit.translatable import Translatable


class DatasetNotFound(DomainError):
    kind = ErrorKind.INVALID
    code = "dataset_not_found"

    def __init__(self, path: Path | str, *, field: str | None = None) -> None:
        message = Translatable(
            "there is no dataset at {path}: give a data file, or a folder with a dataset_info.json", path=path
        )
        super().__init__(message, field=field)


class DatasetRefused(DomainError):
    kind = ErrorKind.INVALID
    code = "dataset_invalid"

    def __init__(self, message: str, *, issues: Sequence[Issue] = (), total: int = 1) -> None:
        super().__init__(message, issues=issues)
        self.total = total
        """How many rows have issues; `issues` are those of the first."""

    @classmethod
    def for_file(cls, path: Path, reason: str) -> "DatasetRefused":
        told = Translatable("{field}: {message}", field=path.name, message=reason)
        return cls(told, issues=[Issue(field="", message=reason)])

    @classmethod
    def for_rows(cls, report: DatasetReport) -> "DatasetRefused":
        issues = [Issue(field=issue.field, message=issue.reason, line=issue.line) for issue in report.issues]
        told = Translatable("{field}: {message}", field=report.file.name, message=report.refusal)
        return cls(told, issues=issues, total=report.invalid)


class StoredDatasetNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "dataset_not_found"

    def __init__(self, wanted: str) -> None:
        super().__init__(Translatable("there is no dataset '{wanted}'", wanted=printable(wanted)))


class VersionNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "dataset_version_not_found"

    def __init__(self, name: str, version: int, newest: int) -> None:
        super().__init__(
            Translatable(
                "the dataset '{name}' has no version {version}; its newest is {newest}",
                name=printable(name),
                version=version,
                newest=newest,
            )
        )


class DatasetNotYours(DomainError):
    kind = ErrorKind.FORBIDDEN
    code = "dataset_not_yours"

    def __init__(self, dataset_id: str) -> None:
        super().__init__(
            f"the dataset '{dataset_id}' is shared with you to read: "
            "ask its owner to change it, or a lead or administrator"
        )


class DatasetNameTaken(DomainError):
    kind = ErrorKind.CONFLICT
    code = "dataset_name_taken"

    def __init__(self, name: str) -> None:
        message = "you have a dataset of this name already; add a version to it, or choose another name"
        super().__init__(f"'{printable(name)}': {message}", issues=[Issue("name", message)])


class InvalidDatasetField(InvalidField):
    code = "invalid_dataset"


class DatasetInUse(DomainError):
    kind = ErrorKind.CONFLICT
    code = "dataset_in_use"

    def __init__(self, name: str, run_ids: Sequence[str]) -> None:
        shown = ", ".join(printable(run_id) for run_id in run_ids)
        super().__init__(f"'{printable(name)}' is needed by unfinished runs: {shown}; let them end, or cancel them")


class AmbiguousReference(DomainError):
    kind = ErrorKind.INVALID
    code = "dataset_ambiguous"

    def __init__(self, name: str, ids: Sequence[str]) -> None:
        super().__init__(
            Translatable(
                "several shared datasets are named '{name}'; name one by id: {ids}",
                name=printable(name),
                ids=", ".join(ids),
            )
        )


class ReferenceGone(DomainError):
    kind = ErrorKind.CONFLICT
    code = "dataset_gone"

    def __init__(self, reference: str, *, field: str) -> None:
        super().__init__(
            Translatable("{reference} was deleted while the request was looked at", reference=printable(reference)),
            field=field,
        )


class DatasetUnreadable(DomainError):
    kind = ErrorKind.INVALID
    code = "dataset_unreadable"

    def __init__(self, filename: str, reason: str) -> None:
        super().__init__(f"{printable(filename)}: {reason}", issues=[Issue("", reason)])
