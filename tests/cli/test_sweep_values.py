from typing import Any

import pytest

from finery.cli.sweep_values import is_sweep, may_be_sweep, with_values
from finery.contracts.recipes import RECIPES
from finery.contracts.recipes.list_fields import holds_values
from finery.contracts.recipes.reference import reference_of

SCHEMAS = {name: reference_of(recipe).config_schema for name, recipe in RECIPES.items()}


class TestWithValues:
    @pytest.mark.parametrize(
        ("recipe", "settings", "read"),
        [
            ("sft", {"learning_rate": "1e-4,2e-4"}, {"learning_rate": [1e-4, 2e-4]}),
            ("sft", {"learning_rate": "1e-4,auto"}, {"learning_rate": [1e-4, "auto"]}),
            ("sft", {"lr_scheduler": "linear, cosine"}, {"lr_scheduler": ["linear", "cosine"]}),
            ("sft", {"use_lora": "true,false"}, {"use_lora": [True, False]}),
            ("sft", {"model_name": "a,b"}, {"model_name": "a,b"}),
            ("sft", {"lora_target_modules": "q_proj,v_proj"}, {"lora_target_modules": "q_proj,v_proj"}),
            ("sft", {"chat_template": "{% if a, b %}"}, {"chat_template": "{% if a, b %}"}),
            ("sft", {"tracker_name": "a,b"}, {"tracker_name": "a,b"}),
            ("sft", {"nosuch": "a,b"}, {"nosuch": "a,b"}),
            ("dpo", {"beta": "0.1,0.2"}, {"beta": [0.1, 0.2]}),
        ],
    )
    def test_by_the_type_of_the_field(self, recipe: str, settings: dict[str, object], read: dict[str, object]) -> None:
        assert with_values(settings, SCHEMAS[recipe]) == read


class TestIsSweep:
    @pytest.mark.parametrize(
        ("recipe", "settings", "expected"),
        [
            ("sft", {"learning_rate": [1e-4]}, True),
            ("sft", {"lora_target_modules": ["q_proj"]}, False),
            ("sft", {"lora_target_modules": [["q_proj"]]}, True),
            ("sft", {"sample_prompts": ["a"], "report_to": ["none"]}, False),
            ("command", {"argv": ["a"]}, False),
            ("command", {"argv": [["a"], ["b"]]}, True),
            ("command", {"environment": [{"A": "1"}, {"A": "2"}]}, True),
            ("sft", {"nosuch": [1, 2]}, False),
            ("grpo", {"grader": [{"type": "a"}]}, True),
        ],
    )
    def test_as_the_server_decides_it(self, recipe: str, settings: dict[str, Any], expected: bool) -> None:
        assert is_sweep(settings, SCHEMAS[recipe]) is expected
        config = RECIPES[recipe].config
        assert any(holds_values(config, name, value) for name, value in settings.items()) is expected

    def test_what_needs_no_schema(self) -> None:
        assert not may_be_sweep({"learning_rate": 1e-4, "model_name": "gpt2"})
        assert may_be_sweep({"a": "1,2"})
        assert may_be_sweep({"a": [1]})
