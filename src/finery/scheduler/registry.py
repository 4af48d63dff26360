"""The executors by name."""

from finery.executors.base import Executor
from finery.executors.local.executor import LocalExecutor
from finery.executors.local.warm_parent import WarmParent

LOCAL = "local"


def make_executors(warm: WarmParent | None, home_id: str) -> dict[str, Executor]:
    return {LOCAL: LocalExecutor(warm=warm, home_id=home_id)}
