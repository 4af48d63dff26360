from finery.domain.errors import DomainError, ErrorKind, Flaw


class BadAuditCursor(DomainError):
    kind = ErrorKind.INVALID
    code = "bad_cursor"

    def __init__(self) -> None:
        message = "the cursor is not one that this server gave; start without one"
        super().__init__(message, flaws=[Flaw("cursor", message)])
