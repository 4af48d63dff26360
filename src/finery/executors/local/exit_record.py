"""Writes `exit.json`, the account of an attempt's end, even when the disk has become full meanwhile."""

import json
import time
from dataclasses import asdict, dataclass
from typing import Any

from finery.kit.reserved_file import ReservedFile

RETRY_SECONDS = 0.5


@dataclass
class Ending:
    """The fields of contracts.process.Exit, without pydantic."""

    exit_code: int | None = None
    signal: int | None = None
    start_error: str | None = None
    start_errno: int | None = None
    terminated: bool = False
    timed_out: bool = False
    swept: int = 0
    started_at: float | None = None
    finished_at: float = 0.0
    max_rss_bytes: int | None = None
    outcome: dict[str, Any] | None = None


class ExitFile(ReservedFile):
    """Takes its space on the disk at the beginning, so that it can be written on a full one."""

    def write_ending(self, ending: Ending, patience_seconds: float) -> None:
        """Put exit.json in place, whole or not at all; try again until `patience_seconds` have passed.

        Raises OSError when it could not be written in that time, or when the directory is gone.
        """
        data = json.dumps(asdict(ending), ensure_ascii=False).encode()
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                return self.write(data)
            except FileNotFoundError:
                raise
            except OSError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(RETRY_SECONDS)
