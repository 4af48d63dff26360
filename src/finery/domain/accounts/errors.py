"""Errors of users, logins, sessions and API keys."""

from collections.abc import Sequence

from finery.domain.errors import DomainError, ErrorKind, Issue
from finery.kit.printable import printable
from finery.kit.translatable import Translatable


class InvalidAccount(DomainError):
    """Fields of a user or key are invalid; each issue names its field."""

    kind = ErrorKind.INVALID
    code = "invalid_account"

    def __init__(self, issues: Sequence[Issue]) -> None:
        first = issues[0]
        more = f" (and {len(issues) - 1} more)" if len(issues) > 1 else ""
        super().__init__(f"{first.field}: {first.message}{more}", issues=issues)


class SetupDone(DomainError):
    kind = ErrorKind.CONFLICT
    code = "setup_done"

    def __init__(self) -> None:
        super().__init__("the first administrator exists already; log in")


class SetupNeeded(DomainError):
    kind = ErrorKind.CONFLICT
    code = "setup_needed"

    def __init__(self) -> None:
        super().__init__("there is no account yet; create the first administrator")


class LoginRefused(DomainError):
    """The same error for an unknown user, a wrong password and an inactive account, so that nobody can tell which."""

    kind = ErrorKind.UNAUTHENTICATED
    code = "login_refused"

    def __init__(self) -> None:
        super().__init__("user name or password is wrong")


class SessionEnded(DomainError):
    kind = ErrorKind.UNAUTHENTICATED
    code = "session_ended"

    def __init__(self) -> None:
        super().__init__(Translatable("the session has ended; log in again"))


class KeyRefused(DomainError):
    kind = ErrorKind.UNAUTHENTICATED
    code = "key_refused"

    def __init__(self) -> None:
        super().__init__(Translatable("the API key is unknown, revoked or expired, or its user is not active"))


class WrongPassword(DomainError):
    kind = ErrorKind.INVALID
    code = "wrong_password"

    def __init__(self) -> None:
        super().__init__("the current password is wrong", field="current_password")


class UserNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "user_not_found"

    def __init__(self, user_id: str) -> None:
        super().__init__(f"there is no user '{printable(user_id)}'")


class UserExists(DomainError):
    kind = ErrorKind.CONFLICT
    code = "user_exists"

    def __init__(self, field: str, value: str) -> None:
        super().__init__(f"there is a user with the {field} '{value}' already", field=field)


class LastAdministrator(DomainError):
    kind = ErrorKind.CONFLICT
    code = "last_administrator"

    def __init__(self, username: str) -> None:
        super().__init__(
            f"{username!r} is the last active administrator with a password; make somebody else one before"
        )


class TooManyKeys(DomainError):
    kind = ErrorKind.CONFLICT
    code = "too_many_keys"

    def __init__(self, limit: int) -> None:
        super().__init__(f"there are {limit} active API keys already; revoke one that is not used any more")


class KeyNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "key_not_found"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"there is no API key '{printable(key_id)}'")
