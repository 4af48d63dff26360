"""The clean loop: hashes the artifacts of finished runs, and removes files that nobody needs any more."""

import hashlib
from pathlib import Path

from finery.db import Database
from finery.domain import datasets, files
from finery.domain.context import DomainContext
from finery.domain.runs import attempts

BATCH = 20
IDLE_SECONDS = 5.0


class Cleaner:
    def __init__(self, database: Database, context: DomainContext) -> None:
        self._database = database
        self._context = context

    def work(self) -> float:
        self._database.reserve.fill()
        self._remove_expired_files()
        self._remove_unused_files()
        with self._database.read() as session:
            runs = attempts.list_uncleaned(session, BATCH)
        for number, artifacts in runs:
            hashes = {artifact_id: digest for artifact_id, path in artifacts if (digest := _sha256(path)) is not None}
            with self._database.write() as session:
                attempts.record_cleaned(session, number, hashes)
        return 0.0 if len(runs) == BATCH else IDLE_SECONDS

    # Rows go before files: a crash in between leaves files without a row, which the next start removes.

    def _remove_expired_files(self) -> None:
        with self._database.read() as session:
            if not files.has_expired(session):
                return
        with self._database.write() as session:
            names = files.remove_expired(session)
        files.remove_parts(self._context.home, names)

    def _remove_unused_files(self) -> None:
        with self._database.read() as session:
            if not datasets.has_unused(session):
                return
        with self._database.write() as session:
            names = datasets.remove_unused(session)
        datasets.remove_files(self._context.home, names)


def _sha256(path: Path) -> str | None:
    """Returns the hex digest of a file, or of a folder's sorted `<hash>  <relative path>` lines; None when it is
    gone."""
    try:
        if not path.is_dir():
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        files = sorted(file for file in path.rglob("*") if file.is_file())
    except OSError:
        return None
    lines = [f"{_sha256(file)}  {file.relative_to(path).as_posix()}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
