"""Errors of accepting runs and of what is done with them."""

from collections.abc import Mapping, Sequence

from finery.contracts.permissions import Permission, how_to_get
from finery.contracts.status import RunStatus
from finery.domain.errors import DomainError, ErrorKind, Issue
from finery.domain.issues import Issues
from finery.kit.translatable import Translatable


class RunNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "run_not_found"

    def __init__(self, run_id: str) -> None:
        super().__init__(Translatable("there is no run {run_id!r}", run_id=run_id[:140]))


class RunAmbiguous(DomainError):
    kind = ErrorKind.CONFLICT
    code = "run_ambiguous"

    def __init__(self, run_id: str, owners: Mapping[str, str], *, is_all: bool) -> None:
        """`owners`: a run's own id → the user who chose `run_id` for it."""
        listed = ", ".join(f"{uid!r} of {owner}" for uid, owner in owners.items())
        more = "" if is_all else ", …"
        super().__init__(
            Translatable(
                "several runs have the id {run_id!r}: name one by its own id: {listed}{more}",
                run_id=run_id[:140],
                listed=listed,
                more=more,
            )
        )


class ModelInUse(DomainError):
    kind = ErrorKind.CONFLICT
    code = "model_in_use"

    def __init__(self, users: Sequence[str]) -> None:
        super().__init__(
            Translatable("the model is needed by {users}; end or delete that first", users=", ".join(users[:5]))
        )


class RunExists(DomainError):
    kind = ErrorKind.CONFLICT
    code = "run_exists"

    def __init__(self, run_id: str) -> None:
        super().__init__(Translatable("you have a run {run_id!r} already; choose another id", run_id=run_id))


class InvalidRun(DomainError):
    """The request's configuration is impossible; each issue names its field."""

    kind = ErrorKind.INVALID
    code = "invalid_run"

    def __init__(self, issues: Issues | Sequence[Issue]) -> None:
        found = issues if isinstance(issues, Issues) else Issues.of(issues)
        super().__init__(found.summary, issues=found.listed)


class NoSuchData(InvalidRun):
    """The data to learn from, or to evaluate on, do not exist."""

    code = "dataset_not_found"


class CommandsForbidden(DomainError):
    kind = ErrorKind.FORBIDDEN
    code = "commands_not_allowed"

    def __init__(self) -> None:
        super().__init__(
            Translatable(
                "a command runs as the server's own user, and you lack the permission '{permission}': "
                "{remedy}, or use another recipe",
                permission=Permission.COMMANDS_RUN,
                remedy=how_to_get(Permission.COMMANDS_RUN),
            ),
            field="recipe",
        )


class PythonGradersForbidden(DomainError):
    kind = ErrorKind.FORBIDDEN
    code = "python_graders_not_allowed"

    def __init__(self) -> None:
        message = Translatable(
            "a python grader is a program of the request that runs on this server's machine, and its "
            "administrator has not allowed that (FINERY_ALLOW_PYTHON_GRADERS); ask an administrator, or "
            "use another grader"
        )
        super().__init__(Translatable("grader: {message}", message=message), issues=[Issue("grader", message)])


class OutputTaken(DomainError):
    kind = ErrorKind.CONFLICT
    code = "output_dir_taken"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            Translatable("output_dir {path!r} {why}; choose another output_dir", path=path, why=why), field="output_dir"
        )


class IdempotencyMismatch(DomainError):
    kind = ErrorKind.CONFLICT
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(Translatable("this Idempotency-Key was used with another request; draw a new key"))


class StillWorkedOn(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "still_worked_on"

    def __init__(self) -> None:
        super().__init__(
            Translatable("this request was sent before and is still being worked on; try again in a moment")
        )


class RunFinished(DomainError):
    kind = ErrorKind.FINISHED
    code = "run_finished"

    def __init__(self, run_id: str, status: RunStatus) -> None:
        super().__init__(Translatable("run {run_id!r} has already ended: {status}", run_id=run_id, status=status))


class NothingToResume(DomainError):
    """The run has ended, and left nothing that another run could resume from."""

    kind = ErrorKind.FINISHED
    code = "nothing_to_resume"

    def __init__(self, run_id: str, why: str) -> None:
        super().__init__(Translatable("run {run_id!r} {why}", run_id=run_id, why=why))


class TransitionRefused(DomainError):
    kind = ErrorKind.CONFLICT
    code = "transition_refused"

    def __init__(self, run_id: str, source: RunStatus, target: RunStatus) -> None:
        super().__init__(
            Translatable(
                "run {run_id!r} is {source}; it cannot become {target}", run_id=run_id, source=source, target=target
            )
        )


class NotQueued(DomainError):
    kind = ErrorKind.CONFLICT
    code = "run_not_queued"

    def __init__(self, run_id: str) -> None:
        super().__init__(Translatable("run {run_id!r} does not wait in this server's queue", run_id=run_id))


class RunIsLive(DomainError):
    kind = ErrorKind.CONFLICT
    code = "run_is_live"

    def __init__(self, run_id: str, remedy: str) -> None:
        super().__init__(Translatable("run {run_id!r} has not ended yet; {remedy}", run_id=run_id, remedy=remedy))


class NotReportable(DomainError):
    kind = ErrorKind.CONFLICT
    code = "run_is_carried_out_here"

    def __init__(self, run_id: str) -> None:
        super().__init__(
            Translatable(
                "run {run_id!r} is carried out by this server; only runs that run elsewhere take reports", run_id=run_id
            )
        )


class NotControllable(DomainError):
    kind = ErrorKind.CONFLICT
    code = "run_is_carried_out_elsewhere"

    def __init__(self, run_id: str) -> None:
        super().__init__(
            Translatable("run {run_id!r} is carried out elsewhere and can only be cancelled here", run_id=run_id)
        )


class IntentRefused(DomainError):
    kind = ErrorKind.CONFLICT
    code = "intent_refused"

    def __init__(self, run_id: str, why: str) -> None:
        super().__init__(Translatable("run {run_id!r} {why}", run_id=run_id, why=why))


class ArtifactNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "artifact_not_found"

    def __init__(self, run_id: str, artifact_id: int) -> None:
        super().__init__(
            Translatable("run {run_id!r} has no artifact {artifact_id}", run_id=run_id, artifact_id=artifact_id)
        )
