from typing import Any

import pytest
from openai.types.graders import (
    MultiGrader as SdkMultiGrader,
)
from openai.types.graders import (
    PythonGrader as SdkPythonGrader,
)
from openai.types.graders import (
    ScoreModelGrader as SdkScoreModelGrader,
)
from openai.types.graders import (
    StringCheckGrader as SdkStringCheckGrader,
)
from openai.types.graders import (
    TextSimilarityGrader as SdkTextSimilarityGrader,
)
from pydantic import TypeAdapter, ValidationError

from finery.contracts.graders import Grader, MultiGrader, judges_of, lowest_score, parts_of, passes, runs_python
from finery.contracts.graders.types import templates_of
from finery.contracts.recipes import GrpoConfig

GRADER: TypeAdapter[Any] = TypeAdapter(Grader)

CHECK = {
    "type": "string_check",
    "name": "exact",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}",
    "operation": "eq",
}
ALIKE = {
    "type": "text_similarity",
    "name": "alike",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}",
    "evaluation_metric": "rouge_l",
}
JUDGE = {
    "type": "score_model",
    "name": "judge",
    "model": "finery/tiny-llama",
    "input": [
        {"role": "system", "content": "Grade."},
        {"role": "user", "content": [{"type": "input_text", "text": "{{ item.answer }} {{ sample.output_text }}"}]},
    ],
    "range": [0, 10],
    "sampling_params": {"max_completions_tokens": 8, "temperature": 0, "seed": 1, "top_p": 1},
}
PYTHON = {
    "type": "python",
    "name": "code",
    "source": "def grade(sample, item):\n    return 1.0",
    "image_tag": "2025-05-08",
}
MULTI = {
    "type": "multi",
    "name": "both",
    "graders": {"exact": CHECK, "alike": ALIKE},
    "calculate_output": "(exact + alike) / 2",
}


def issues(grader: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        GRADER.validate_python(grader)
    return [(".".join(map(str, error["loc"])), error["msg"]) for error in caught.value.errors()]


class TestGrader:
    @pytest.mark.parametrize(
        ("grader", "sdk"),
        [
            (CHECK, SdkStringCheckGrader),
            (ALIKE, SdkTextSimilarityGrader),
            (JUDGE, SdkScoreModelGrader),
            (PYTHON, SdkPythonGrader),
            (MULTI | {"graders": CHECK, "calculate_output": "exact"}, SdkMultiGrader),
        ],
    )
    def test_takes_what_the_sdk_takes(self, grader: dict[str, Any], sdk: type[Any]) -> None:
        sdk.model_validate(grader, strict=True)
        read = GRADER.validate_python(grader)
        assert read.name == grader["name"]
        assert GRADER.validate_python(read.model_dump(mode="json")) == read

    def test_takes_the_map_of_the_guide(self) -> None:
        read = GRADER.validate_python(MULTI)
        assert isinstance(read, MultiGrader)
        assert list(read.graders) == ["exact", "alike"]

    @pytest.mark.parametrize(
        ("grader", "field", "message"),
        [
            ({"type": "label_model"}, "", "string_check"),
            (CHECK | {"operation": "neq"}, "string_check.operation", "'ne'"),
            (CHECK | {"input": "{{ answer }}"}, "string_check.input", "must begin with item. or sample."),
            (CHECK | {"referenc": "x"}, "string_check.referenc", "Extra inputs"),
            (ALIKE | {"evaluation_metric": "cosine"}, "text_similarity.evaluation_metric", "embedding model"),
            (ALIKE | {"evaluation_metric": "rouge_9"}, "text_similarity.evaluation_metric", "rouge_5"),
            (ALIKE | {"pass_threshold": float("nan")}, "text_similarity.pass_threshold", "finite"),
            (JUDGE | {"range": [1, 0]}, "score_model.range", "the lower one first"),
            (JUDGE | {"range": [0]}, "score_model.range", "at least 2"),
            (JUDGE | {"input": []}, "score_model.input", "at least 1"),
            (JUDGE | {"input": [{"role": "system", "content": "x"}]}, "score_model.input", "must be the user's"),
            (
                JUDGE | {"sampling_params": {"reasoning_effort": "low"}},
                "score_model.sampling_params.reasoning_effort",
                "not supported",
            ),
            (PYTHON | {"source": "def grade(sample, item:"}, "python.source", "no valid Python (line 1)"),
            (PYTHON | {"source": "def score(sample, item): return 1"}, "python.source", "must define grade"),
            (PYTHON | {"source": "(" * 10_000}, "python.source", "no valid Python"),
            (PYTHON | {"source": "#" * 300_000}, "python.source", "at most"),
            (MULTI | {"calculate_output": "exact + other"}, "multi.calculate_output", "names 'other'"),
            (MULTI | {"graders": {}}, "multi.graders", "at least 1"),
            (MULTI | {"graders": {"max": CHECK}}, "multi.graders", "cannot be named in a formula"),
            (MULTI | {"graders": {"a b": CHECK}}, "multi.graders", "cannot be named in a formula"),
            (MULTI | {"graders": {"inner": MULTI}}, "multi.graders.inner", "string_check"),
        ],
    )
    def test_refuses_by_name(self, grader: dict[str, Any], field: str, message: str) -> None:
        found = issues(grader)
        assert [name for name, _ in found] == [field]
        assert message in found[0][1]

    @pytest.mark.parametrize(
        ("grader", "says"),
        [
            ({"type": "python", "name": "p", "source": "def grade(a, b): return 1\n" + "x=1\n" * 7_000}, "20000 words"),
            (CHECK | {"input": "{{item.a}}" * 1001}, "1000 places"),
            ({"type": "multi", "name": "m", "calculate_output": "a", "graders": {"a": CHECK, **{
                f"g{number}": CHECK | {"reference": "x" * 30_000} for number in range(20)
            }}}, "in all"),
            ({"type": "score_model", "name": "s", "model": "m", "input": [
                {"role": "user", "content": ["x" * 90_000] * 10}
            ]}, "in all"),
        ],
        ids=["words", "places", "parts", "messages"],
    )  # fmt: skip
    def test_its_texts_are_bounded(self, grader: dict[str, Any], says: str) -> None:
        with pytest.raises(ValidationError, match=says):
            GRADER.validate_python(grader)

    def test_a_long_program_of_few_words_is_taken(self) -> None:
        source = "def grade(sample, item):\n    return 1.0\n" + "# " + "explained " * 10_000
        assert GRADER.validate_python({"type": "python", "name": "p", "source": source}).source == source

    def test_images_cannot_be_judged(self) -> None:
        image = {"type": "input_image", "image_url": "https://example.org/a.png"}
        assert issues(JUDGE | {"input": [{"role": "user", "content": image}]})


class TestPartsOf:
    def test_names_of_the_map_or_of_the_grader_itself(self) -> None:
        assert list(parts_of(GRADER.validate_python(MULTI))) == ["exact", "alike"]
        assert list(parts_of(GRADER.validate_python(CHECK))) == ["exact"]


class TestWhatAGraderNeeds:
    def test_judges_each_once(self) -> None:
        multi = MULTI | {"graders": {"a": JUDGE, "b": JUDGE, "c": CHECK}, "calculate_output": "a"}
        assert judges_of(GRADER.validate_python(multi)) == ["finery/tiny-llama"]
        assert judges_of(GRADER.validate_python(CHECK)) == []

    def test_programs(self) -> None:
        multi = MULTI | {"graders": {"a": PYTHON}, "calculate_output": "a"}
        assert [runs_python(GRADER.validate_python(grader)) for grader in (multi, PYTHON, CHECK)] == [True, True, False]

    def test_templates(self) -> None:
        both = ["{{ sample.output_text }}", "{{ item.answer }}"]
        assert templates_of(GRADER.validate_python(MULTI)) == both * 2
        assert templates_of(GRADER.validate_python(JUDGE))[0] == "Grade."
        assert templates_of(GRADER.validate_python(PYTHON)) == []


class TestScores:
    def test_the_lowest(self) -> None:
        assert lowest_score(GRADER.validate_python(JUDGE | {"range": [-1, 1]})) == -1.0
        assert lowest_score(GRADER.validate_python(CHECK)) == 0.0

    def test_passing(self) -> None:
        grader = GRADER.validate_python(ALIKE | {"pass_threshold": 0.9})
        assert [passes(grader, score) for score in (0.8, 0.1 * 9, 0.9, 1.0)] == [False, True, True, True]
        assert passes(GRADER.validate_python(ALIKE), 1.0) is None
        assert passes(GRADER.validate_python(CHECK), 1.0) is None


class TestGrpoConfig:
    BASE = {"model_name": "finery/tiny-llama", "dataset_path": "rows.jsonl", "grader": CHECK}

    def test_defaults(self) -> None:
        config = GrpoConfig.model_validate(self.BASE)
        assert (config.n_generations, config.beta, config.batch_size) == (8, 0.0, 4)
        assert GrpoConfig.model_validate(config.model_dump(mode="json")) == config

    @pytest.mark.parametrize(("longest", "answer"), [(8, 4), ("128", 64), (256, 128), (512, 256), (4096, 256)])
    def test_the_default_of_an_answer_leaves_room_for_a_prompt(self, longest: int | str, answer: int) -> None:
        config = GrpoConfig.model_validate(self.BASE | {"max_length": longest})
        assert config.max_completion_length == answer
        assert GrpoConfig.model_validate(config.model_dump(mode="json")) == config

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"max_completion_length": 1024}, "max_completion_length"),
            ({"max_length": 256, "max_completion_length": 256}, "max_completion_length"),
            ({"max_length": 4}, "max_length"),
            ({"max_length": "long"}, "max_length"),
            ({"n_generations": 1}, "n_generations"),
            ({"temperature": 0}, "temperature"),
            ({"grader": None}, "grader"),
            ({"grader": CHECK | {"operation": "is"}}, "grader.string_check.operation"),
        ],
    )
    def test_refuses_by_name(self, change: dict[str, Any], field: str) -> None:
        with pytest.raises(ValidationError) as caught:
            GrpoConfig.model_validate(self.BASE | change)
        assert [".".join(map(str, error["loc"])) for error in caught.value.errors()] == [field]
