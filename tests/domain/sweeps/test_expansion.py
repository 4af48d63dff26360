from typing import Any

import pytest

from finery.contracts.recipes import RECIPES
from finery.domain.sweeps.errors import InvalidSweep
from finery.domain.sweeps.expansion import grid_of, members_of, name_of

SFT, COMMAND = RECIPES["sft"], RECIPES["command"]


class TestGridOf:
    @pytest.mark.parametrize(
        ("config", "grid"),
        [
            ({"learning_rate": [1e-4, 2e-4], "seed": 1}, {"learning_rate": [1e-4, 2e-4]}),
            ({"seed": [1], "sample_prompts": ["a", "b"]}, {"seed": [1]}),
            (
                {"lora_target_modules": [["q_proj"], ["q_proj", "v_proj"]]},
                {"lora_target_modules": [["q_proj"], ["q_proj", "v_proj"]]},
            ),
            ({"lora_target_modules": ["all-linear", ["gate"]]}, {"lora_target_modules": ["all-linear", ["gate"]]}),
            ({"seed": [1, 2], "lora_target_modules": ["q_proj", "v_proj"]}, {"seed": [1, 2]}),
            ({"seed": [1, 2], "lerning_rate": [1, 2]}, {"seed": [1, 2]}),
        ],
    )
    def test_lists_that_a_field_does_not_take(self, config: dict[str, Any], grid: dict[str, Any]) -> None:
        assert grid_of(SFT, config) == grid

    def test_a_program_and_its_arguments_are_one_value(self) -> None:
        assert grid_of(COMMAND, {"argv": [["a", "1"], ["a", "2"]]}) == {"argv": [["a", "1"], ["a", "2"]]}

    @pytest.mark.parametrize(
        ("config", "field"),
        [
            ({"seed": 1}, "config"),
            ({"sample_prompts": ["a", "b"]}, "config"),
            ({"seed": []}, "config.seed"),
            ({"seed": [1, 2, 1]}, "config.seed[2]"),
            ({"seed": list(range(101))}, "config"),
            ({"seed": list(range(26)), "lora_rank": [1, 2, 4, 8]}, "config"),
            ({"seed": [1, 2], "output_dir": "outputs/one"}, "output_dir"),
        ],
    )
    def test_refused_by_name(self, config: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidSweep) as caught:
            grid_of(SFT, config)
        assert [issue.field for issue in caught.value.issues] == [field]

    def test_what_is_nested_without_end_is_one_value(self) -> None:
        nested: list[Any] = []
        for _ in range(900):
            nested = [nested]
        assert grid_of(SFT, {"seed": nested}) == {"seed": nested}


class TestMembersOf:
    def test_every_combination_the_last_field_fastest(self) -> None:
        config = {"seed": [1, 2], "lora_rank": [4, 8], "num_epochs": 1}
        members = list(members_of(config, grid_of(SFT, config)))
        assert [(each.config["seed"], each.config["lora_rank"]) for each in members] == [(1, 4), (1, 8), (2, 4), (2, 8)]
        assert all(each.config["num_epochs"] == 1 for each in members)
        assert members[1].field_in_request("lora_rank") == "config.lora_rank[1]"
        assert members[1].field_in_request("seed.0") == "config.seed[0].0"
        assert members[1].field_in_request("model_name") == "model_name"


class TestNameOf:
    @pytest.mark.parametrize(
        ("values", "name"),
        [
            ({"learning_rate": 1e-4, "lora_rank": 8}, "lr=1e-4 · rank=8"),
            ({"learning_rate": 2.5e-5}, "lr=2.5e-5"),
            ({"warmup_ratio": 0.05}, "warmup_ratio=0.05"),
            ({"use_lora": True, "num_epochs": "auto"}, "use_lora=true · epochs=auto"),
            ({"lora_target_modules": ["q_proj", "v_proj"]}, "modules=q_proj+v_proj"),
            ({"chat_template": "x" * 500}, f"chat_template={'x' * 39}…"),
        ],
    )
    def test_made_from_what_differs(self, values: dict[str, Any], name: str) -> None:
        assert name_of(values, {field: [value, None] for field, value in values.items()}) == name

    def test_what_does_not_differ_is_left_out(self) -> None:
        assert name_of({"seed": 1, "lora_rank": 8}, {"seed": [1], "lora_rank": [8, 16]}, prefix="try") == "try · rank=8"

    def test_never_longer_than_a_name_may_be(self) -> None:
        values = {f"field_{number}": "x" * 40 for number in range(9)}
        name = name_of(values, {field: [value, None] for field, value in values.items()})
        assert len(name) == 200
