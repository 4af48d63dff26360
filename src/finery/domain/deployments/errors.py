from finery.domain.errors import DomainError, ErrorKind


class DeploymentNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "deployment_not_found"

    def __init__(self, deployment_id: str) -> None:
        super().__init__(f"there is no deployment {deployment_id[:100]!r}")


class NoFreePort(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "no_free_port"

    def __init__(self, first: int, last: int) -> None:
        super().__init__(f"every port from {first} to {last} is taken; stop a deployment")


class SlotContested(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "slot_contested"

    def __init__(self, slot: str) -> None:
        super().__init__(f"too many others ask for the slot {slot!r} at once; ask again")
