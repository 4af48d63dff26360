"""Tries a grader on one answer in a process of its own: the request, the result, and how the process is run."""

import sys
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, TypeAdapter

from finery.contracts.base_models import StrictModel
from finery.contracts.graders.types import Grader, GraderError
from finery.kit.one_shot_program import run_program

SECONDS = 60.0
"""Time limit of the process: a program may take 30 seconds to be loaded, and 10 for its answer."""


class GraderTrial(StrictModel):
    grader: Grader
    item: JsonValue = None
    """The row that is answered; anything but an object counts as an empty one."""
    model_sample: str
    """The answer."""
    verdicts: dict[str, str] | None = None
    """Name of a judging grader → what its judge has answered; None: only the questions to the judges are wanted."""


class JudgeQuestion(StrictModel):
    """What a judging grader would ask its model."""

    grader: str
    messages: list[dict[str, str]]


class TrialIssue(StrictModel):
    grader: str
    error: GraderError
    message: str


class JudgeQuestions(StrictModel):
    kind: Literal["questions"] = "questions"
    questions: list[JudgeQuestion]
    """Without those of graders whose templates name a field that is not there."""


class TrialResult(StrictModel):
    kind: Literal["result"] = "result"
    reward: float
    scores: dict[str, float]
    """Grader's name → its score."""
    issues: list[TrialIssue]
    seconds: float
    """What grading took, without the start of the process."""


TRIED: TypeAdapter[JudgeQuestions | TrialResult] = TypeAdapter(
    Annotated[JudgeQuestions | TrialResult, Field(discriminator="kind")]
)


def try_in_subprocess(trial: GraderTrial) -> JudgeQuestions | TrialResult:
    """Runs the trial. Raises ProgramFailed, ProgramTooSlow, and OSError if the process cannot start."""
    # -P keeps the working directory, where users' files may lie, out of the module search path.
    argv = [sys.executable, "-P", "-m", "finery.trainers.graders.trial"]
    answer = run_program(argv, trial.model_dump_json().encode(), seconds=SECONDS)
    return TRIED.validate_json(answer.splitlines()[-1])


def case_item(trial: GraderTrial) -> dict[str, Any]:
    return trial.item if isinstance(trial.item, dict) else {}
