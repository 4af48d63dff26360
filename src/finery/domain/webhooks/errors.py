"""Errors of webhooks and of their deliveries."""

from finery.contracts.permissions import Permission, how_to_get
from finery.domain.errors import DomainError, ErrorKind, InvalidField
from finery.kit.printable import printable


class InvalidWebhook(InvalidField):
    code = "invalid_webhook"


class WebhookNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "webhook_not_found"

    def __init__(self, webhook_id: str) -> None:
        super().__init__(f"there is no webhook '{printable(webhook_id)}'")


class TooManyWebhooks(DomainError):
    kind = ErrorKind.CONFLICT
    code = "too_many_webhooks"

    def __init__(self, limit: int) -> None:
        super().__init__(f"there are {limit} webhooks already; delete one first")


class AllRunsNeeded(DomainError):
    """Whoever can change where events of all runs are sent can read all runs."""

    kind = ErrorKind.FORBIDDEN
    code = "all_runs_needed"

    def __init__(self) -> None:
        super().__init__(
            f"a webhook with the scope 'all' tells of everyone's runs, and you lack the permission "
            f"'{Permission.RUNS_ALL}': {how_to_get(Permission.RUNS_ALL)}"
        )


class RunsReadNeeded(DomainError):
    """Whoever may not read runs must not have their events sent to an address of their choice."""

    kind = ErrorKind.FORBIDDEN
    code = "runs_read_needed"

    def __init__(self) -> None:
        super().__init__(
            f"a webhook tells of runs, and you lack the permission '{Permission.RUNS_READ}': "
            f"{how_to_get(Permission.RUNS_READ)}"
        )


class WebhookDisabled(DomainError):
    kind = ErrorKind.CONFLICT
    code = "webhook_disabled"

    def __init__(self, webhook_id: str) -> None:
        super().__init__(f"the webhook '{webhook_id}' is disabled; enable it first")


class DeliveryNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "delivery_not_found"

    def __init__(self, message_id: str) -> None:
        super().__init__(f"there is no delivery '{printable(message_id)}' to this webhook")
