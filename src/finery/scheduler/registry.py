"""Registry of the executors, by name. Another executor is another folder and another line here."""

from collections.abc import Callable
from dataclasses import dataclass

from finery.contracts.layout import HomeDirectory
from finery.executors.base import Executor, Unreachable
from finery.executors.local.executor import LocalExecutor
from finery.executors.local.warm_parent import WarmParent
from finery.kit.ids import check_new_name

LOCAL = "local"


@dataclass(frozen=True)
class ExecutorContext:
    """What an executor is made with."""

    home: HomeDirectory
    home_id: str
    warm: WarmParent | None


class Executors(dict[str, Executor]):
    def __missing__(self, name: str) -> Executor:
        # An earlier start of the server may have had it: what became of the executor's attempts is not known.
        raise Unreachable(f"this server has no executor {name!r}")


EXECUTORS: dict[str, Callable[[ExecutorContext], Executor]] = {}


def register(name: str, make: Callable[[ExecutorContext], Executor]) -> None:
    """Adds an executor. Raises ValueError for a name that is taken, empty or too long for an attempt to store it."""
    check_new_name(name, EXECUTORS, "an executor")
    EXECUTORS[name] = make


class ExecutorNotMade(Exception):
    """An executor cannot be made; the message is one line."""


def make_executors(context: ExecutorContext) -> Executors:
    """Makes each registered executor. Raises ExecutorNotMade."""
    executors = Executors()
    for name, make in EXECUTORS.items():
        try:
            executors[name] = make(context)
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ExecutorNotMade(f"the executor {name!r} cannot be made: {reason}") from error
    return executors


register(LOCAL, lambda context: LocalExecutor(warm=context.warm, home_id=context.home_id))
