from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest

from finery.contracts.run import Run
from finery.db import Database
from finery.domain import datasets, files, runs
from finery.domain.datasets import ResolvedDataset
from finery.domain.datasets.errors import ReferenceGone
from finery.domain.files.errors import FileInUse
from tests import builders
from tests.domain.files import parted
from tests.domain.principals import ANN


def resolve(database: Database, home: Path, file_id: str) -> ResolvedDataset:
    with database.write() as session:
        resolved = files.resolve_file(session, file_id, ANN, builders.context(home), field="dataset_path")
    assert resolved is not None
    return resolved


def submit(database: Database, home: Path) -> Run:
    with database.write() as session:
        return runs.create(session, builders.sft(home), builders.context(home), ANN)


class TestPinnedFile:
    def test_deleted_while_the_request_was_looked_at(self, database: Database, home: Path) -> None:
        """Although its content is still there: as another file's, too."""
        file = parted.file(database, home)
        parted.file(database, home)
        resolved = resolve(database, home, file.id)
        run = submit(database, home)
        with database.write() as session:
            files.delete(session, file.id, ANN)
        with database.write() as session, pytest.raises(ReferenceGone, match=file.id) as refused:
            datasets.pin(session, run.number, resolved, reference=file.id, field="eval_dataset_path")
        assert refused.value.issues[0].field == "eval_dataset_path"

    @pytest.mark.every_database
    def test_a_deletion_waits_for_the_request_and_is_refused(self, database: Database, home: Path) -> None:
        file = parted.file(database, home)

        def delete() -> None:
            with database.write() as session:
                files.delete(session, file.id, ANN)

        with ThreadPoolExecutor(1) as pool:
            with database.write() as session:
                run = runs.create(
                    session, builders.sft(home, config={"dataset_path": file.id}), builders.context(home), ANN
                )
                deletion = pool.submit(delete)
                sleep(0.3)
                assert not deletion.done()
            with pytest.raises(FileInUse, match=run.id):
                deletion.result()
