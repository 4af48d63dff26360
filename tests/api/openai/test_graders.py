"""Graders are checked and tried by the unmodified SDK."""

import json
import threading
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI, PermissionDeniedError

from finery.app.composition import Composition
from finery.app.settings import Settings
from tests.api.test_ownership import start_engine
from tests.http.fake_engine import FakeEngine

CHECK: dict[str, Any] = {
    "type": "string_check",
    "name": "same",
    "operation": "eq",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}",
}
JUDGE: dict[str, Any] = {
    "type": "score_model",
    "name": "judge",
    "model": "finery/tiny-llama",
    "input": [{"role": "user", "content": "Is {{ sample.output_text }} a metal?"}],
}
LENGTH: dict[str, Any] = {
    "type": "python",
    "name": "length",
    "source": "def grade(sample, item):\n    return len(sample['output_text']) / item['longest']\n",
}


def several(formula: str, **graders: Any) -> dict[str, Any]:
    return {"type": "multi", "name": "all", "graders": graders, "calculate_output": formula}


class Judge(FakeEngine):
    said = "0.75"

    def answer(self, path: str, body: dict[str, Any]) -> tuple[str, bytes]:
        choice = {"message": {"role": "assistant", "content": self.said}}
        answer = {"model": "m", "choices": [choice], "usage": {"total_tokens": 40}}
        return "application/json", json.dumps(answer).encode()


class TestValidate:
    def test_several_by_name_as_openais_guide_has_them(self, sdk: OpenAI) -> None:
        grader: Any = several("0.5 * a + b", a=CHECK, b=JUDGE)
        # The SDK's own type has one grader in their place, so its strict validation is passed by.
        found = sdk.fine_tuning.alpha.graders.with_raw_response.validate(grader=grader).http_response.json()
        assert found["grader"]["graders"].keys() == {"a", "b"}

    @pytest.mark.parametrize("grader", [CHECK, JUDGE])
    def test_a_good_one_is_the_answer(self, sdk: OpenAI, grader: Any) -> None:
        found = sdk.fine_tuning.alpha.graders.validate(grader=grader).grader
        assert found is not None
        assert found.model_dump(exclude_none=True)["type"] == grader["type"]
        assert found.name == grader["name"]

    @pytest.mark.parametrize(
        ("grader", "param", "code"),
        [
            (CHECK | {"operation": "is"}, "grader.operation", "invalid_value"),
            (CHECK | {"refrence": "x"}, "grader.refrence", "unknown_parameter"),
            (CHECK | {"input": "{{ item }"}, "grader.input", "invalid_value"),
            (several("a + c", a=CHECK), "grader.calculate_output", "invalid_value"),
            ({"type": "magic"}, "grader", "invalid_value"),
        ],
    )
    def test_a_bad_one_is_refused_by_name(self, sdk: OpenAI, grader: Any, param: str, code: str) -> None:
        for act in (
            lambda: sdk.fine_tuning.alpha.graders.validate(grader=grader),
            lambda: sdk.fine_tuning.alpha.graders.run(grader=grader, model_sample="x"),
        ):
            with pytest.raises(BadRequestError) as refused:
                act()
            assert (refused.value.param, refused.value.code) == (param, code)

    def test_a_judge_that_is_not_here(self, sdk: OpenAI) -> None:
        with pytest.raises(NotFoundError) as refused:
            sdk.fine_tuning.alpha.graders.validate(grader=several("a", a=JUDGE | {"model": "gpt-4o"}))
        assert refused.value.param == "grader.graders.a.model"


class TestRun:
    def test_a_check(self, sdk: OpenAI) -> None:
        run = sdk.fine_tuning.alpha.graders.run
        right = run(grader=CHECK, model_sample="iron", item={"answer": "iron"})  # type: ignore[arg-type]
        assert (right.reward, right.sub_rewards, right.metadata.type) == (1.0, {}, "string_check")
        assert right.metadata.scores == {"same": 1.0}
        assert not any(right.metadata.errors.model_dump().values())
        assert (right.metadata.token_usage, right.api_model_grader_token_usage_per_model) == (None, {})
        lacking = run(grader=CHECK, model_sample="iron")  # type: ignore[arg-type]
        assert (lacking.reward, lacking.metadata.errors.invalid_variable_error) == (0.0, True)

    def test_parts_and_their_formula(self, sdk: OpenAI) -> None:
        near = {
            **CHECK,
            "type": "text_similarity",
            "name": "near",
            "evaluation_metric": "fuzzy_match",
        }
        del near["operation"]
        grader: Any = several("same / (near - near)", same=CHECK, near=near)
        found = sdk.fine_tuning.alpha.graders.run(grader=grader, model_sample="iron", item={"answer": "iron"})
        assert found.sub_rewards == {"same": 1.0, "near": 1.0}
        assert (found.reward, found.metadata.errors.formula_parse_error) == (0.0, True)

    def test_a_judge_is_asked_as_a_chat(self, sdk: OpenAI, composition: Composition) -> None:
        with Judge() as engine:
            starter = threading.Thread(target=start_engine, args=(composition.services, engine.port))
            starter.start()
            found = sdk.fine_tuning.alpha.graders.run(grader=JUDGE, model_sample="iron")  # type: ignore[arg-type]
            starter.join()
            engine.said = "no number"
            unread = sdk.fine_tuning.alpha.graders.run(grader=JUDGE, model_sample="tin")  # type: ignore[arg-type]
        assert (found.reward, found.metadata.sampled_model_name) == (0.75, "finery/tiny-llama")
        assert found.api_model_grader_token_usage_per_model == {"finery/tiny-llama": 40}
        (_, asked), _ = engine.asked
        assert asked["messages"][0]["content"].startswith("Is iron a metal?")
        assert (asked["temperature"], asked["max_completion_tokens"]) == (0.0, 64)
        assert (unread.reward, unread.metadata.errors.api_model_grader_parse_error) == (0.0, True)

    def test_a_program_needs_an_administrators_leave(self, sdk: OpenAI) -> None:
        for act in (
            lambda: sdk.fine_tuning.alpha.graders.run(grader=LENGTH, model_sample="x"),  # type: ignore[arg-type]
            lambda: sdk.fine_tuning.alpha.graders.validate(grader=LENGTH),  # type: ignore[arg-type]
        ):
            with pytest.raises(PermissionDeniedError):
                act()


class TestRunPrograms:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"allow_python_graders": True})

    def test_they_run_as_in_training(self, sdk: OpenAI) -> None:
        run = sdk.fine_tuning.alpha.graders.run
        found = run(grader=LENGTH, model_sample="iron", item={"longest": 8})  # type: ignore[arg-type]
        assert (found.reward, found.metadata.scores) == (0.5, {"length": 0.5})
        failed = run(grader=LENGTH, model_sample="iron", item={"longest": 0}).metadata.errors  # type: ignore[arg-type]
        assert failed.python_grader_runtime_error
        assert "ZeroDivisionError" in (failed.python_grader_runtime_error_details or "")
        broken: Any = LENGTH | {"source": "import nothing_like_it\ndef grade(sample, item):\n    return 1\n"}
        assert run(grader=broken, model_sample="x").metadata.errors.python_grader_server_error
