"""Grader types of reinforcement fine-tuning, in the format of OpenAI's API, and helpers to inspect them."""

import ast
import math
import re
from collections.abc import Iterator
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from finery.contracts.base_models import StrictModel
from finery.contracts.graders.formula import FUNCTIONS, Formula
from finery.contracts.graders.templates import check_template
from finery.contracts.inputs import ModelName

LARGEST_SOURCE = 256 * 1024
MOST_WORDS = 20_000
"""Maximum tokens of a program. Python's parser takes half a second for 100,000, and holds the GIL meanwhile."""
LARGEST_TEXT = 512 * 1024
"""Maximum characters of all texts of a grader and its parts."""
MOST_GRADERS = 32
WORD = re.compile(r"\w+|[^\w\s]")
PART_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

Name = Annotated[str, Field(min_length=1, max_length=200)]
Template = Annotated[str, Field(max_length=100_000), AfterValidator(check_template)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class GraderError(StrEnum):
    """Why an answer could not be graded, by OpenAI's names. Its score is then the lowest."""

    VARIABLE = "invalid_variable_error"
    """The item has no field that a template names."""
    SAMPLE = "sample_parse_error"
    """A template names a field of the answer's JSON, and the answer is not JSON or has no such field."""
    FORMULA = "formula_parse_error"
    """The formula has no value for these scores."""
    JUDGE = "model_grader_parse_error"
    """The judge's answer contains no score."""
    PYTHON = "python_grader_runtime_error"
    """The program failed, returned no number, or exceeded its limits."""
    PYTHON_SERVER = "python_grader_server_error"
    """The program's process could not be started."""


class _Grader(StrictModel):
    name: Name = "grader"
    """The grader's name, under which its scores are reported."""

    @model_validator(mode="before")
    @classmethod
    def _is_bounded(cls, value: Any) -> Any:
        if _characters_in(value) > LARGEST_TEXT:
            raise ValueError(f"a grader's texts may have {LARGEST_TEXT} characters in all")
        return value


class StringCheckGrader(_Grader):
    """Scores 1 or 0. `like`: the input contains the reference; `ilike`: the same, ignoring case."""

    type: Literal["string_check"]
    input: Template
    """The text that is compared, a template: `{{sample.output_text}}` is the answer, `{{item.…}}` a column of the
    row."""
    reference: Template
    """The text that it is compared with, a template too."""
    operation: Literal["eq", "ne", "like", "ilike"]
    """How they are compared: equal, not equal, or whether the input contains the reference (`ilike`: in any case)."""


Metric = Literal[
    "fuzzy_match", "bleu", "gleu", "meteor", "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l"
]


class TextSimilarityGrader(_Grader):
    """Scores the similarity of input and reference from 0 to 1."""

    type: Literal["text_similarity"]
    input: Template
    """The text that is compared, a template."""
    reference: Template
    """The text that it is compared with, a template."""
    evaluation_metric: Metric
    """The measure of similarity."""
    pass_threshold: Number | None = None
    """The share of answers at or above it is reported as `<name>_passed`; the reward is the score itself."""

    @field_validator("evaluation_metric", mode="before")
    @classmethod
    def _refuse_cosine(cls, value: Any) -> Any:
        if value == "cosine":
            raise ValueError("cosine needs an embedding model, and none is configured; choose another metric")
        return value


class ContentPart(StrictModel):
    type: Literal["input_text", "output_text"]
    """Text of either side. A judge accepts no images or audio here."""
    text: Template
    """The text, a template."""


class JudgeMessage(StrictModel):
    role: Literal["user", "assistant", "system", "developer"]
    """Who speaks; the last message is the user's."""
    content: Template | ContentPart | Annotated[list[Template | ContentPart], Field(min_length=1, max_length=100)]
    """What is said, a template or parts with templates."""
    type: Literal["message"] = "message"

    @property
    def templates(self) -> list[str]:
        parts = self.content if isinstance(self.content, list) else [self.content]
        return [part if isinstance(part, str) else part.text for part in parts]


class SamplingParams(StrictModel):
    max_completions_tokens: Annotated[int, Field(ge=1, le=32_768)] = 64
    """Tokens of the judge's answer, at most."""
    temperature: Annotated[float, Field(ge=0.0, le=2.0, allow_inf_nan=False)] = 0.0
    """The temperature of the judge; 0: always the likeliest token."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False)] = 1.0
    """The judge samples from the likeliest tokens that have this share of the probability together."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    """Seeds the judge's sampling."""
    reasoning_effort: None = None
    """Not supported: judges are local models without such a setting."""

    @field_validator("reasoning_effort", mode="before")
    @classmethod
    def _refuse_effort(cls, value: Any) -> Any:
        if value is not None:
            raise ValueError("reasoning_effort is not supported: a judge is a local model, which has no such setting")
        return value


class ScoreModelGrader(_Grader):
    """A model reads the messages and answers with a number, which is clipped to the range."""

    type: Literal["score_model"]
    input: Annotated[list[JudgeMessage], Field(min_length=1, max_length=100)]
    """The conversation that the judge answers with a number."""
    model: ModelName
    """A built-in model, a local folder, an earlier run's id or a hub id; the trainer loads it beside its own."""
    range: Annotated[list[Number], Field(min_length=2, max_length=2)] = [0.0, 1.0]
    """The lowest and the highest score."""
    sampling_params: SamplingParams = SamplingParams()
    """How the judge's answer is sampled."""
    pass_threshold: Number | None = None
    """The share of answers at or above it is reported as `<name>_passed`."""

    @field_validator("range")
    @classmethod
    def _ascends(cls, value: list[float]) -> list[float]:
        if not value[0] < value[1]:
            raise ValueError("range must be two numbers, the lower one first")
        return value

    @field_validator("input")
    @classmethod
    def _asks(cls, value: list[JudgeMessage]) -> list[JudgeMessage]:
        if value[-1].role != "user":
            raise ValueError("the last message of input must be the user's: the judge answers it")
        return value


class PythonGrader(_Grader):
    """Calls `grade(sample, item)` of a program; an administrator must have allowed such graders."""

    type: Literal["python"]
    source: Annotated[str, Field(min_length=1, max_length=LARGEST_SOURCE)]
    """The program, which defines `grade(sample, item)` and returns a number."""
    image_tag: Annotated[str, Field(max_length=100)] | None = None
    """OpenAI's image of packages. Here, the program has those of the training environment, as a notice says."""
    pass_threshold: Number | None = None
    """The share of answers at or above it is reported as `<name>_passed`."""

    @field_validator("source")
    @classmethod
    def _has_grade(cls, value: str) -> str:
        if sum(1 for _ in islice(WORD.finditer(value), MOST_WORDS + 1)) > MOST_WORDS:
            raise ValueError(f"source has more than {MOST_WORDS} words and signs; keep long tables out of it")
        try:
            tree = ast.parse(value)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = f" (line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
            raise ValueError(f"source is no valid Python{line}") from error
        if "grade" not in _bound_names(tree):
            raise ValueError("source must define grade(sample, item)")
        return value


SingleGrader = Annotated[
    StringCheckGrader | TextSimilarityGrader | ScoreModelGrader | PythonGrader, Field(discriminator="type")
]


class MultiGrader(_Grader):
    """Combines the scores of several graders by a formula."""

    type: Literal["multi"]
    graders: Annotated[dict[str, SingleGrader], Field(min_length=1, max_length=MOST_GRADERS)]
    """The graders, by the names that the formula has for their scores."""
    calculate_output: Annotated[str, Field(min_length=1, max_length=1000)]
    """The formula of the score, as `0.8 * right + 0.2 * short`."""

    @field_validator("graders", mode="before")
    @classmethod
    def _one_is_a_map_too(cls, value: Any) -> Any:
        """Accepts a single grader, as in the types of OpenAI's SDK, and a map, as in the examples of its guide."""
        if isinstance(value, dict) and isinstance(value.get("type"), str):
            return {str(value.get("name", "grader")): value}
        return value

    @field_validator("graders")
    @classmethod
    def _can_be_named(cls, value: dict[str, SingleGrader]) -> dict[str, SingleGrader]:
        for name in value:
            if not PART_NAME.fullmatch(name) or name in FUNCTIONS:
                raise ValueError(f"{name[:80]!r} cannot be named in a formula; use letters, digits and _")
        return value

    @field_validator("calculate_output")
    @classmethod
    def _is_a_formula(cls, value: str, info: ValidationInfo) -> str:
        if "graders" in info.data:
            Formula(value, list(info.data["graders"]))
        return value


Grader = Annotated[
    StringCheckGrader | TextSimilarityGrader | ScoreModelGrader | PythonGrader | MultiGrader,
    Field(discriminator="type"),
]


def parts_of(grader: Grader) -> dict[str, SingleGrader]:
    """Returns the graders that produce scores, by the name under which these are reported."""
    return dict(grader.graders) if isinstance(grader, MultiGrader) else {grader.name: grader}


def judges_of(grader: Grader) -> list[str]:
    """Returns the models that act as judges, without duplicates."""
    models = (part.model for part in parts_of(grader).values() if isinstance(part, ScoreModelGrader))
    return list(dict.fromkeys(models))


def runs_python(grader: Grader) -> bool:
    return any(isinstance(part, PythonGrader) for part in parts_of(grader).values())


def templates_of(grader: Grader) -> list[str]:
    return [text for part in parts_of(grader).values() for text in _templates(part)]


def lowest_score(grader: SingleGrader) -> float:
    """Returns the score of an answer that could not be graded."""
    return grader.range[0] if isinstance(grader, ScoreModelGrader) else 0.0


def passes(grader: SingleGrader, score: float) -> bool | None:
    """Returns whether the score reaches the threshold; None if there is none."""
    if isinstance(grader, StringCheckGrader) or grader.pass_threshold is None:
        return None
    # Rounding may compute 0.9 as 0.8999999999999999, which reaches a threshold of 0.9.
    return score >= grader.pass_threshold or math.isclose(score, grader.pass_threshold)


def _templates(grader: SingleGrader) -> list[str]:
    match grader:
        case StringCheckGrader() | TextSimilarityGrader():
            return [grader.input, grader.reference]
        case ScoreModelGrader():
            return [text for message in grader.input for text in message.templates]
        case PythonGrader():
            return []


def _characters_in(value: Any) -> int:
    count, waiting = 0, [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                count += len(text)
            case dict() as values:
                waiting.extend(values.values())
            case list() as values:
                waiting.extend(values)
    return count


def _bound_names(tree: ast.Module) -> Iterator[str]:
    """Yields the names that the program defines at its top level."""
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Assign():
                yield from (target.id for target in node.targets if isinstance(target, ast.Name))
            case ast.Import() | ast.ImportFrom():
                yield from (alias.asname or alias.name for alias in node.names)
