"""An executor that is no part of Finery: its attempts run here too, but give way to others (nice(1)), have an
interpreter of their own, and see the home by another path, as they would in a container."""

import sys
from pathlib import Path

from finery.executors.local.executor import LocalExecutor
from finery.kit.processes import Identity
from finery.scheduler.registry import ExecutorContext, register

PYTHON = """#!/bin/sh
FINERY_INTERPRETER=niced exec {python} "$@"
"""


class NicedExecutor(LocalExecutor):
    """Finery's shim minds the attempts; it is started in another way, and at another place."""

    def __init__(self, context: ExecutorContext) -> None:
        place = context.home.state / "niced"
        place.mkdir(parents=True, exist_ok=True)
        self._here, self._there = context.home.path, place / "home"
        if not self._there.is_symlink():
            self._there.symlink_to(self._here)
        python = place / "python"
        python.write_text(PYTHON.format(python=sys.executable))
        python.chmod(0o700)
        super().__init__(python=str(python), home_id=context.home_id)

    def path_there(self, path: Path) -> Path:
        return self._there / path.relative_to(self._here) if path.is_relative_to(self._here) else path

    def path_here(self, path: Path) -> Path:
        return self._here / path.relative_to(self._there) if path.is_relative_to(self._there) else path

    def start_shim(self, argv: list[str], environment: dict[str, str]) -> Identity:
        return super().start_shim(["nice", "-n", "10", *argv], environment)


register("niced", NicedExecutor)
