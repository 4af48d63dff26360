from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import TypeAdapter

from finery.contracts.graders import Grader, GraderError, ScoreModelGrader
from finery.trainers.graders.grading import Case, Grading, Judge
from finery.trainers.graders.python import Limits, ProgramNotStarted

READ: TypeAdapter[Any] = TypeAdapter(Grader)
PARIS = Case({"answer": "Paris"}, "Paris")
LONG = Case({"answer": "Paris"}, "It is paris, I think.")
CHECK = {"type": "string_check", "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}"}
ALIKE = {
    "type": "text_similarity",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}",
    "evaluation_metric": "rouge_1",
}
JUDGE = {
    "type": "score_model",
    "model": "m",
    "range": [-1, 2],
    "input": [
        {"role": "developer", "content": "Grade."},
        {"role": "user", "content": [{"type": "input_text", "text": "Is {{ sample.output_text }}"}, " right?"]},
    ],
}


class ScriptedJudge:
    def __init__(self, *answers: str) -> None:
        self._answers = answers
        self.asked: list[list[dict[str, str]]] = []

    def answers(self, conversations: Sequence[list[dict[str, str]]], grader: ScoreModelGrader) -> list[str]:
        self.asked += conversations
        return list(self._answers[: len(conversations)])


def open_grading(grader: dict[str, Any], **judges: Judge) -> Grading:
    return Grading(READ.validate_python(grader), judges, Limits(seconds=5.0))


class TestStringCheck:
    @pytest.mark.parametrize(
        ("operation", "scores"), [("eq", [1, 0]), ("ne", [0, 1]), ("like", [1, 0]), ("ilike", [1, 1])]
    )
    def test_operations(self, operation: str, scores: list[float]) -> None:
        grades = open_grading(CHECK | {"operation": operation}).grade([PARIS, LONG])
        assert [grade.score for grade in grades] == scores

    @pytest.mark.parametrize(
        ("reference", "error"),
        [
            ("{{ item.other }}", GraderError.VARIABLE),
            ("{{ sample.output_json.city }}", GraderError.SAMPLE),
        ],
    )
    def test_what_is_missing_is_an_error_and_scores_0(self, reference: str, error: GraderError) -> None:
        (grade,) = open_grading(CHECK | {"operation": "ne", "reference": reference}).grade([PARIS])
        assert (grade.score, [issue.error for issue in grade.issues]) == (0.0, [error])


class TestTextSimilarity:
    def test_scores(self) -> None:
        grades = open_grading(ALIKE).grade([PARIS, LONG])
        assert [grade.score for grade in grades] == pytest.approx([1.0, 2 / 6])


class TestScoreModel:
    def test_is_cut_to_the_range_and_lowest_when_unread(self) -> None:
        judge = ScriptedJudge("1.5", "7", "no idea")
        grades = open_grading(JUDGE, m=judge).grade([PARIS, PARIS, PARIS])
        assert [grade.score for grade in grades] == [1.5, 2.0, -1.0]
        assert [[issue.error for issue in grade.issues] for grade in grades] == [[], [], [GraderError.JUDGE]]

    def test_asks_with_the_messages_and_for_a_number(self) -> None:
        judge = ScriptedJudge("1")
        open_grading(JUDGE, m=judge).grade([PARIS])
        assert judge.asked == [
            [
                {"role": "system", "content": "Grade."},
                {
                    "role": "user",
                    "content": "Is Paris right?\n\nAnswer with one number from -1 to 2, and nothing else.",
                },
            ]
        ]

    def test_does_not_ask_about_what_cannot_be_shown(self) -> None:
        judge = ScriptedJudge("1")
        grader = JUDGE | {"input": [{"role": "user", "content": "{{ item.hint }}"}]}
        grades = open_grading(grader, m=judge).grade([PARIS, Case({"hint": "h"}, "x")])
        assert [grade.score for grade in grades] == [-1.0, 1.0]
        assert len(judge.asked) == 1


class TestPython:
    def test_scores_and_errors(self) -> None:
        source = "def grade(sample, item):\n    return 1 / (sample['output_text'] == item['answer'])"
        grading = open_grading({"type": "python", "source": source})
        grades = grading.grade([PARIS, LONG])
        grading.close()
        assert [grade.score for grade in grades] == [1.0, 0.0]
        assert [(issue.error, issue.message) for issue in grades[1].issues] == [
            (GraderError.PYTHON, "ZeroDivisionError in line 2 of the program")
        ]

    def test_one_that_cannot_be_loaded_leaves_nothing_open(self) -> None:
        good = {"type": "python", "source": "def grade(sample, item): return 1"}
        bad = {"type": "python", "source": "import no_such\ndef grade(sample, item): return 1"}
        multi = {"type": "multi", "graders": {"good": good, "bad": bad}, "calculate_output": "good"}
        with pytest.raises(ProgramNotStarted, match="ModuleNotFoundError"):
            open_grading(multi)


class TestMulti:
    GRADER = {
        "type": "multi",
        "graders": {"exact": CHECK | {"operation": "eq"}, "alike": ALIKE},
        "calculate_output": "0.5 * exact + 0.5 * alike",
    }

    def test_combines(self) -> None:
        grades = open_grading(self.GRADER).grade([PARIS, LONG])
        assert [grade.score for grade in grades] == pytest.approx([1.0, 1 / 6])
        assert grades[1].scores == pytest.approx({"exact": 0.0, "alike": 1 / 3})

    def test_a_formula_without_a_value_scores_0(self) -> None:
        grades = open_grading(self.GRADER | {"calculate_output": "1 / exact"}).grade([PARIS, LONG])
        assert [grade.score for grade in grades] == [1.0, 0.0]
        assert [issue.error for issue in grades[1].issues] == [GraderError.FORMULA]
