import json
from dataclasses import replace
from pathlib import Path

import pytest

from finery.contracts.model_table import BaseModelEntry
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.recipes import RECIPES, TrainingConfig
from finery.db import Database
from finery.domain import runs
from finery.domain.runs.auto_values import (
    ASSUMED_PARAMETERS,
    choose_values,
    context_of,
    description_of,
    parameters_of,
    with_server_defaults,
    without_auto,
)
from tests import builders

ALL = {"num_epochs": "auto", "batch_size": "auto", "learning_rate": "auto", "use_lora": "auto", "max_length": "auto"}


def model(folder: Path, *, parameters: int, context: int | None = None) -> str:
    folder.mkdir(parents=True)
    builders.write_weights(folder / "model.safetensors", parameters=parameters)
    (folder / "config.json").write_text(json.dumps({} if context is None else {"max_position_embeddings": context}))
    return str(folder)


class TestWithoutAuto:
    def test_only_what_is_to_be_chosen_goes(self) -> None:
        assert without_auto(RECIPES["sft"], {"num_epochs": "auto", "precision": "auto", "seed": 1}) == {
            "precision": "auto",
            "seed": 1,
        }

    @pytest.mark.parametrize(("recipe", "key"), [("sft", "beta"), ("command", "num_epochs")])
    def test_what_the_recipe_has_no_field_for_stays_and_is_refused(self, recipe: str, key: str) -> None:
        assert without_auto(RECIPES[recipe], {key: "auto"}) == {key: "auto"}

    def test_a_base_in_4_bits_is_learned_by_an_adapter(self) -> None:
        asked = {"use_lora": "auto", "load_in_4bit": True}
        assert without_auto(RECIPES["sft"], asked) == {"use_lora": True, "load_in_4bit": True}
        chosen = choose_values(asked, recipe=RECIPES["sft"], rows=9, model="finery/tiny-llama", entry=None)
        assert chosen == {"use_lora": True}


class TestParametersOf:
    def test_of_each_kind(self, tmp_path: Path) -> None:
        folder = model(tmp_path / "m", parameters=123)
        adapter = tmp_path / "a"
        adapter.mkdir()
        (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": folder}))
        assert parameters_of(folder) == parameters_of(str(adapter)) == 123
        assert parameters_of("finery/tiny-llama") == 1_400_000
        assert parameters_of("Qwen/Qwen3-0.6B") == 600_000_000
        assert parameters_of("owner/unknown") == 1_000_000_000


class TestDescriptionOf:
    def test_of_a_folder_or_an_adapters_base(self, tmp_path: Path) -> None:
        folder = model(tmp_path / "m", parameters=123, context=64)
        adapter = tmp_path / "a"
        adapter.mkdir()
        (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": folder}))
        assert description_of(folder) == description_of(str(adapter)) == ({"max_position_embeddings": 64}, 123)

    def test_of_what_is_not_here(self, tmp_path: Path) -> None:
        assert description_of("owner/model-7B") is None
        assert description_of(str(tmp_path)) is None


class TestWithServerDefaults:
    @pytest.mark.parametrize(
        ("recipe", "config", "checks"),
        [
            ("sft", {}, True),
            ("dpo", {}, True),
            ("sft", {"parity_check": False}, False),
            ("sft", {"use_lora": True, "load_in_4bit": True}, False),
            ("reward", {}, False),
        ],
    )
    def test_switched_on_where_nobody_says_and_it_can_be(
        self, recipe: str, config: dict[str, bool], checks: bool
    ) -> None:
        parsed = RECIPES[recipe].config.model_validate({"model_name": "m", "dataset_path": "d", **config})
        assert isinstance(parsed, TrainingConfig)
        settled = with_server_defaults(parsed, config, recipe=RECIPES[recipe], parity_check=True)
        assert settled.parity_check is checks
        assert with_server_defaults(parsed, config, recipe=RECIPES[recipe], parity_check=False) == parsed

    def test_stands_in_the_runs_configuration(self, database: Database, home: Path) -> None:
        context = replace(builders.context(home), parity_check=True)
        with database.write() as session:
            run = runs.create(session, builders.sft(home), context, LOCAL_ADMINISTRATOR)
        assert run.config["parity_check"] is True
        assert "parity_check" not in run.requested


class TestContextOf:
    @pytest.mark.parametrize(("context", "expected"), [(4096, 4096), (None, None)])
    def test_of_a_folder(self, tmp_path: Path, context: int | None, expected: int | None) -> None:
        assert context_of(model(tmp_path / "m", parameters=1, context=context)) == expected

    def test_of_others(self) -> None:
        assert context_of("finery/tiny-llama") is not None
        assert context_of("owner/model") is None


class TestChooseValues:
    def test_by_the_rule(self, tmp_path: Path) -> None:
        folder = model(tmp_path / "m", parameters=10**9, context=32_768)
        chosen = choose_values(ALL, recipe=RECIPES["sft"], rows=1000, model=folder, entry=None)
        assert chosen == {
            "num_epochs": 3, "batch_size": 4, "learning_rate": 2e-4, "use_lora": True, "max_length": 8192,
        }  # fmt: skip

    def test_a_batch_that_half_of_the_rows_still_fill(self) -> None:
        def batch(rows: int) -> object:
            config = {"batch_size": "auto"}
            chosen = choose_values(
                config, recipe=RECIPES["grpo"], rows=rows, model="finery/tiny-llama", entry=None, full_batches_of=rows
            )
            return chosen["batch_size"]

        assert [batch(rows) for rows in (1, 3, 4, 7, 8, 5000)] == [1, 1, 2, 3, 4, 16]

    def test_the_model_table_goes_before_the_rule(self) -> None:
        entry = BaseModelEntry(
            model="finery/tiny-llama", max_length=300, method="full", learning_rate=1e-4, chat_template="{{ 1 }}"
        )
        chosen = choose_values(ALL, recipe=RECIPES["sft"], rows=1000, model="finery/tiny-llama", entry=entry)
        wanted = {"max_length": 300, "use_lora": False, "learning_rate": 1e-4, "chat_template": "{{ 1 }}"}
        assert chosen.items() >= wanted.items()

    def test_the_request_goes_before_the_model_table(self) -> None:
        entry = BaseModelEntry(model="finery/tiny-llama", max_length=300, chat_template="{{ 1 }}")
        asked = {"max_length": 77, "chat_template": "{{ 2 }}"}
        assert choose_values(asked, recipe=RECIPES["sft"], rows=9, model="finery/tiny-llama", entry=entry) == {}


class TestAdaptersInACircle:
    def test_nothing_is_known_of_them(self, tmp_path: Path) -> None:
        for name, other in (("a", "b"), ("b", "a")):
            (tmp_path / name).mkdir()
            config = {"base_model_name_or_path": str(tmp_path / other)}
            (tmp_path / name / "adapter_config.json").write_text(json.dumps(config))
        assert context_of(str(tmp_path / "a")) is None
        assert parameters_of(str(tmp_path / "a")) == ASSUMED_PARAMETERS
