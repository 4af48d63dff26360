"""Errors of uploaded files, and of uploads in parts."""

from collections.abc import Sequence

from finery.domain.errors import DomainError, ErrorKind, InvalidField, Issue
from finery.kit.printable import printable
from finery.kit.translatable import Translatable


class FileNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "file_not_found"

    def __init__(self, file_id: str, *, field: str = "file_id") -> None:
        super().__init__(Translatable("there is no file '{file_id}'", file_id=printable(file_id)), field=field)


class FileUnusable(DomainError):
    """A run's configuration names a file that it cannot have: the request is invalid, not its address."""

    kind = ErrorKind.INVALID

    def __init__(self, field: str, message: str) -> None:
        told = Translatable("{field}: {message}", field=field, message=message)
        super().__init__(told, issues=[Issue(field, message, code=self.code)])


class UnknownFile(FileUnusable):
    code = "file_not_found"

    def __init__(self, field: str, file_id: str) -> None:
        message = Translatable(
            "there is no file '{file_id}'; upload it, or name one that is there", file_id=printable(file_id)
        )
        super().__init__(field, message)


class WrongPurpose(FileUnusable):
    code = "invalid_file_purpose"

    def __init__(self, field: str, file_id: str, purpose: str) -> None:
        message = Translatable(
            "the file '{file_id}' was uploaded for {purpose!r}; upload it again with the purpose 'fine-tune'",
            file_id=file_id,
            purpose=purpose,
        )
        super().__init__(field, message)


class FileInUse(DomainError):
    kind = ErrorKind.CONFLICT
    code = "file_in_use"

    def __init__(self, file_id: str, run_ids: Sequence[str]) -> None:
        message = Translatable(
            "the file '{file_id}' is needed by {runs}; let them end, or cancel them",
            file_id=file_id,
            runs=", ".join(run_ids),
        )
        super().__init__(message, field="file_id")


class ResultFileStays(DomainError):
    kind = ErrorKind.CONFLICT
    code = "file_not_deletable"

    def __init__(self, file_id: str) -> None:
        message = Translatable(
            "the file '{file_id}' holds a job's figures, and is there as long as its job is", file_id=printable(file_id)
        )
        super().__init__(message, field="file_id")


class InvalidFileField(InvalidField):
    code = "invalid_value"


class UploadNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "upload_not_found"

    def __init__(self, upload_id: str) -> None:
        message = Translatable("there is no upload '{upload_id}'", upload_id=printable(upload_id))
        super().__init__(message, field="upload_id")


class UploadClosed(DomainError):
    kind = ErrorKind.INVALID
    code = "upload_not_pending"

    def __init__(self, upload_id: str, status: str) -> None:
        message = Translatable(
            "the upload '{upload_id}' is {status}; begin another", upload_id=upload_id, status=status
        )
        super().__init__(message, field="upload_id")


class UploadTooLarge(DomainError):
    kind = ErrorKind.TOO_LARGE
    code = "too_large"

    def __init__(self, field: str, limit: int) -> None:
        message = Translatable(
            "an upload may have {limit} bytes at most; split the file, or ask an administrator for more "
            "(FINERY_MAX_UPLOAD_BYTES)",
            limit=limit,
        )
        super().__init__(message, field=field)


class TooManyParts(DomainError):
    kind = ErrorKind.TOO_LARGE
    code = "too_large"

    def __init__(self, limit: int) -> None:
        message = Translatable("an upload may have {limit} parts at most; begin another, with larger ones", limit=limit)
        super().__init__(message, field="data")


class PartsDiffer(DomainError):
    """The parts are not what was announced. They stay, so that the client can correct it."""

    kind = ErrorKind.INVALID
    code = "upload_mismatch"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, field=field)


class PartMisplaced(DomainError):
    """A client that was interrupted does not know how much has come: it asks, and goes on from there."""

    kind = ErrorKind.CONFLICT
    code = "part_misplaced"

    def __init__(self, received: int) -> None:
        message = Translatable(
            "{received} bytes of the file are here; send the part that begins there", received=received
        )
        super().__init__(message, field="start")


class UploadIncomplete(DomainError):
    kind = ErrorKind.CONFLICT
    code = "upload_incomplete"

    def __init__(self, received: int, size: int) -> None:
        message = Translatable(
            "{received} of {size} bytes are here; send the rest before", received=received, size=size
        )
        super().__init__(message, field="upload_id")
