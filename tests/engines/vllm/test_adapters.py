from typing import Any

import pytest

from finery.engines.vllm.adapters import adapter_issue, is_loaded_already, reserved_rank

PLAIN: dict[str, Any] = {"peft_type": "LORA", "r": 16, "bias": "none", "modules_to_save": None, "use_dora": False}


class TestAdapterIssue:
    def test_none(self) -> None:
        assert adapter_issue(PLAIN) is None

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"peft_type": "LOKR"}, "of the type LOKR"),
            ({"use_dora": True}, "DoRA"),
            ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
            ({"target_parameters": ["mlp.experts.down_proj"]}, "target_parameters"),
            ({"bias": "all"}, "biases"),
            ({"r": 1024}, "above 512"),
        ],
    )
    def test_names_what_vllm_cannot_load(self, change: dict[str, Any], message: str) -> None:
        issue = adapter_issue({**PLAIN, **change})
        assert issue is not None
        assert message in issue


class TestRoomFor:
    @pytest.mark.parametrize(("rank", "room"), [(1, 64), (64, 64), (65, 128), (512, 512)])
    def test_small_ranks_share(self, rank: int, room: int) -> None:
        assert reserved_rank(rank) == room


class TestIsLoadedAlready:
    def test_only_that_refusal(self) -> None:
        message = "The lora adapter 'a' has already been loaded."
        assert is_loaded_already(400, message)
        assert not is_loaded_already(404, message)
        assert not is_loaded_already(400, "LoRA rank 128 is greater than max_lora_rank 64.")
