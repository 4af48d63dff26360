"""Errors of storing secrets and of using them in runs."""

from collections.abc import Sequence

from finery.domain.errors import DomainError, ErrorKind, InvalidField
from finery.kit.printable import printable
from finery.kit.translatable import Translatable


class InvalidSecret(InvalidField):
    code = "invalid_secret"


class SecretNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "secret_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no secret '{printable(name)}'")


class SecretsMissing(DomainError):
    kind = ErrorKind.INVALID
    code = "secrets_missing"

    def __init__(self, names: Sequence[str]) -> None:
        shown = ", ".join(printable(name) for name in names)
        super().__init__(
            Translatable(
                "the run's owner has no secret named {shown}, and neither has the server; store it first", shown=shown
            ),
            field="config.secrets",
        )


class ServersCredential(DomainError):
    kind = ErrorKind.INVALID
    code = "servers_credential"

    def __init__(self, name: str, address: str) -> None:
        super().__init__(
            Translatable(
                "{name} is the server's, and is not sent to {address} of the run's owner; store a {name} of your own",
                name=name,
                address=address,
            ),
            field="config.secrets",
        )


class SecretUnreadable(DomainError):
    kind = ErrorKind.CONFLICT
    code = "secret_unreadable"

    def __init__(self, name: str) -> None:
        super().__init__(
            Translatable(
                "the secret '{name}' was stored with another key than the server has now; store it again", name=name
            )
        )


class SecretKeyUnusable(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "secret_key_unusable"

    def __init__(self, why: str) -> None:
        super().__init__(Translatable("secrets cannot be used: {why}", why=why))
