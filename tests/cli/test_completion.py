"""What the shell offers when a word is completed, as Bash and zsh ask for it."""

import pytest

from finery.client import FineryClient
from tests.cli.command import Finery


def offers(finery: Finery, *words: str) -> list[str]:
    """Returns what Bash is offered for the last word."""
    asked = {
        "_FINERY_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("finery", *words)),
        "COMP_CWORD": str(len(words)),
    }
    ended = finery(variables=asked)
    assert ended.err == ""
    return ended.out.split()


class TestCompletion:
    @pytest.mark.parametrize(
        ("words", "found"),
        [
            (("train", "sf"), ["sft"]),
            (("recipes", "show", "dp"), ["dpo"]),
            (("train", "sft", "num_ep"), ["num_epochs=", "num_epochs=3.0", "num_epochs=auto"]),
            (("train", "sft", "use_l"), ["use_lora=", "use_lora=false", "use_lora=true", "use_lora=auto"]),
            (("train", "sft", "use_lora", "=", "t"), ["true"]),
            (("train", "nosuch", "lear"), []),
        ],
    )
    def test_without_a_server(self, alone: Finery, words: tuple[str, ...], found: list[str]) -> None:
        assert offers(alone, *words) == found

    def test_a_setting_begins_with_what_was_typed(self, alone: Finery) -> None:
        found = offers(alone, "train", "sft", "lear")
        assert "learning_rate=" in found
        assert "learning_rate_multiplier=" in found
        assert all(word.startswith("lear") for word in found)

    def test_no_server_offers_nothing(self, alone: Finery) -> None:
        assert offers(alone, "runs", "show", "a") == []

    def test_runs_and_models(self, finery: Finery, api: FineryClient) -> None:
        run = api.create_run("command", {"argv": ["true"]})
        assert offers(finery, "runs", "show", run.id[:6]) == [run.id]
        assert "finery/tiny-llama" in offers(finery, "chat", "finery/tiny")
