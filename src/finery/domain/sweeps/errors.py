"""Errors of accepting sweeps and of what is done with them."""

from finery.domain.errors import DomainError, ErrorKind
from finery.domain.runs.errors import InvalidRun
from finery.kit.translatable import Translatable


class InvalidSweep(InvalidRun):
    """At least one of its runs is impossible; each issue names the field, and which of its values."""

    code = "invalid_sweep"


class SweepNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "sweep_not_found"

    def __init__(self, sweep_id: str) -> None:
        super().__init__(Translatable("there is no sweep {sweep_id!r}", sweep_id=sweep_id[:140]))


class SweepFinished(DomainError):
    kind = ErrorKind.FINISHED
    code = "sweep_finished"

    def __init__(self, sweep_id: str) -> None:
        super().__init__(Translatable("all runs of sweep {sweep_id!r} have ended already", sweep_id=sweep_id))
