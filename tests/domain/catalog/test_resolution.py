import dataclasses
import json
from pathlib import Path

import pytest
from sqlalchemy import select, update

from finery.contracts.hub_names import ONE_WORD_NAMES
from finery.contracts.model_table import parse_model_table
from finery.contracts.permissions import LOCAL_ADMINISTRATOR, Principal
from finery.contracts.status import RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.catalog import ModelAmbiguous, ModelNotFound, ModelRefused, ResolvedModel, resolve
from finery.domain.catalog.resolution import warn_of_entry
from finery.domain.context import DomainContext
from finery.domain.errors import ErrorKind
from finery.domain.path_access import hash_output
from finery.models import RunRow
from tests import builders
from tests.domain.principals import ANN, BOB, LEAD


def make_model(folder: Path, run_id: str | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    builders.write_weights(folder / "model.safetensors")
    if run_id is not None:
        (folder / "finery.json").write_text(json.dumps({"run_id": run_id}))
    return folder


def train(
    database: Database, home: Path, actor: Principal, status: RunStatus = RunStatus.SUCCEEDED, **fields: object
) -> str:
    """A run whose model lies in outputs/<id>, and a checkpoint of step 4."""
    new = builders.sft(home, config={"output_dir": f"outputs/{fields.get('id', 'm')}"}, **fields)
    with database.write() as session:
        run = runs.create(session, new, builders.context(home), LOCAL_ADMINISTRATOR)
        builders.hand_over(session, run.id, actor)
        session.execute(update(RunRow).where(RunRow.id == run.id).values(status=status, output_key=None))
    if status is RunStatus.SUCCEEDED:
        make_model(home / str(run.output_dir), run.id)
    make_model(home / "runs" / run.id / "checkpoints" / "checkpoint-4")
    return run.id


def found(database: Database, name: str, context: DomainContext, actor: Principal = LEAD) -> str:
    with database.read() as session:
        return resolve(session, name, context, actor).model


def named(home: Path, **models: object) -> DomainContext:
    return dataclasses.replace(builders.context(home), models=parse_model_table({"models": models}))


class TestAliases:
    def test_stand_for_what_the_administrator_says(self, database: Database, home: Path) -> None:
        context = named(home, **{"gpt-4o-mini": {"model": "finery/tiny-llama", "max_context": 64}})
        with database.read() as session:
            resolved = resolve(session, "gpt-4o-mini", context, ANN)
            plain = resolve(session, "finery/tiny-llama", context, ANN)
        assert (resolved.model, resolved.entry) == ("finery/tiny-llama", context.models["gpt-4o-mini"])
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
        context = builders.context(home)
        output = str(home / "outputs" / run_id)
        for name in ("ft:finery/tiny-llama:finery:house:ab12", "ft:other:finery::ftjob-ab12"):
            assert found(database, name, context, ANN) == output

    def test_a_checkpoint_also_while_it_trains(self, database: Database, home: Path) -> None:
        run_id = train(database, home, ANN, RunStatus.RUNNING, id="ab13")
        context = builders.context(home)
        folder = home / "runs" / run_id / "checkpoints" / "checkpoint-4"
        assert found(database, "ft:m:finery:s:ab13:ckpt-step-4", context, ANN) == str(folder)
        with pytest.raises(ModelNotFound, match="no checkpoint of step 5"):
            found(database, "ft:m:finery:s:ab13:ckpt-step-5", context, ANN)
        with pytest.raises(ModelNotFound, match="is running; only a succeeded run"):
            found(database, "ft:m:finery:s:ab13", context, ANN)

    @pytest.mark.parametrize("name", ["ft:m:finery:s:ab14", "ft:m:finery:s:ab14:ckpt-step-4", "ft:x", "ft:m:finery:s:"])
    def test_anothers_is_not_found(self, database: Database, home: Path, name: str) -> None:
        train(database, home, ANN, id="ab14")
        with pytest.raises(ModelNotFound, match="no fine-tuned model"):
            found(database, name, builders.context(home), BOB)

    def test_one_that_is_shared(self, database: Database, home: Path) -> None:
        train(database, home, ANN, id="ab15", shared=True)
        assert found(database, "ft:m:finery:s:ab15", builders.context(home), BOB) == str(home / "outputs" / "ab15")

    def test_whose_place_another_run_has_taken(self, database: Database, home: Path) -> None:
        run_id = train(database, home, ANN, id="ab16")
        (home / "outputs" / run_id / "finery.json").write_text('{"run_id": "later"}')
        for name in ("ft:m:finery:s:ab16", run_id):
            with pytest.raises(ModelNotFound, match="run 'later' has put its own"):
                found(database, name, builders.context(home), ANN)

    def test_a_checkpoint_in_pickles(self, database: Database, home: Path) -> None:
        run_id = train(database, home, ANN)
        folder = home / "runs" / run_id / "checkpoints" / "checkpoint-4"
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        with pytest.raises(ModelRefused, match="pickled"):
            found(database, f"ft:m:finery:s:{run_id}:ckpt-step-4", builders.context(home), ANN)


class TestOneMeaning:
    """A run's id, then a path that says so, then the hub; what could be two things is refused and both are named."""

    @pytest.mark.parametrize("actor", [ANN, BOB, LEAD], ids=lambda actor: actor.name)
    @pytest.mark.parametrize("shared", [True, False])
    def test_a_runs_output_takes_no_name_from_the_hub(
        self, database: Database, home: Path, actor: Principal, shared: bool
    ) -> None:
        """As left by a version that let outputs lie anywhere in the home."""
        set_output(database, home, train(database, home, ANN, shared=shared), "meta-llama/Llama-3.2-1B")
        context = builders.context(home)
        assert found(database, "meta-llama/Llama-3.2-3B", context, actor) == "meta-llama/Llama-3.2-3B"
        if actor is BOB and not shared:
            assert found(database, "meta-llama/Llama-3.2-1B", context, actor) == "meta-llama/Llama-3.2-1B"
            return
        with pytest.raises(ModelAmbiguous, match="could be several") as refused:
            found(database, "meta-llama/Llama-3.2-1B", context, actor)
        told = str(refused.value)
        assert "'./meta-llama/Llama-3.2-1B' for the folder" in told
        assert "'hf://meta-llama/Llama-3.2-1B' for the hub's" in told
        assert found(database, "hf://meta-llama/Llama-3.2-1B", context, actor) == "meta-llama/Llama-3.2-1B"
        assert found(database, "./meta-llama/Llama-3.2-1B", context, actor) == str(home / "meta-llama/Llama-3.2-1B")

    @pytest.mark.parametrize("actor", [ANN, LEAD], ids=lambda actor: actor.name)
    def test_a_folder_named_as_a_run(self, database: Database, home: Path, actor: Principal) -> None:
        run_id = train(database, home, ANN)
        assert found(database, run_id, builders.context(home), actor) == str(home / "outputs" / "m")
        make_model(home / run_id)
        with pytest.raises(ModelAmbiguous, match=f"'outputs/m' for the run's model, './{run_id}' for the folder"):
            found(database, run_id, builders.context(home), actor)

    def test_a_path_that_says_so(self, database: Database, home: Path) -> None:
        folder = make_model(home / "teams" / "base")
        context = builders.context(home)
        for name in ("./teams/base", "./teams/../teams/base/", str(folder), "outputs/../teams/base"):
            assert found(database, name, context) == str(folder)
        make_model(home / "teams" / "a" / "b")
        assert found(database, "teams/a/b", context) == str(home / "teams/a/b"), "no hub's id has two slashes"
        with pytest.raises(ModelRefused, match=r"write './teams'"):
            found(database, "teams", context)

    def test_a_field_for_paths(self, database: Database, home: Path) -> None:
        context = builders.context(home)
        make_model(home / "teams" / "base")
        make_model(home / "gpt2")
        with database.read() as session:
            for name in ("teams/base", "gpt2"):
                assert resolve(session, name, context, ANN, is_path=True).model == str(home / name)
            assert resolve(session, "teams/other", context, ANN, is_path=True).model == "teams/other"
            for name in ("teams/base", "gpt2"):
                with pytest.raises(ModelAmbiguous, match=f"'./{name}' for the folder"):
                    resolve(session, name, context, ANN)

    def test_old_names_of_the_hub(self, database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_HUB_CACHE", str(home / "hub"))
        context = builders.context(home)
        assert found(database, "gpt2", context) == "openai-community/gpt2"
        cache_model(home / "hub", "gpt2")
        assert found(database, "gpt2", context) == "gpt2", "what is in the cache needs no hub"
        cache_model(home / "hub", "openai-community/gpt2")
        assert found(database, "gpt2", context) == "openai-community/gpt2"

    @pytest.mark.parametrize(
        ("name", "says"),
        [("gpt3", "did you mean 'gpt2'"), ("ftjob-12", "no finished run"), ("deadbeef", "no model is called")],
    )
    def test_any_other_word(self, database: Database, home: Path, name: str, says: str) -> None:
        with pytest.raises(ModelNotFound, match=says) as refused:
            found(database, name, builders.context(home))
        assert refused.value.kind is ErrorKind.NOT_FOUND

    @pytest.mark.parametrize("name", ["nobody/none", "gpt2", "hf://nobody/none"])
    def test_nobodys_where_no_hub_is_asked(
        self, database: Database, home: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HUB_CACHE", str(home / "hub"))
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(ModelNotFound, match="HF_HUB_OFFLINE") as refused:
            found(database, name, builders.context(home))
        assert refused.value.kind is ErrorKind.NOT_FOUND
        cache_model(home / "hub", ONE_WORD_NAMES.get(name, "nobody/none"))
        assert "/" in found(database, name, builders.context(home))

    @pytest.mark.parametrize("name", ["hf://", "hf://a/b/c", "hf:///etc", "hf://../x", "hf://one"])
    def test_no_hubs_id(self, database: Database, home: Path, name: str) -> None:
        with pytest.raises(ModelNotFound, match="organization/name"):
            found(database, name, builders.context(home))

    @pytest.mark.parametrize("name", ["gpt2\n", " gpt2", "a/b\u202e", "finery/tiny-llama\u200b", "./m\t", "\u2066m"])
    def test_what_is_not_seen(self, database: Database, home: Path, name: str) -> None:
        with pytest.raises(ModelRefused, match=r"leave (it|that) out"):
            found(database, name, builders.context(home))


def set_output(database: Database, home: Path, run_id: str, name: str) -> None:
    """The run's model lies there instead."""
    with database.write() as session:
        row = session.scalars(select(RunRow).where(RunRow.id == run_id)).one()
        folder = home / name
        folder.parent.mkdir(parents=True)
        (row.spec.output_dir or Path()).rename(folder)
        row.output_dir, row.output_hash = name, hash_output(name)
        row.spec = row.spec.model_copy(update={"output_dir": folder})


def cache_model(cache: Path, hub_id: str) -> None:
    """As the hub's client leaves it."""
    folder = cache / f"models--{hub_id.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0a1b")
    make_model(folder / "snapshots" / "0a1b")
