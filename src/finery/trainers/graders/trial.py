"""`python -m finery.trainers.graders.trial`: tries a grader on one answer, as a training would grade it.

A GraderTrial is read from stdin; JudgeQuestions or a TrialResult goes to stdout, both as JSON.
"""

import sys
import time
from collections.abc import Sequence

from finery.contracts.graders import (
    FieldMissing,
    GraderError,
    ScoreModelGrader,
    lowest_score,
    parts_of,
)
from finery.contracts.graders.trial import (
    GraderTrial,
    JudgeQuestion,
    JudgeQuestions,
    TrialIssue,
    TrialResult,
    case_item,
)
from finery.trainers.graders.grading import Case, Grade, Grading, Issue, conversation_of
from finery.trainers.graders.python import ProgramNotStarted


class AskedJudge:
    """A judge that has answered already: what it said, by the grader that asked."""

    def __init__(self, verdicts: dict[str, str], names: dict[int, str]) -> None:
        self._verdicts = verdicts
        self._names = names

    def answers(self, conversations: Sequence[list[dict[str, str]]], grader: ScoreModelGrader) -> list[str]:
        return [self._verdicts.get(self._names[id(grader)], "") for _ in conversations]


def main() -> int:
    trial = GraderTrial.model_validate_json(sys.stdin.buffer.read())
    answer = questions_of(trial) if trial.verdicts is None else result_of(trial, trial.verdicts)
    # A grader's own program writes elsewhere; the answer is the last line.
    print(answer.model_dump_json(), flush=True)
    return 0


def questions_of(trial: GraderTrial) -> JudgeQuestions:
    """Returns what each judging grader asks. One whose question cannot be written is an issue of the result."""
    case = Case(case_item(trial), trial.model_sample)
    questions = []
    for name, part in parts_of(trial.grader).items():
        if isinstance(part, ScoreModelGrader):
            try:
                questions.append(JudgeQuestion(grader=name, messages=conversation_of(part, case.spaces)))
            except FieldMissing:
                continue
    return JudgeQuestions(questions=questions)


def result_of(trial: GraderTrial, verdicts: dict[str, str]) -> TrialResult:
    parts = parts_of(trial.grader)
    judging = {name: part for name, part in parts.items() if isinstance(part, ScoreModelGrader)}
    judge = AskedJudge(verdicts, {id(part): name for name, part in judging.items()})
    start = time.monotonic()
    try:
        grading = Grading(trial.grader, {part.model: judge for part in judging.values()})
    except ProgramNotStarted as error:
        lowest = {name: lowest_score(part) for name, part in parts.items()}
        grade = Grade(0.0, lowest, [Issue(trial.grader.name, GraderError.PYTHON_SERVER, str(error))])
    else:
        try:
            (grade,) = grading.grade([Case(case_item(trial), trial.model_sample)])
        finally:
            grading.close()
    issues = [TrialIssue(grader=issue.grader, error=issue.error, message=issue.message) for issue in grade.issues]
    return TrialResult(reward=grade.score, scores=grade.scores, issues=issues, seconds=time.monotonic() - start)


if __name__ == "__main__":
    sys.exit(main())
