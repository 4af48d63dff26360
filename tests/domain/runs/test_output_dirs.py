"""Where runs may put their models: nobody else's is touched, and nothing that is needed is lost."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from finery.contracts.deployment import NewDeployment
from finery.contracts.events import NoticeData
from finery.contracts.permissions import Principal
from finery.contracts.run import Run
from finery.contracts.status import RunStatus
from finery.db import Database
from finery.domain import deployments, runs
from finery.domain.errors import DomainError
from finery.domain.runs.errors import InvalidRun, OutputTaken
from finery.kit.paths import PathResolver
from finery.models import RunRow
from tests import builders
from tests.domain.catalog.test_resolution import make_model, train
from tests.domain.principals import ANN, BOB, LEAD


def create(
    database: Database,
    home: Path,
    output_dir: str,
    actor: Principal = ANN,
    *,
    root: Path | None = None,
    **config: Any,
) -> Run:
    context = builders.context(home)
    if root is not None:
        context = dataclasses.replace(context, resolver=PathResolver(home, [root]), output_roots=(root,))
    with database.write() as session:
        new = builders.sft(home, config={"output_dir": output_dir, **config})
        return runs.create(session, new, context, actor)


def refusal(database: Database, home: Path, output_dir: str, actor: Principal = ANN, **config: Any) -> tuple[type, str]:
    with pytest.raises(DomainError) as refused:
        create(database, home, output_dir, actor, **config)
    assert [issue.field for issue in refused.value.issues] == ["output_dir"]
    return type(refused.value), str(refused.value)


class TestPlaces:
    @pytest.mark.parametrize(
        "name", ["meta-llama/Llama-3.2-1B", "gpt2", "./x", "data", "link/x", "outputs/../x", "outputs"]
    )
    @pytest.mark.parametrize("actor", [ANN, LEAD], ids=lambda actor: actor.name)
    def test_not_beside_outputs(self, database: Database, home: Path, name: str, actor: Principal) -> None:
        (home / "elsewhere").mkdir()
        (home / "link").symlink_to(home / "elsewhere")
        kind, says = refusal(database, home, name, actor)
        assert kind is InvalidRun
        assert "the server itself uses" in says or "name a folder below outputs/" in says
        assert not any((home / "elsewhere").iterdir())

    @pytest.mark.parametrize("name", ["outputs/x", "./outputs/a/b", "outputs/meta-llama/Llama-3.2-1B"])
    def test_below_outputs(self, database: Database, home: Path, name: str) -> None:
        assert create(database, home, name).output_dir == name.removeprefix("./")

    def test_where_an_administrator_allows(self, database: Database, home: Path, tmp_path: Path) -> None:
        root = tmp_path / "team"
        assert create(database, home, f"{root}/x", root=root).output_dir == f"{root}/x"
        with pytest.raises(InvalidRun, match=f"below outputs/, {root}/"):
            create(database, home, "x", root=root)
        with pytest.raises(InvalidRun, match="no place for outputs"):
            create(database, home, str(root), root=root)

    def test_not_inside_of_a_base(self, database: Database, home: Path, tmp_path: Path) -> None:
        base = make_model(tmp_path / "team" / "base")
        with pytest.raises(OutputTaken, match="lies in the folder of a model"):
            create(database, home, f"{base}/x", root=tmp_path / "team")
        with pytest.raises(OutputTaken, match="holds files"):
            create(database, home, str(base), root=tmp_path / "team")

    @pytest.mark.parametrize("name", ["outputs/a\u202eb", "outputs/a\n", " outputs/a", "outputs/\u200b"])
    def test_no_hidden_characters(self, database: Database, home: Path, name: str) -> None:
        assert "leave" in refusal(database, home, name)[1]


class TestReplacing:
    def test_is_said_beforehand(self, database: Database, home: Path) -> None:
        earlier = train(database, home, ANN)
        run = create(database, home, "outputs/m")
        assert notices(database, run.id) == [
            ("output_replaced", f"outputs/m holds the model of run {earlier!r}, which this run's will replace")
        ]
        assert notices(database, create(database, home, "outputs/other").id) == []

    def test_a_setting_refuses_it(self, database: Database, home: Path) -> None:
        train(database, home, ANN)
        context = dataclasses.replace(builders.context(home), keep_outputs=True)
        with database.write() as session:
            with pytest.raises(OutputTaken, match="FINERY_KEEP_OUTPUTS"):
                runs.create(session, builders.sft(home, config={"output_dir": "outputs/m"}), context, ANN)
            runs.create(session, builders.sft(home, config={"output_dir": "outputs/n"}), context, ANN)


def notices(database: Database, run_id: str) -> list[tuple[str, str]]:
    with database.read() as session:
        events = runs.list_events(session, run_id, ANN)
    return [(event.data.code, event.data.message) for event in events if isinstance(event.data, NoticeData)]


class TestInputs:
    def test_not_over_its_own_model(self, database: Database, home: Path) -> None:
        train(database, home, ANN)
        for name in ("outputs/m", "outputs/m/next"):
            assert "reads its own model" in refusal(database, home, name, model_name="outputs/m")[1]
        assert create(database, home, "outputs/m").output_dir == "outputs/m", "from another model it is replaced"

    def test_not_over_its_own_data(self, database: Database, home: Path) -> None:
        train(database, home, ANN)
        (home / "outputs" / "m" / "rows.jsonl").write_text(builders.ROW)
        assert "reads its own" in refusal(database, home, "outputs/m", dataset_path="outputs/m/rows.jsonl")[1]

    @pytest.mark.parametrize(
        "written", ["m", "ft:x:finery::m", "./outputs/m", "outputs/link", "{home}/outputs/../outputs/m"]
    )
    def test_not_over_its_own_model_however_it_is_written(self, database: Database, home: Path, written: str) -> None:
        train(database, home, ANN, id="m")
        (home / "outputs" / "link").symlink_to(home / "outputs" / "m")
        name = written.format(home=home)
        for output in ("outputs/m", "outputs/m/next", "outputs/link", "outputs/link/next"):
            assert "reads its own model" in refusal(database, home, output, model_name=name, use_lora=True)[1]

    def test_not_over_what_holds_its_own_model(self, database: Database, home: Path) -> None:
        train(database, home, ANN)
        make_model(home / "outputs" / "m" / "merged")
        assert "reads its own" in refusal(database, home, "outputs/m", model_name="outputs/m/merged", use_lora=True)[1]

    @pytest.mark.parametrize("base", ["outputs/m", "outputs/m/merged"])
    def test_not_over_what_an_unfinished_run_reads(self, database: Database, home: Path, base: str) -> None:
        train(database, home, ANN)
        make_model(home / "outputs" / "m" / "merged")
        reader = create(database, home, "outputs/next", model_name=base)
        assert f"that run {reader.id!r} cannot do without" in refusal(database, home, "outputs/m")[1]
        succeed(database, reader.id)
        make_model(home / "outputs" / "next", reader.id)
        create(database, home, "outputs/m")

    def test_not_over_the_base_of_a_served_adapter(self, database: Database, home: Path) -> None:
        train(database, home, ANN)
        adapter = make_model(home / "mine")
        (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "../outputs/m"}))
        with database.write() as session:
            new = NewDeployment(model_name="./mine")
            deployments.create(session, new, builders.context(home), LEAD)
        assert "the adapter of deployment" in refusal(database, home, "outputs/m", LEAD)[1]

    @pytest.mark.parametrize("actor", [ANN, BOB], ids=lambda actor: actor.name)
    def test_not_over_the_base_of_an_adapter(self, database: Database, home: Path, actor: Principal) -> None:
        base = train(database, home, ANN, shared=True)
        with database.write() as session:
            new = builders.sft(home, config={"output_dir": "outputs/adapter", "model_name": base})
            adapter = runs.create(session, new, builders.context(home), actor)
        succeed(database, adapter.id)
        folder = make_model(home / "outputs" / "adapter", adapter.id)
        (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(home / "outputs/m")}))
        kind, says = refusal(database, home, "outputs/m")
        assert kind is OutputTaken
        assert f"of run {adapter.id!r}" in says if actor is ANN else "of somebody's run" in says
        (folder / "adapter_config.json").unlink()
        create(database, home, "outputs/m")


def succeed(database: Database, run_id: str) -> None:
    with database.write() as session:
        session.execute(update(RunRow).where(RunRow.id == run_id).values(status=RunStatus.SUCCEEDED, output_key=None))
