import pytest

from finery.contracts.model_names import fine_tuned_name, parse_fine_tuned


class TestFineTunedName:
    def test_of_a_job(self) -> None:
        assert fine_tuned_name("gpt-4o-mini", "house", "ftjob-ab12") == "ft:gpt-4o-mini:finery:house:ab12"

    def test_without_a_suffix(self) -> None:
        assert fine_tuned_name("finery/tiny-llama", None, "ftjob-ab12") == "ft:finery/tiny-llama:finery::ab12"

    def test_of_a_checkpoint(self) -> None:
        assert fine_tuned_name("m", "s", "ab12", step=40) == "ft:m:finery:s:ab12:ckpt-step-40"

    @pytest.mark.parametrize("step", [None, 7])
    def test_of_a_model_that_was_fine_tuned_before(self, step: int | None) -> None:
        base = "odd:base"
        for number in range(3):
            base = fine_tuned_name(base, "我的", f"ftjob-ab{number}", step=step)
        assert base == fine_tuned_name("odd:base", "我的", "ftjob-ab2", step=step)


class TestParseFineTuned:
    @pytest.mark.parametrize("base", ["gpt-4o-mini", "finery/tiny-llama", "Qwen/Qwen3-0.6B", "odd:base"])
    @pytest.mark.parametrize("suffix", [None, "house", "我的模型"])
    @pytest.mark.parametrize("step", [None, 7])
    def test_finds_the_run_again(self, base: str, suffix: str | None, step: int | None) -> None:
        found = parse_fine_tuned(fine_tuned_name(base, suffix, "ftjob-ab12", step=step))
        assert found is not None
        assert found.run_ids == ("ab12", "ftjob-ab12")
        assert found.step == step

    @pytest.mark.parametrize("name", ["gpt-4o-mini", "ft:", "ft:a", "ft:m:finery:s:../../x", "finery/tiny-llama", ""])
    def test_other_names_are_none(self, name: str) -> None:
        assert parse_fine_tuned(name) is None
