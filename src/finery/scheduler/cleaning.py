"""What is done after a run's end, and cannot touch its outcome: its artifacts get their hashes."""

import hashlib
from pathlib import Path

from finery.db import Database
from finery.domain.runs import attempts

BATCH = 20
IDLE_SECONDS = 5.0


class Cleaner:
    def __init__(self, database: Database) -> None:
        self._database = database

    def work(self) -> float:
        with self._database.read() as session:
            runs = attempts.list_uncleaned(session, BATCH)
        for number, artifacts in runs:
            hashes = {artifact_id: digest for artifact_id, path in artifacts if (digest := _sha256(path)) is not None}
            with self._database.write() as session:
                attempts.record_cleaned(session, number, hashes)
        return 0.0 if len(runs) == BATCH else IDLE_SECONDS


def _sha256(path: Path) -> str | None:
    """Hex; None for a folder, or a file that is gone."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
