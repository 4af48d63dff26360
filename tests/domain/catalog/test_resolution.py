import dataclasses
import json
from pathlib import Path

import pytest
from sqlalchemy import update

from finery.contracts.model_table import parse_model_table
from finery.contracts.permissions import Principal
from finery.contracts.status import RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.catalog import ModelNotFound, ModelRefused, ResolvedModel, resolve, resolve_model
from finery.domain.catalog.resolution import warn_of_entry
from finery.domain.ground import Ground
from finery.models import RunRow
from tests import builders
from tests.domain.principals import ANN, BOB, LEAD


def make_model(folder: Path, run_id: str | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    if run_id is not None:
        (folder / "finery.json").write_text(json.dumps({"run_id": run_id}))
    return folder


def train(
    database: Database, home: Path, who: Principal, status: RunStatus = RunStatus.SUCCEEDED, **fields: object
) -> str:
    """A run whose model lies in outputs/<id>, and a checkpoint of step 4."""
    new = builders.sft(home, config={"output_dir": f"outputs/{fields.get('id', 'm')}"}, **fields)
    with database.write() as session:
        run = runs.create(session, new, builders.ground(home), who)
        session.execute(update(RunRow).where(RunRow.id == run.id).values(status=status))
    if status is RunStatus.SUCCEEDED:
        make_model(home / str(run.output_dir), run.id)
    make_model(home / "runs" / run.id / "checkpoints" / "checkpoint-4")
    return run.id


def found(database: Database, name: str, ground: Ground, who: Principal = LEAD) -> str:
    with database.read() as session:
        return resolve_model(session, name, ground, who)


def named(home: Path, **models: object) -> Ground:
    return dataclasses.replace(builders.ground(home), models=parse_model_table({"models": models}))


class TestAliases:
    def test_stand_for_what_the_administrator_says(self, database: Database, home: Path) -> None:
        ground = named(home, **{"gpt-4o-mini": {"model": "finery/tiny-llama", "max_context": 64}})
        with database.read() as session:
            resolved = resolve(session, "gpt-4o-mini", ground, ANN)
            plain = resolve(session, "finery/tiny-llama", ground, ANN)
        assert (resolved.model, resolved.entry) == ("finery/tiny-llama", ground.models["gpt-4o-mini"])
        assert plain == ResolvedModel("finery/tiny-llama")

    def test_go_before_hub_ids_and_folders(self, database: Database, home: Path) -> None:
        make_model(home / "chat")
        assert found(database, "chat", named(home, chat="finery/tiny-qwen")) == "finery/tiny-qwen"

    def test_of_a_private_run_are_everybodys(self, database: Database, home: Path) -> None:
        run_id = train(database, home, ANN)
        assert found(database, "house", named(home, house=run_id), BOB) == str(home / "outputs" / "m")

    def test_of_what_is_not_there(self, database: Database, home: Path, caplog: pytest.LogCaptureFixture) -> None:
        """The user hears of the name that they sent, the administrator's log of what stands behind it."""
        warn_of_entry.cache_clear()
        with pytest.raises(ModelNotFound, match="for 'house' is not here") as refused:
            found(database, "house", named(home, house="finery/tiny-lama"))
        assert "tiny-lama" not in str(refused.value)
        assert "models.yaml: house: there is no built-in model 'finery/tiny-lama'" in caplog.text


class TestFineTunedNames:
    def test_the_finished_model(self, database: Database, home: Path) -> None:
        run_id = train(database, home, ANN, id="ftjob-ab12")
        ground = builders.ground(home)
        output = str(home / "outputs" / run_id)
        for name in ("ft:finery/tiny-llama:finery:house:ab12", "ft:other:finery::ftjob-ab12"):
            assert found(database, name, ground, ANN) == output

    def test_a_checkpoint_also_while_it_trains(self, database: Database, home: Path) -> None:
        run_id = train(database, home, ANN, RunStatus.RUNNING, id="ab13")
        ground = builders.ground(home)
        folder = home / "runs" / run_id / "checkpoints" / "checkpoint-4"
        assert found(database, "ft:m:finery:s:ab13:ckpt-step-4", ground, ANN) == str(folder)
        with pytest.raises(ModelNotFound, match="no checkpoint of step 5"):
            found(database, "ft:m:finery:s:ab13:ckpt-step-5", ground, ANN)
        with pytest.raises(ModelNotFound, match="is running; only a succeeded run"):
            found(database, "ft:m:finery:s:ab13", ground, ANN)

    @pytest.mark.parametrize("name", ["ft:m:finery:s:ab14", "ft:m:finery:s:ab14:ckpt-step-4", "ft:x", "ft:m:finery:s:"])
    def test_anothers_is_not_found(self, database: Database, home: Path, name: str) -> None:
        train(database, home, ANN, id="ab14")
        with pytest.raises(ModelNotFound, match="no fine-tuned model"):
            found(database, name, builders.ground(home), BOB)

    def test_one_that_is_shared(self, database: Database, home: Path) -> None:
        train(database, home, ANN, id="ab15", shared=True)
        assert found(database, "ft:m:finery:s:ab15", builders.ground(home), BOB) == str(home / "outputs" / "ab15")

    def test_whose_place_another_run_has_taken(self, database: Database, home: Path) -> None:
        run_id = train(database, home, ANN, id="ab16")
        (home / "outputs" / run_id / "finery.json").write_text('{"run_id": "later"}')
        for name in ("ft:m:finery:s:ab16", run_id):
            with pytest.raises(ModelNotFound, match="run 'later' has put its own"):
                found(database, name, builders.ground(home), ANN)

    def test_a_checkpoint_in_pickles(self, database: Database, home: Path) -> None:
        run_id = train(database, home, ANN)
        folder = home / "runs" / run_id / "checkpoints" / "checkpoint-4"
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        with pytest.raises(ModelRefused, match="pickled"):
            found(database, f"ft:m:finery:s:{run_id}:ckpt-step-4", builders.ground(home), ANN)
