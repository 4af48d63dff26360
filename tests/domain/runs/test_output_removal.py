import json
from pathlib import Path

import pytest

from finery.contracts.events import NoticeData
from finery.contracts.layout import HomeDirectory
from finery.contracts.permissions import LOCAL_ADMINISTRATOR, Principal
from finery.contracts.status import Reason
from finery.db import Database
from finery.domain import runs
from finery.domain.runs import attempts, claims
from finery.domain.runs.errors import ModelInUse
from finery.domain.runs.output_removal import (
    ForgottenOutput,
    finish_removal,
    forget_output,
    remove_files,
    remove_forgotten,
)
from finery.kit.clock import utc_now
from finery.models import ArtifactRow, RunRow
from tests import builders
from tests.domain.principals import ANN, LEAD


def finished(database: Database, home: Path, run_id: str, actor: Principal, output: str = "outputs/x") -> None:
    """A run that has put its model there."""
    with database.write() as session:
        new = builders.sft(home, id=run_id, config={"output_dir": output})
        runs.create(session, new, builders.context(home), LOCAL_ADMINISTRATOR)
        builders.hand_over(session, run_id, actor)
        claim = claims.claim_next(session, builders.machine(), executor="local", max_passed=1)
        assert claim is not None
        folder = home / output
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "finery.json").write_text(json.dumps({"run_id": run_id}))
        attempts.finish(session, claim.ref, reason=Reason.COMPLETED, message=None, ending=None, max_lost=0)
    (checkpoints(home, run_id) / "checkpoint-5").mkdir(parents=True)


def checkpoints(home: Path, run_id: str) -> Path:
    return HomeDirectory(home).run(run_id).checkpoints


def forget(database: Database, run_id: str, actor: Principal, home: Path) -> ForgottenOutput | None:
    with database.write() as session:
        return forget_output(session, run_id, actor, HomeDirectory(home))


class TestForgetOutput:
    def test_its_folder_is_to_go(self, database: Database, home: Path) -> None:
        finished(database, home, "r", ANN)
        assert forget(database, "r", ANN, home) == ForgottenOutput("r", home / "outputs" / "x", checkpoints(home, "r"))
        assert forget(database, "r", ANN, home) is None

    @pytest.mark.parametrize("other", [ANN, LEAD], ids=lambda actor: actor.name)
    def test_what_another_run_has_put_there_stays(self, database: Database, home: Path, other: Principal) -> None:
        finished(database, home, "first", ANN)
        finished(database, home, "second", other)
        assert forget(database, "first", ANN, home) is None
        with database.read() as session:
            assert runs.get(session, "first", ANN).output_dir is None
            assert runs.get(session, "second", other).output_dir == "outputs/x"

    @pytest.mark.parametrize("marker", [None, "{}", "[", '{"run_id": "other"}'])
    def test_what_it_never_wrote_stays(self, database: Database, home: Path, marker: str | None) -> None:
        finished(database, home, "r", ANN)
        path = home / "outputs" / "x" / "finery.json"
        path.unlink() if marker is None else path.write_text(marker)
        assert forget(database, "r", ANN, home) is None
        sweep(database, home)
        assert path.parent.is_dir()

    @pytest.mark.parametrize("needed", ["output", "checkpoint"])
    @pytest.mark.parametrize("use", ["model", "judge"])
    def test_what_an_unfinished_run_needs_stays(self, database: Database, home: Path, needed: str, use: str) -> None:
        finished(database, home, "r", ANN)
        with database.write() as session:
            runs.create(session, builders.sft(home, id="later"), builders.context(home), ANN)
            row = session.query(RunRow).filter_by(client_id="later").one()
            path = str(home / "outputs" / "x" if needed == "output" else checkpoints(home, "r") / "checkpoint-5")
            field = "model_name" if use == "model" else "grader.model"
            row.spec = row.spec.model_copy(update={"models": {**row.spec.models, field: path}})
        with pytest.raises(ModelInUse, match="later"):
            forget(database, "r", ANN, home)
        assert checkpoints(home, "r").is_dir()

    @pytest.mark.parametrize("base", ["output", "checkpoint"])
    def test_what_an_adapter_was_trained_on_stays(self, database: Database, home: Path, base: str) -> None:
        finished(database, home, "r", ANN)
        path = home / "outputs" / "x" if base == "output" else checkpoints(home, "r") / "checkpoint-5"
        finished(database, home, "adapter", ANN, "outputs/a")
        (home / "outputs" / "a" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(path)}))
        with database.write() as session:
            row = session.query(RunRow).filter_by(id="adapter").one()
            row.spec = row.spec.model_copy(update={"models": {"model_name": str(path)}})
        with pytest.raises(ModelInUse, match="by the adapter of run 'adapter'"):
            forget(database, "r", ANN, home)
        if base == "checkpoint":
            with pytest.raises(ModelInUse, match="by the adapter of run 'adapter'"), database.write() as session:
                runs.delete(session, "r", builders.context(home), ANN)
        forget(database, "adapter", ANN, home)
        assert forget(database, "r", ANN, home) is not None

    def test_what_lies_in_it_and_is_anothers_keeps_it(self, database: Database, home: Path) -> None:
        finished(database, home, "outer", ANN)
        finished(database, home, "inner", LEAD, "outputs/x/y")
        with pytest.raises(ModelInUse, match="inner"):
            forget(database, "outer", ANN, home)
        assert forget(database, "inner", LEAD, home) is not None

    def test_its_artifacts_go_with_it(self, database: Database, home: Path) -> None:
        finished(database, home, "r", ANN)
        with database.write() as session:
            number = session.query(RunRow.number).scalar()
            for path in ("outputs/x", "outputs/x/model.safetensors", "outputs/xy"):
                row = ArtifactRow(
                    run_number=number, name=path, type="model", path=str(home / path), size_bytes=1, tags=[],
                    created_at=utc_now(),
                )  # fmt: skip
                session.add(row)
        forget(database, "r", ANN, home)
        with database.read() as session:
            assert [one.name for one in runs.list_artifacts(session, "r", ANN)] == ["outputs/xy"]


class TestTellReplaced:
    def test_the_earlier_run_says_where_its_model_went(self, database: Database, home: Path) -> None:
        for run_id in ("first", "second", "third"):
            finished(database, home, run_id, ANN)
        assert [codes(database, run_id) for run_id in ("first", "second", "third")] == [
            [("model_replaced", "second")],
            [("output_replaced", "first"), ("model_replaced", "third")],
            [("output_replaced", "second")],
        ]


def codes(database: Database, run_id: str) -> list[tuple[str, str]]:
    """Of the notices, each with the run that it names."""
    with database.read() as session:
        found = [event.data for event in runs.list_events(session, run_id, ANN)]
    return [(data.code, data.message.split("'")[1]) for data in found if isinstance(data, NoticeData)]


class TestRemoveForgotten:
    """A server that ends between the forgetting and the removing leaves it to the next."""

    def test_what_is_left_goes(self, database: Database, home: Path) -> None:
        finished(database, home, "r", ANN)
        forget(database, "r", ANN, home)
        sweep(database, home)
        assert not (home / "outputs" / "x").exists()
        assert not checkpoints(home, "r").exists()

    def test_also_where_a_part_has_gone(self, database: Database, home: Path) -> None:
        finished(database, home, "r", ANN)
        forget(database, "r", ANN, home)
        (home / "outputs" / "x" / "finery.json").unlink()
        (home / "outputs" / "x").rename(home / "outputs" / ".r.gone")
        sweep(database, home)
        assert list((home / "outputs").iterdir()) == []

    def test_what_another_run_has_put_there_since_stays(self, database: Database, home: Path) -> None:
        finished(database, home, "first", ANN)
        forget(database, "first", ANN, home)
        finished(database, home, "second", ANN)
        sweep(database, home)
        assert (home / "outputs" / "x").is_dir()

    def test_what_somebody_puts_there_later_stays(self, database: Database, home: Path) -> None:
        finished(database, home, "r", ANN)
        forgotten = forget(database, "r", ANN, home)
        assert forgotten is not None
        remove_files(forgotten)
        assert not checkpoints(home, "r").exists()
        with database.write() as session:
            finish_removal(session, forgotten)
        (home / "outputs" / "x").mkdir()
        sweep(database, home)
        assert (home / "outputs" / "x").is_dir()

    def test_models_that_nobody_gave_up_stay(self, database: Database, home: Path) -> None:
        finished(database, home, "r", ANN)
        sweep(database, home)
        assert (home / "outputs" / "x").is_dir()


def sweep(database: Database, home: Path) -> None:
    with database.write() as session:
        remove_forgotten(session, HomeDirectory(home))
