import json
import os
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.layout import RunDirectory
from finery.contracts.recipes import SftConfig
from finery.trainers.arguments import set_tracker_variables
from tests.trainers.running import carry_out, make_run

PLACES = ("TENSORBOARD_LOGGING_DIR", "WANDB_PROJECT", "WANDB_ENTITY", "WANDB_TAGS", "MLFLOW_EXPERIMENT_NAME")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PLACES, "MLFLOW_TAGS"):
        # Set first, so that it is taken back afterwards whatever the function sets.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def sft(*report_to: str, **config: Any) -> SftConfig:
    return SftConfig.model_validate({"model_name": "m", "dataset_path": "d", "report_to": list(report_to), **config})


class TestPlaceReports:
    def test_nothing_said(self, tmp_path: Path) -> None:
        set_tracker_variables(RunDirectory(tmp_path), sft())
        assert os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path / "tensorboard")
        assert (os.environ["WANDB_PROJECT"], os.environ["MLFLOW_EXPERIMENT_NAME"]) == ("finery", "finery")
        assert {"WANDB_ENTITY", "WANDB_TAGS", "MLFLOW_TAGS"}.isdisjoint(os.environ)

    def test_what_the_run_says_wins(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WANDB_PROJECT", "the machine's")
        config = sft("wandb", tracker_project="mine", tracker_entity="us", tracker_tags=["a", "b c"])
        set_tracker_variables(RunDirectory(tmp_path), config)
        assert [os.environ[name] for name in PLACES[1:]] == ["mine", "us", "a,b c", "mine"]
        assert json.loads(os.environ["MLFLOW_TAGS"]) == {"a": "true", "b c": "true"}

    def test_what_the_machine_says_stays(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WANDB_PROJECT", "the machine's")
        set_tracker_variables(RunDirectory(tmp_path), sft("wandb", tracker_name="n"))
        assert os.environ["WANDB_PROJECT"] == "the machine's"

    def test_a_name_is_a_folder_of_tensorboard(self, tmp_path: Path) -> None:
        config = sft("tensorboard", tracker_name="first try")
        for _ in range(2):
            set_tracker_variables(RunDirectory(tmp_path), config)
        assert os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path / "tensorboard" / "first try")


class TestTrainingArguments:
    def test_the_multiplier_scales_the_learning_rate(self, tmp_path: Path, cache: Path) -> None:
        settings = {"max_steps": 1, "learning_rate": 1e-3, "learning_rate_multiplier": 0.5, "lr_scheduler": "constant"}
        result = carry_out(make_run(tmp_path, "sft", cache=cache, **settings))
        assert result.of("progress")[0]["learning_rate"] == pytest.approx(5e-4)
