"""Errors of deployments and of their engines."""

import math
from collections.abc import Iterable

from finery.domain.errors import DomainError, ErrorKind
from finery.engines.registry import no_such_engine
from finery.kit.failure_cache import Failure
from finery.kit.translatable import Translatable


class DeploymentNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "deployment_not_found"

    def __init__(self, deployment_id: str) -> None:
        super().__init__(Translatable("there is no deployment {deployment_id!r}", deployment_id=deployment_id[:100]))


class NoFreePort(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "no_free_port"

    def __init__(self, first: int, last: int) -> None:
        super().__init__(
            Translatable("every port from {first} to {last} is taken; stop a deployment", first=first, last=last)
        )


class SlotContested(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "slot_contested"

    def __init__(self, slot: str) -> None:
        super().__init__(Translatable("too many others ask for the slot {slot!r} at once; ask again", slot=slot))


class AutostartContested(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "model_contested"

    def __init__(self, name: str) -> None:
        super().__init__(Translatable("too many ask for the model {name!r} at once; ask again", name=name[:200]))


class EngineUnavailable(DomainError):
    """The engine that the request names is not installed, or cannot serve this model."""

    kind = ErrorKind.INVALID
    code = "engine_unavailable"

    def __init__(self, engine: str, why: str) -> None:
        super().__init__(Translatable("engine {engine!r} {why}", engine=engine, why=why), field="engine")


class UnknownEngine(DomainError):
    kind = ErrorKind.INVALID
    code = "invalid_request"

    def __init__(self, engine: str, known: Iterable[str]) -> None:
        super().__init__(no_such_engine(engine, known), field="engine")


class ModelBroken(DomainError):
    kind = ErrorKind.INVALID
    code = "model_not_loaded"

    def __init__(self, name: str, failure: Failure) -> None:
        super().__init__(
            Translatable(
                "the model {name!r} cannot be loaded: {reason}; it is tried again when its files change, or "
                "in {minutes} min",
                name=name[:200],
                reason=failure.reason,
                minutes=math.ceil(failure.seconds / 60),
            ),
            field="model",
        )


class EngineNotStarted(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "engine_not_started"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            Translatable(
                "no engine could be started for the model {name!r}: {reason}; ask again later",
                name=name[:200],
                reason=reason,
            )
        )


class NotEnoughMemory(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "not_enough_memory"

    def __init__(self, model: str, need: int, holders: str) -> None:
        super().__init__(
            Translatable(
                "{model!r} needs about {need:.1f} GiB, which are not free: {holders}",
                model=model[:200],
                need=need / 2**30,
                holders=holders,
            )
        )
