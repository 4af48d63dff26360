"""A recipe that is no part of Finery, in one file: checked, submitted, fitted, trained and listed."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from finery.cli.samples import write_samples
from finery.client import FineryClient
from finery.client.errors import FineryError
from finery.contracts.datasets.detection import recipes_for
from finery.contracts.datasets.formats import PromptPreference
from finery.contracts.events import NoticeEvent, ProgressEvent
from finery.contracts.memory_fit import ModelShape, Training, estimate
from finery.contracts.recipes import RECIPES, Recipe, register
from finery.contracts.recipes.auto_values import choose
from finery.contracts.status import RunStatus
from tests.servers import ROOT, RunningServer

FOLDER = ROOT / "examples" / "recipes"
SHAPE = ModelShape(parameters=10**9, hidden=2048, layers=16, vocabulary=32_000, intermediate=8192, key_values=512)
SETTINGS = {
    "model_name": "finery/tiny-llama",
    "dataset_path": "data/preferences.jsonl",
    "output_dir": "outputs/orpo",
    "max_steps": 2,
    "batch_size": "auto",
    "learning_rate": "auto",
}


@pytest.fixture
def orpo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recipe]:
    monkeypatch.syspath_prepend(FOLDER)
    before = dict(RECIPES)
    import orpo  # noqa: F401

    yield RECIPES["orpo"]
    del sys.modules["orpo"]
    RECIPES.clear()
    RECIPES.update(before)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    path = os.pathsep.join(map(str, (ROOT, ROOT / "src", FOLDER)))
    server = RunningServer(tmp_path_factory.mktemp("home"), PYTHONPATH=path)
    server.prefix = [sys.executable, "-m", "tests.examples.registering", "orpo"]
    write_samples(server.home / "data")
    with server:
        yield server


class TestRegister:
    def test_tables_follow(self, orpo: Recipe) -> None:
        assert recipes_for(PromptPreference) == ["dpo", "reward", "orpo"]
        assert choose({"learning_rate": "auto"}, recipe=orpo, rows=10, parameters=10**9) == {"learning_rate": 5e-6}

    def test_its_memory_is_two_sequences_a_row_and_no_reference(self, orpo: Recipe) -> None:
        single = Training(batch_size=1, length=512)
        paired = replace(single, footprint=orpo.footprint(None))
        assert estimate(SHAPE, paired) == estimate(SHAPE, replace(single, batch_size=2))

    def test_a_name_is_of_one_recipe(self, orpo: Recipe) -> None:
        with pytest.raises(ValueError, match="'orpo' already"):
            register(orpo)


@pytest.mark.slow
class TestRecipe:
    def test_data_are_checked_and_measured(self, server: RunningServer) -> None:
        def check(path: str) -> dict[str, object]:
            body = {"path": path, "recipe": "orpo", "model": "finery/tiny-llama", "max_length": 64}
            answer = httpx.post(f"{server.url}/api/v1/datasets/check", json=body, timeout=120)
            assert answer.is_success, answer.text
            return answer.json()

        good, bad = check("data/preferences.jsonl"), check("data/corpus.jsonl")

        assert good["ok"]
        assert good["measurement"]["tokens"] > 0  # type: ignore[index]
        assert "is of shape text, which serves sft and cpt" in str(bad["issues"])

    def test_a_wrong_configuration_is_refused(self, server: RunningServer) -> None:
        with FineryClient(url=server.url) as client, pytest.raises(FineryError, match="did you mean 'beta'"):
            client.create_run("orpo", {**SETTINGS, "betta": 0.2})

    def test_it_is_trained_and_listed(self, server: RunningServer, tmp_path: Path) -> None:
        with FineryClient(url=server.url) as client:
            run = client.wait(client.create_run("orpo", SETTINGS).id, timeout=200)
            log = client.log_tail(run.id).lines
            events = client.events(run.id)
            listed = client.list_runs(recipe="orpo").runs
            models = [model.name for model in client.list_models()]

        assert run.status is RunStatus.SUCCEEDED, log
        assert [one.id for one in listed] == [run.id]
        notices = {event.data.code: event.data for event in events if isinstance(event, NoticeEvent)}
        assert set(notices["automatic"].values or ()) == {"batch_size", "learning_rate"}
        assert [event.data.step for event in events if isinstance(event, ProgressEvent)] == [1, 2]
        assert run.id in models or "outputs/orpo" in models
        assert "odds ratio preference optimisation" in (server.home / "outputs/orpo/README.md").read_text()
