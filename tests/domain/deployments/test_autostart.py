from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from finery.contracts.deployment import Deployment, DeploymentStatus, EngineOptions
from finery.contracts.machine import Machine
from finery.db import Database
from finery.domain import deployments
from finery.domain.catalog import ModelNotFound
from finery.domain.deployments.errors import (
    DeploymentNotFound,
    EngineNotStarted,
    EngineUnavailable,
    ModelBroken,
    NotEnoughMemory,
)
from finery.engines.base import ServableModel
from finery.engines.transformers.engine import TransformersEngine
from tests import builders
from tests.domain.catalog.test_resolution import train
from tests.domain.deployments.serving import (
    GIB,
    end,
    ensure,
    get,
    live,
    make_adapter,
    make_context,
    make_model,
    start,
)
from tests.domain.principals import ANN, BOB, LEAD

THREADS = 8
TINY = "finery/tiny-llama"


class TestEnsure:
    @pytest.mark.every_database
    def test_first_requests_at_once_start_one(self, database: Database, home: Path) -> None:
        context, barrier = make_context(home), Barrier(THREADS)

        def ask(_: int) -> Deployment:
            barrier.wait()
            return ensure(database, TINY, context)

        with ThreadPoolExecutor(THREADS) as pool:
            found = list(pool.map(ask, range(THREADS)))
        assert len({one.id for one in found}) == 1
        assert (found[0].on_demand, found[0].status) == (True, DeploymentStatus.STARTING)

    def test_what_failed_just_now_is_not_started_anew(self, database: Database, home: Path) -> None:
        context = make_context(home, models={"short": {"model": TINY, "max_context": 64}})
        first = ensure(database, TINY, context)
        with database.read() as session:
            [live] = deployments.list_live(session)
        start(database, first.id, context)
        end(database, first.id)
        for is_lasting, kind in ((True, ModelBroken), (False, EngineNotStarted)):
            context.live.failed_starts.note(live.details.key or "", "no tensors", is_lasting=is_lasting)
            with pytest.raises(kind, match="no tensors; "):
                ensure(database, TINY, context)
        # Started differently, it may come up.
        assert ensure(database, "short", context).id != first.id
        context.live.failed_starts.forget(live.details.key or "")
        assert ensure(database, TINY, context).id != first.id

    def test_names_of_the_same_model_share_it(self, database: Database, home: Path) -> None:
        context = make_context(home, models={"chat": TINY, "short": {"model": TINY, "max_context": 64}})
        first = ensure(database, TINY, context)
        assert ensure(database, "chat", context).id == first.id
        # What is started differently is another engine.
        assert ensure(database, "short", context).id != first.id

    def test_it_is_the_servers_own(self, database: Database, home: Path) -> None:
        context = make_context(home)
        deployment = ensure(database, TINY, context, ANN)
        with database.read() as session:
            assert deployments.list_all(session, ANN) == []
            with pytest.raises(DeploymentNotFound):
                deployments.get(session, deployment.id, ANN)
            assert [one.id for one in deployments.list_all(session, LEAD)] == [deployment.id]

    def test_the_name_is_checked_each_time(self, database: Database, home: Path) -> None:
        context = make_context(home)
        run_id = train(database, home, ANN)
        name = f"ft:{TINY}:finery::{run_id}"
        deployment = ensure(database, name, context, ANN)
        start(database, deployment.id, context)
        with database.read() as session:
            found = deployments.autostart.find(session, name, ANN, context)
            assert found is not None
            assert found.deployment.id == deployment.id
            with pytest.raises(ModelNotFound):
                deployments.autostart.find(session, name, BOB, context)

    @pytest.mark.parametrize("status", ["stopping", "stopped", "failed"])
    def test_one_that_ends_is_followed_by_another(self, database: Database, home: Path, status: str) -> None:
        context = make_context(home)
        first = ensure(database, TINY, context)
        start(database, first.id, context)
        if status != "failed":
            with database.write() as session:
                deployments.request_stop(session, first.id, LEAD)
        if status != "stopping":
            end(database, first.id)
        assert get(database, first.id).status == status
        assert ensure(database, TINY, context).id != first.id

    def test_a_folder_that_holds_another_model_by_now(self, database: Database, home: Path) -> None:
        context = make_context(home)
        model = Path(make_model(home, "m"))
        first = ensure(database, "./m", context)
        builders.write_weights(model / "model.safetensors", 128)
        assert ensure(database, "./m", context).id != first.id

    def test_a_hub_model_only_by_a_name_of_the_administrators(self, database: Database, home: Path) -> None:
        context = make_context(home, ram_bytes=64 * GIB, models={"chat": "org/model-0.5B"})
        with pytest.raises(ModelNotFound, match="once they are deployed"):
            ensure(database, "org/model-0.5B", context)
        assert ensure(database, "chat", context).model == "org/model-0.5B"

    def test_without_memory(self, database: Database, home: Path) -> None:
        context = make_context(home, ram_bytes=GIB)
        make_model(home, "m", 2 * GIB)
        with pytest.raises(
            NotEnoughMemory, match=r"'\./m' needs about [4-6]\.\d GiB, which are not free: 1\.0 GiB of main"
        ):
            ensure(database, "./m", context)


class TestAdapters:
    def test_share_their_base_where_the_engine_can(self, database: Database, home: Path) -> None:
        context = make_context(home, gpus=1, vllm=True)
        base = make_model(home, "base")
        for name in ("one", "two"):
            make_adapter(home, name, base)
        with database.write() as session:
            served = [
                deployments.autostart.ensure(session, name, ANN, context) for name in ("./base", "./one", "./two")
            ]
        assert len({one.deployment.id for one in served}) == 1
        assert [one.adapter for one in served] == [None, str(home / "one"), str(home / "two")]
        assert [one.name.split("@")[0] for one in served] == [base, str(home / "one"), str(home / "two")]
        assert served[0].deployment.model == base

    def test_one_that_was_trained_again_has_another_name_there(self, database: Database, home: Path) -> None:
        context = make_context(home, gpus=1, vllm=True)
        adapter = Path(make_adapter(home, "one", make_model(home, "base")))
        with database.write() as session:
            first = deployments.autostart.ensure(session, "./one", ANN, context)
            builders.write_weights(adapter / "adapter_model.safetensors", 128)
            second = deployments.autostart.ensure(session, "./one", ANN, context)
        assert first.deployment.id == second.deployment.id
        assert first.name != second.name

    def test_have_engines_of_their_own_elsewhere(self, database: Database, home: Path) -> None:
        context = make_context(home)
        base = make_model(home, "base")
        found = {ensure(database, name, context).id for name in (make_adapter(home, "one", base), "./base")}
        assert len(found) == 2


class Shy(TransformersEngine):
    """An engine that `auto` never chooses."""

    name = "shy"

    def preference(self, machine: Machine) -> int:
        return 0


class Faulty(TransformersEngine):
    """An engine whose choosing has a fault."""

    name = "faulty"

    def issue(self, model: ServableModel, options: EngineOptions) -> str | None:
        raise KeyError("a fault of it")


class TestEngineChoice:
    @pytest.mark.parametrize("database", ["sqlite"], indirect=True)
    def test_one_with_a_fault_leaves_the_choice_to_the_others(
        self, database: Database, home: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        make_model(home, "m")
        faulty, plain = Faulty(), make_context(home)
        context = replace(plain, engines={faulty.name: faulty, **plain.engines})
        assert ensure(database, "./m", context).engine == "transformers"
        assert "engine 'faulty' is left out" in caplog.text

    def test_auto_leaves_out_what_has_no_preference(self, database: Database, home: Path) -> None:
        make_model(home, "m")
        shy, plain = Shy(), make_context(home)
        context = replace(plain, engines={shy.name: shy, **plain.engines})
        assert ensure(database, "./m", context).engine == "transformers"
        with pytest.raises(EngineUnavailable, match="engine 'auto' finds none here that can serve this"):
            ensure(database, "./m", replace(plain, engines={shy.name: shy}))

    def test_vllm_where_it_is_and_a_gpu(self, database: Database, home: Path) -> None:
        make_model(home, "m")
        assert ensure(database, "./m", make_context(home, gpus=1, vllm=True)).engine == "vllm"
        assert ensure(database, "./m", make_context(home, gpus=1)).engine == "transformers"

    def test_by_name(self, database: Database, home: Path) -> None:
        make_model(home, "m")
        entry = {"model": "./m", "engine": "vllm"}
        assert ensure(database, "chat", make_context(home, vllm=True, models={"chat": entry})).engine == "vllm"
        with pytest.raises(EngineUnavailable, match="'vllm' is not installed here"):
            ensure(database, "chat", make_context(home, models={"chat": entry}))

    def test_what_vllm_cannot_serve(self, database: Database, home: Path) -> None:
        make_adapter(home, "dora", make_model(home, "base"), use_dora=True)
        models = {"chat": {"model": "./dora", "engine": "vllm"}}
        context = make_context(home, gpus=1, vllm=True, models=models)
        assert ensure(database, "./dora", context).engine == "transformers"
        told = "cannot serve this: its adapter is a DoRA; choose 'transformers'"
        with pytest.raises(EngineUnavailable, match=told):
            ensure(database, "chat", context)

    def test_a_template_that_the_base_lacks(self, database: Database, home: Path) -> None:
        context = make_context(home, gpus=1, vllm=True)
        base = Path(make_model(home, "base"))
        same, other = (Path(make_adapter(home, name, str(base))) for name in ("same", "other"))
        (base / "tokenizer_config.json").write_text('{"chat_template": "A"}')
        (same / "chat_template.jinja").write_text("A")
        (other / "chat_template.jinja").write_text("B")
        assert ensure(database, "./same", context).options.chat_template is None
        assert ensure(database, "./other", context).options.chat_template == "B"


class TestIdle:
    def test_unloading_waits_for_who_uses_it(self, database: Database, home: Path) -> None:
        context = make_context(home)
        deployment = ensure(database, TINY, context)
        start(database, deployment.id, context)
        context.live.in_use.begin(deployment.id)
        with database.write() as session:
            assert not deployments.unload(session, deployment.id, 0.0, context)
        context.live.in_use.end(deployment.id)
        with database.write() as session:
            assert deployments.unload(session, deployment.id, 0.0, context)
        assert live(database, deployment.id).stop_requested
        assert not context.live.in_use.begin(deployment.id)
