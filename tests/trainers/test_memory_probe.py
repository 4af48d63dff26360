from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from finery.trainers.memory_probe import longest_rows
from tests.trainers.running import (
    FEEDBACK,
    INSTRUCTIONS,
    PREFERENCES,
    carry_out,
    ended,
    make_run,
    start,
    write_rows,
)
from tests.trainers.test_failures import LIMITED


class TestProbe:
    @pytest.mark.parametrize(
        ("recipe", "dataset", "settings"),
        [
            pytest.param("sft", INSTRUCTIONS, {"use_lora": True, "lora_dropout": 0.1}, marks=pytest.mark.thorough),
            ("sft", INSTRUCTIONS, {"packing": True}),
            pytest.param("dpo", PREFERENCES, {}, marks=pytest.mark.thorough),
            pytest.param("reward", PREFERENCES, {}, marks=pytest.mark.thorough),
            pytest.param("kto", FEEDBACK, {"optimizer": "adafactor"}, marks=pytest.mark.thorough),
        ],
    )
    def test_leaves_no_trace_but_its_notice(
        self, recipe: str, dataset: Path, settings: dict[str, Any], tmp_path: Path, cache: Path
    ) -> None:
        settings = {"dataset": dataset, "batch_size": 4, "max_steps": 2, "learning_rate": 1e-4, **settings}
        without = carry_out(make_run(tmp_path / "without", recipe, cache=cache, **settings))
        probed = carry_out(make_run(tmp_path / "with", recipe, cache=cache, probe="on", **settings))
        assert not [notice for notice in without.of("notice") if notice["code"] == "probe"]
        (notice,) = (notice for notice in probed.of("notice") if notice["code"] == "probe")
        assert (notice["level"], notice["batch_size"], notice["gradient_accumulation_steps"]) == ("info", 4, 1)
        assert 0 < notice["peak_bytes"] < notice["total_bytes"]
        fading = {"tokens_per_second", "eta_seconds", "memory_bytes"}
        steps = [[{**step, **dict.fromkeys(fading)} for step in run.of("progress")] for run in (without, probed)]
        assert steps[0] == steps[1]

    @pytest.mark.thorough
    def test_memory_runs_out_before_the_first_step(self, tmp_path: Path, cache: Path) -> None:
        """The long rows come last: without a probe, there would be steps before they do."""
        short, long = "iron and fire ", "iron and fire " * 300
        rows = write_rows(
            tmp_path / "rows.jsonl", [{"text": f"{n} {short}"} for n in range(64)] + [{"text": long}] * 16
        )
        settings: dict[str, Any] = {"dataset": rows, "max_length": 768, "batch_size": 16, "max_steps": 1}
        run = make_run(tmp_path, "sft", cache=cache, probe="on", **settings)
        process = start(run, before=LIMITED.format(spare=850_000_000))
        result = ended(run, process.wait(timeout=240))
        assert result.outcome.reason == "completed", result.outcome.message
        types = [event["type"] for event in result.events]
        codes = [event["data"].get("code") for event in result.events]
        assert codes.index("out_of_memory") < codes.index("probe") < types.index("progress")
        # Memory may run out once more after a probe, which is then made again.
        *_, probe = (notice for notice in result.of("notice") if notice["code"] == "probe")
        assert probe["batch_size"] < 16
        assert probe["batch_size"] * probe["gradient_accumulation_steps"] == 16
        noted = (run.path / "batch.json").read_text()
        assert f'"size":{probe["batch_size"]}' in noted.replace(" ", "")


class TestLongestRows:
    def test_over_all_columns_of_tokens(self) -> None:
        rows = Dataset.from_dict({"a": [[1], [1, 2, 3], [1, 2]], "b": [[1] * 5, [1], [1] * 3], "label": [1, 2, 3]})
        assert longest_rows(rows, 2) == [0, 2]
        assert longest_rows(rows, 9) == [0, 2, 1]
