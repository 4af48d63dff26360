"""A mixture of experts goes on from its checkpoint, experts included: their names in files are not those in memory."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.layout import RunDirectory
from tests.trainers import architectures
from tests.trainers.running import FEEDBACK, INSTRUCTIONS, PREFERENCES, Ended, carry_out, make_run, write_rows

STEPS = 3
GRADER = {
    "type": "string_check",
    "name": "letter",
    "input": "{{sample.output_text}}",
    "reference": "e",
    "operation": "like",
}


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Path:
    return architectures.make(tmp_path_factory.mktemp("base") / "mixture", "qwen3_moe", tiny_llama)


def train(folder: Path, recipe: str, *, cache: Path, model: Path, **own: Any) -> Ended:
    settings = {"max_steps": STEPS, "save_steps": 1, "save_total_limit": STEPS, "learning_rate": 1e-3, **own}
    return carry_out(make_run(folder, recipe, cache=cache, model=model, batch_size=2, max_length=64, **settings))


def forget_all_after(folder: Path, step: int) -> None:
    """Leaves of a run what a process that was killed after the checkpoint would have left."""
    run = RunDirectory(folder / "run")
    for later in range(step + 1, STEPS + 1):
        shutil.rmtree(run.checkpoints / f"checkpoint-{later}")
    shutil.rmtree(folder / "output")
    run.events.unlink()


class TestResume:
    @pytest.mark.parametrize(
        ("recipe", "own"),
        [
            ("sft", {"dataset": INSTRUCTIONS}),
            pytest.param("dpo", {"dataset": PREFERENCES}, marks=pytest.mark.thorough),
            pytest.param("kto", {"dataset": FEEDBACK}, marks=pytest.mark.thorough),
            pytest.param("reward", {"dataset": PREFERENCES}, marks=pytest.mark.thorough),
            pytest.param(
                "grpo",
                {"grader": GRADER, "max_completion_length": 4, "n_generations": 2, "beta": 0.1},
                marks=pytest.mark.thorough,
            ),
        ],
    )
    def test_ends_as_an_unbroken_run(
        self, recipe: str, own: dict[str, Any], tmp_path: Path, mixture: Path, cache: Path
    ) -> None:
        if "dataset" not in own:
            rows = [{"messages": [{"role": "user", "content": f"Who keeps fire {n}?"}]} for n in range(8)]
            own = {**own, "dataset": write_rows(tmp_path / "rows.jsonl", rows)}
        unbroken = train(tmp_path, recipe, cache=cache, model=mixture, **own)
        forget_all_after(tmp_path, 1)
        resumed = train(tmp_path, recipe, cache=cache, model=mixture, **own)
        fading = {"tokens_per_second", "eta_seconds", "memory_bytes"}
        steps = [[{**step, **dict.fromkeys(fading)} for step in run.of("progress")] for run in (unbroken, resumed)]
        assert [step["step"] for step in steps[1]] == [2, 3]
        assert steps[1] == steps[0][1:]
