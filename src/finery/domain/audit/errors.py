from finery.domain.errors import DomainError, ErrorKind


class BadAuditCursor(DomainError):
    kind = ErrorKind.INVALID
    code = "bad_cursor"

    def __init__(self) -> None:
        super().__init__("the cursor is not one that this server gave; start without one", field="cursor")
