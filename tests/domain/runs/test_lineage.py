import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.layout import OUTPUT_MARKER
from finery.contracts.lineage import Relation, RunLineage
from finery.contracts.permissions import LOCAL_ADMINISTRATOR, Principal
from finery.contracts.status import RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.runs.errors import RunNotFound
from finery.domain.runs.lineage import lineage
from finery.models import RunRow
from tests import builders
from tests.domain.catalog.test_resolution import train
from tests.domain.datasets import stored
from tests.domain.principals import ANN, BOB


def of(database: Database, home: Path, run_id: str, actor: Principal = ANN) -> RunLineage:
    with database.read() as session:
        return lineage(session, run_id, actor, builders.context(home))


def accept(database: Database, home: Path, actor: Principal = ANN, **config: Any) -> str:
    with database.write() as session:
        new = builders.sft(home, config={"output_dir": f"outputs/{secrets.token_hex(4)}", **config})
        run = runs.create(session, new, builders.context(home), LOCAL_ADMINISTRATOR)
        builders.hand_over(session, run.id, actor)
    return run.id


class TestLineage:
    def test_from_data_and_a_base(self, database: Database, home: Path) -> None:
        data = stored.create(database, home, name="tickets")
        found = of(database, home, accept(database, home, dataset_path="dataset:tickets@1"))
        [read] = found.datasets
        assert (read.config_field, read.dataset_id, read.dataset_name, read.version) == (
            "dataset_path", data.id, "tickets", 1,
        )  # fmt: skip
        assert [(model.model, model.made_by) for model in found.models] == [("finery/tiny-llama", None)]
        assert (found.resumed_from, found.descendants) == (None, [])

    def test_a_file_is_named_as_the_run_does(self, database: Database, home: Path) -> None:
        [read] = of(database, home, accept(database, home)).datasets
        assert (read.reference, read.dataset_id, read.version) == ("rows.jsonl", None, None)

    @pytest.mark.parametrize("model", ["outputs/first", "runs/first/checkpoints/checkpoint-4"])
    def test_both_ways_between_a_run_and_what_goes_on_from_its_model(
        self, database: Database, home: Path, model: str
    ) -> None:
        first = train(database, home, ANN, id="first", name="base")
        second = accept(database, home, model_name=model)
        [begun] = of(database, home, second).models
        assert begun.made_by is not None
        assert (begun.model, begun.made_by.run_id, begun.made_by.run_name) == (model, first, "base")
        [child] = of(database, home, first).descendants if model == "outputs/first" else [None]
        assert child is None or (child.run.run_id, child.relation) == (second, Relation.MODEL)

    def test_a_run_that_writes_to_the_same_folder_does_not_go_on_from_it(self, database: Database, home: Path) -> None:
        first = train(database, home, ANN, id="first")
        accept(database, home, output_dir="outputs/first")
        assert of(database, home, first).descendants == []

    def test_what_replaced_the_model_did_not_make_it(self, database: Database, home: Path) -> None:
        train(database, home, ANN, id="first")
        second = accept(database, home, model_name="outputs/first")
        later = accept(database, home)
        (home / "outputs" / "first" / OUTPUT_MARKER).write_text(json.dumps({"run_id": later}))
        assert of(database, home, second).models[0].made_by is None

    def test_resumed(self, database: Database, home: Path) -> None:
        first = train(database, home, ANN, RunStatus.FAILED, id="first")
        second = accept(database, home)
        with database.write() as session:
            session.query(RunRow).filter(RunRow.id == second).update({"resumed_from": first})
        before = of(database, home, second).resumed_from
        assert before is not None
        assert before.run_id == first
        [after] = of(database, home, first).descendants
        assert (after.run.run_id, after.relation) == (second, Relation.RESUMED)


class TestOwnership:
    def test_anothers_run_is_as_none(self, database: Database, home: Path) -> None:
        first = train(database, home, ANN, id="first")
        with pytest.raises(RunNotFound):
            of(database, home, first, BOB)

    def test_what_one_may_not_see_is_left_out_on_both_sides(self, database: Database, home: Path) -> None:
        stored.create(database, home, name="hidden")
        first = train(database, home, ANN, id="first")
        second = accept(database, home, BOB, model_name="outputs/first", dataset_path="dataset:hidden@1")
        found = of(database, home, second, BOB)
        assert found.models[0].made_by is None
        assert found.datasets[0].dataset_name is None
        assert of(database, home, first, ANN).descendants == []
