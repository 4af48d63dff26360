"""Control requests to a running trainer: files in the run's control/ folder, and SIGTERM, which means pause."""

import signal
from pathlib import Path
from types import FrameType

from finery.contracts.layout import CONTROL_CHECKPOINT, CONTROL_PAUSE, CONTROL_STOP, CONTROL_VALIDATE

CONTROLS = (CONTROL_CHECKPOINT, CONTROL_VALIDATE, CONTROL_STOP, CONTROL_PAUSE)


class Controls:
    """The control requests of one run, looked at between steps. Taking one removes it, so that it is honoured once."""

    def __init__(self, folder: Path) -> None:
        self._paths = {name: folder / name for name in CONTROLS}
        self._terminated = False
        folder.mkdir(parents=True, exist_ok=True)

    def watch_sigterm(self) -> None:
        signal.signal(signal.SIGTERM, self._on_sigterm)

    @property
    def wants_pause(self) -> bool:
        return self._terminated or self._paths[CONTROL_PAUSE].exists()

    def take(self) -> set[str]:
        """Removes and returns the requests since the last call; a pause by SIGTERM is returned every time."""
        taken = {name for name, path in self._paths.items() if path.exists()}
        for name in taken:
            self._paths[name].unlink(missing_ok=True)
        if self._terminated:
            taken.add(CONTROL_PAUSE)
        return taken

    def _on_sigterm(self, _signal: int, _frame: FrameType | None) -> None:
        self._terminated = True
