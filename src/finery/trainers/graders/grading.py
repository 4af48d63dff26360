"""Grades answers: runs the parts of a grader on each answer, and combines their scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from finery.contracts.graders import (
    FieldMissing,
    Formula,
    FormulaFailed,
    Grader,
    GraderError,
    MultiGrader,
    PythonGrader,
    ScoreModelGrader,
    SingleGrader,
    StringCheckGrader,
    TextSimilarityGrader,
    lowest_score,
    parts_of,
    render,
    sample_of,
)
from finery.trainers.graders.python import Limits, ProgramFailed, ProgramNotStarted, PythonProgram
from finery.trainers.graders.scores import NoScore, parse_score
from finery.trainers.graders.similarity import METRICS


class Judge(Protocol):
    """A model that scores answers."""

    def answers(self, conversations: Sequence[list[dict[str, str]]], grader: ScoreModelGrader) -> list[str]:
        """Returns the judge's answer to each conversation."""


@dataclass(frozen=True)
class Case:
    """An answer, and the row (`item`) that it answers."""

    item: dict[str, Any]
    text: str

    @property
    def spaces(self) -> dict[str, Any]:
        """The namespaces of templates: `{{item.…}}` and `{{sample.…}}`."""
        return {"item": self.item, "sample": sample_of(self.text)}


@dataclass(frozen=True)
class Issue:
    """Why a grader gave an answer its lowest score."""

    grader: str
    error: GraderError
    message: str


@dataclass
class Grade:
    score: float
    scores: dict[str, float]
    """Grader's name → its score."""
    issues: list[Issue] = field(default_factory=list)


class NotGraded(Exception):
    """A grader could not score one answer."""

    def __init__(self, error: GraderError, message: str) -> None:
        super().__init__(message)
        self.error = error


Scorer = Callable[[Sequence[Case]], list[float | NotGraded]]
"""Scores all cases at once: a judge answers several in the time of one."""


class Grading:
    """The opened grader of a run, with its programs started. Raises ProgramNotStarted when one cannot be loaded."""

    def __init__(self, grader: Grader, judges: Mapping[str, Judge], limits: Limits | None = None) -> None:
        self._parts = parts_of(grader)
        self._formula = Formula(grader.calculate_output, list(self._parts)) if isinstance(grader, MultiGrader) else None
        self.programs: list[PythonProgram] = []
        self._scorers = {name: self._scorer(part, judges, limits) for name, part in self._parts.items()}

    def grade(self, cases: Sequence[Case]) -> list[Grade]:
        """Returns a grade for each case; a grader that fails gives its lowest score and an Issue."""
        grades = [Grade(0.0, {}) for _ in cases]
        for name, scorer in self._scorers.items():
            for grade, given in zip(grades, scorer(cases), strict=True):
                if isinstance(given, NotGraded):
                    grade.issues.append(Issue(name, given.error, str(given)))
                    given = lowest_score(self._parts[name])
                grade.scores[name] = given
        for grade in grades:
            self._combine(grade)
        return grades

    def close(self) -> None:
        for program in self.programs:
            program.close()

    def _combine(self, grade: Grade) -> None:
        if self._formula is None:
            (grade.score,) = grade.scores.values()
            return
        try:
            grade.score = self._formula.value(grade.scores)
        except FormulaFailed as error:
            grade.issues.append(Issue("calculate_output", GraderError.FORMULA, str(error)))

    def _scorer(self, part: SingleGrader, judges: Mapping[str, Judge], limits: Limits | None) -> Scorer:
        match part:
            case StringCheckGrader():
                return lambda cases: [_attempted(check, part, case) for case in cases]
            case TextSimilarityGrader():
                return lambda cases: [_attempted(compare, part, case) for case in cases]
            case ScoreModelGrader():
                judge = judges[part.model]
                return lambda cases: _judged(judge, part, cases)
            case PythonGrader():
                program = self._started(part, limits)
                return lambda cases: [_run(program, case) for case in cases]

    def _started(self, part: PythonGrader, limits: Limits | None) -> PythonProgram:
        program = PythonProgram(part.source, limits)
        self.programs.append(program)
        try:
            program.start()
        except ProgramNotStarted:
            self.close()
            raise
        return program


def check(grader: StringCheckGrader, spaces: dict[str, Any]) -> float:
    """Returns 1 or 0. Raises FieldMissing."""
    text, reference = render(grader.input, spaces), render(grader.reference, spaces)
    match grader.operation:
        case "eq":
            return float(text == reference)
        case "ne":
            return float(text != reference)
        case "like":
            return float(reference in text)
        case "ilike":
            return float(reference.casefold() in text.casefold())


def compare(grader: TextSimilarityGrader, spaces: dict[str, Any]) -> float:
    """Returns the texts' similarity, 0 to 1. Raises FieldMissing."""
    return METRICS[grader.evaluation_metric](render(grader.input, spaces), render(grader.reference, spaces))


def _attempted(score: Callable[[Any, dict[str, Any]], float], part: SingleGrader, case: Case) -> float | NotGraded:
    try:
        return score(part, case.spaces)
    except FieldMissing as error:
        return _missing(error)


def _judged(judge: Judge, part: ScoreModelGrader, cases: Sequence[Case]) -> list[float | NotGraded]:
    given: list[float | NotGraded] = []
    conversations: list[tuple[int, list[dict[str, str]]]] = []
    for index, case in enumerate(cases):
        try:
            conversations.append((index, conversation_of(part, case.spaces)))
            given.append(0.0)
        except FieldMissing as error:
            given.append(_missing(error))
    answers = judge.answers([conversation for _, conversation in conversations], part)
    for (index, _), answer in zip(conversations, answers, strict=True):
        given[index] = _read_score(answer, part)
    return given


def conversation_of(part: ScoreModelGrader, spaces: dict[str, Any]) -> list[dict[str, str]]:
    """Returns the grader's messages; the last one ends with the form that the judge's answer must have."""
    messages = [
        {
            "role": "system" if message.role == "developer" else message.role,
            "content": "".join(render(text, spaces) for text in message.templates),
        }
        for message in part.input
    ]
    low, high = part.range
    messages[-1]["content"] += f"\n\nAnswer with one number from {low:g} to {high:g}, and nothing else."
    return messages


def _read_score(answer: str, part: ScoreModelGrader) -> float | NotGraded:
    low, high = part.range
    try:
        return min(max(parse_score(answer), low), high)
    except NoScore as error:
        return NotGraded(GraderError.JUDGE, str(error))


def _run(program: PythonProgram, case: Case) -> float | NotGraded:
    try:
        return program.grade(case.spaces["sample"], case.item)
    except ProgramFailed as error:
        return NotGraded(GraderError.PYTHON, str(error))
    except ProgramNotStarted as error:
        return NotGraded(GraderError.PYTHON_SERVER, str(error))


def _missing(error: FieldMissing) -> NotGraded:
    kind = GraderError.SAMPLE if error.path[0] == "sample" else GraderError.VARIABLE
    return NotGraded(kind, str(error))
