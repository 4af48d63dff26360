"""What others' runs and deployments have on disk, named as a model, as data, as a folder to work in."""

from pathlib import Path

import pytest
from sqlalchemy import update

from finery.contracts.deployment import NewDeployment
from finery.contracts.permissions import LOCAL_ADMINISTRATOR, Principal
from finery.contracts.run import RunChanges
from finery.contracts.status import Reason, RunStatus
from finery.db import Database
from finery.domain import catalog, deployments, runs
from finery.domain.errors import DomainError
from finery.domain.path_access import is_hidden
from finery.domain.runs import attempts, claims
from finery.models import RunRow
from tests import builders
from tests.domain.principals import ANN, BOB, LEAD

ROW = '{"prompt": "a", "completion": "b"}\n'
BAD_ROW = '{"secret": "of ann"}\n'


def write_model(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    builders.write_weights(folder / "model.safetensors")


@pytest.fixture
def anns(database: Database, home: Path) -> str:
    """Ann's run `anns` has succeeded, with a model in `outputs/anns` and an earlier one in its run directory."""
    with database.write() as session:
        runs.create(session, builders.sft(home, id="anns"), builders.context(home), LOCAL_ADMINISTRATOR)
        builders.hand_over(session, "anns", ANN)
        claim = claims.claim_next(session, builders.machine(), executor="local", max_passed=1)
        assert claim is not None
        attempts.finish(session, claim.ref, reason=Reason.COMPLETED, message=None, ending=None, max_lost=0)
    for folder in ("outputs/anns", "outputs/anns/merged", "runs/anns/checkpoints/checkpoint-1"):
        write_model(home / folder)
    return "anns"


def set_shared(database: Database, shared: bool) -> None:
    with database.write() as session:
        runs.change(session, "anns", RunChanges(shared=shared), ANN)


def resolve(database: Database, home: Path, name: str, actor: Principal) -> str:
    with database.read() as session:
        return catalog.resolve(session, name, builders.context(home), actor).model


def refusal(database: Database, home: Path, actor: Principal, **config: object) -> str:
    with pytest.raises(DomainError) as caught, database.write() as session:
        runs.create(session, builders.sft(home, config=config), builders.context(home), actor)
    return f"{type(caught.value).__name__} {caught.value} {caught.value.issues}"


class TestModels:
    NAMES = (
        "outputs/anns",
        "outputs/anns/merged",
        "outputs/x/../anns",
        "outputs/anns/config.json",
        "runs/anns/checkpoints/checkpoint-1",
        "runs/anns",
    )

    @pytest.mark.parametrize("name", NAMES)
    def test_anothers_is_not_found(self, database: Database, home: Path, anns: str, name: str) -> None:
        there = self.error(database, home, name)
        nowhere = self.error(database, home, name.replace("anns", "none"))
        assert there == nowhere.replace("none", "anns")

    @pytest.mark.parametrize("actor", [ANN, LEAD, LOCAL_ADMINISTRATOR], ids=lambda actor: actor.name)
    @pytest.mark.parametrize("name", ["outputs/anns/merged", "runs/anns/checkpoints/checkpoint-1", "anns"])
    def test_of_theirs(self, database: Database, home: Path, anns: str, name: str, actor: Principal) -> None:
        assert Path(resolve(database, home, name, actor)).is_dir()

    def test_shared(self, database: Database, home: Path, anns: str) -> None:
        assert "no model is called" in self.error(database, home, "anns")
        set_shared(database, True)
        assert resolve(database, home, "anns", BOB) == str(home / "outputs" / "anns")
        assert resolve(database, home, "outputs/anns", BOB) == str(home / "outputs" / "anns")

    def test_a_link_does_not_help(self, database: Database, home: Path, anns: str) -> None:
        (home / "link").symlink_to(home / "outputs" / "anns")
        assert "there is no folder" in self.error(database, home, "./link")

    def test_a_folder_that_no_run_has_is_everybodys(self, database: Database, home: Path, anns: str) -> None:
        write_model(home / "shared" / "base")
        assert resolve(database, home, "./shared/base", BOB) == str(home / "shared" / "base")

    def test_the_innermost_folder_decides(self, database: Database, home: Path, anns: str) -> None:
        new = builders.command(id="inner", output_dir="outputs/anns/inner", shared=True)
        (home / "outputs" / "anns" / "finery.json").write_text('{"run_id": "anns"}')
        with database.write() as session:
            runs.create(session, new, builders.context(home), ANN)
        write_model(home / "outputs" / "anns" / "inner")
        assert resolve(database, home, "outputs/anns/inner", BOB) == str(home / "outputs" / "anns" / "inner")

    def test_a_folder_into_which_a_hidden_run_writes_is_hidden(self, database: Database, home: Path, anns: str) -> None:
        set_shared(database, True)
        (home / "outputs" / "anns" / "finery.json").write_text("{}")
        with database.write() as session:
            runs.create(session, builders.command(output_dir="outputs/anns"), builders.context(home), LEAD)
        assert "there is no folder" in self.error(database, home, "outputs/anns")
        assert "is there no more" in self.error(database, home, "anns")

    @pytest.mark.parametrize("name", ["outputs/anns", "outputs/anns/merged", "runs/anns", "anns"])
    def test_nobodys_is_for_those_who_see_all(self, database: Database, home: Path, anns: str, name: str) -> None:
        with database.write() as session:
            session.execute(update(RunRow).values(owner_id=None))
        for actor in (ANN, BOB):
            with database.read() as session:
                assert is_hidden(session, home / "outputs" / "anns", actor, builders.context(home))
        if "/" in name:
            assert self.error(database, home, name).startswith("ModelNotFound")
        if name.startswith("outputs"):
            assert resolve(database, home, name, LEAD) == str(home / name)
            assert refusal(database, home, BOB, output_dir=name).startswith("OutputTaken")

    @staticmethod
    def error(database: Database, home: Path, name: str) -> str:
        with pytest.raises(DomainError) as caught:
            resolve(database, home, name, BOB)
        return f"{type(caught.value).__name__} {caught.value}"


class TestListModels:
    def test_each_sees_theirs_and_what_is_shared(self, database: Database, home: Path, anns: str) -> None:
        assert self.outputs(database, home, ANN) == self.outputs(database, home, LEAD) == ["outputs/anns"]
        assert self.outputs(database, home, BOB) == []
        set_shared(database, True)
        assert self.outputs(database, home, BOB) == ["outputs/anns"]

    def test_not_what_a_hidden_run_replaces(self, database: Database, home: Path, anns: str) -> None:
        (home / "outputs" / "anns" / "finery.json").write_text("{}")
        with database.write() as session:
            runs.create(session, builders.command(output_dir="outputs/anns"), builders.context(home), LEAD)
        assert self.outputs(database, home, ANN) == []

    @staticmethod
    def outputs(database: Database, home: Path, actor: Principal) -> list[str]:
        with database.read() as session:
            found = catalog.list_models(session, builders.context(home), actor)
        return [model.name for model in found if model.kind == "output"]


class TestData:
    @pytest.mark.parametrize("text", [ROW, BAD_ROW, ""], ids=["good", "bad", "empty"])
    @pytest.mark.parametrize("field", ["dataset_path", "eval_dataset_path"])
    @pytest.mark.parametrize("folder", ["runs/anns", "outputs/anns"])
    def test_anothers_is_not_found(
        self, database: Database, home: Path, anns: str, folder: str, field: str, text: str
    ) -> None:
        (home / folder / "rows.jsonl").write_text(text)
        there = refusal(database, home, BOB, **{field: f"{folder}/rows.jsonl"})
        assert there == refusal(database, home, BOB, **{field: f"{folder}/none.jsonl"}).replace("none.", "rows.")

    def test_the_first_that_is_hidden_is_told_first(self, database: Database, home: Path, anns: str) -> None:
        (home / "runs" / "anns" / "rows.jsonl").write_text(ROW)
        (home / "bad.jsonl").write_text(BAD_ROW)
        paths = {"dataset_path": "runs/anns/rows.jsonl", "eval_dataset_path": "bad.jsonl"}
        assert "there is no file" in refusal(database, home, BOB, **paths)

    def test_an_entry_does_not_lead_to_it(self, database: Database, home: Path, anns: str) -> None:
        (home / "outputs" / "anns" / "rows.jsonl").write_text(ROW)
        info = '{"all": {"file_name": "anns/rows.jsonl", "columns": {"prompt": "prompt", "response": "completion"}}}'
        (home / "outputs" / "dataset_info.json").write_text(info)
        assert "there is no file" in refusal(database, home, BOB, dataset_path="outputs")

    def test_a_log(self, database: Database, home: Path, anns: str) -> None:
        logs = home / "outputs" / "training_logs"
        logs.mkdir(exist_ok=True)
        (logs / "job_anns.log").write_text("said by ann's run\n")
        there = refusal(database, home, BOB, dataset_path="outputs/training_logs/job_anns.log")
        nowhere = refusal(database, home, BOB, dataset_path="outputs/training_logs/job_none.log")
        assert there == nowhere.replace("none", "anns")
        assert "there is no file" not in refusal(database, home, ANN, dataset_path="outputs/training_logs/job_anns.log")

    def test_of_theirs(self, database: Database, home: Path, anns: str) -> None:
        (home / "runs" / "anns" / "rows.jsonl").write_text(ROW)
        for actor in (ANN, LEAD):
            with database.write() as session:
                new = builders.sft(home, config={"dataset_path": "runs/anns/rows.jsonl"})
                assert runs.create(session, new, builders.context(home), actor).status is RunStatus.QUEUED


class TestDeployments:
    @pytest.mark.parametrize("path", ["deploy_logs/{}.log", "deployments/{}/attempts"])
    def test_anothers_files(self, database: Database, home: Path, path: str) -> None:
        new = NewDeployment(model_name="finery/tiny-llama")
        with database.write() as session:
            anns = deployments.create(session, new, builders.context(home), ANN).id
        file = home / path.format(anns)
        file.parent.mkdir(parents=True)
        file.write_text("x\n")
        hidden = refusal(database, home, BOB, dataset_path=path.format(anns))
        assert hidden == refusal(database, home, BOB, dataset_path=path.format("none")).replace("none", anns)
        assert "there is no file" not in refusal(database, home, ANN, dataset_path=path.format(anns))


class TestWorkingDirectory:
    def test_anothers_is_no_folder(self, database: Database, home: Path, anns: str) -> None:
        new = builders.command().model_copy(update={"config": {"argv": ["ls"], "working_directory": "runs/anns"}})
        with pytest.raises(DomainError, match="is no folder"), database.write() as session:
            runs.create(session, new, builders.context(home), BOB)
        with database.write() as session:
            runs.create(session, new, builders.context(home), ANN)
