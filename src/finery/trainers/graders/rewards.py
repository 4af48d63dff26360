"""Rewards for the recipe `grpo`: grades the answers, and reports metrics, samples and issues."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from transformers import PreTrainedModel, TrainerState

from finery.contracts.events import SampleData
from finery.contracts.graders import PythonGrader, parts_of, passes
from finery.contracts.recipes import GrpoConfig
from finery.trainers.attempt import Attempt
from finery.trainers.graders.grading import Case, Grade, Grading

SAMPLES = 50
"""About so many of a run's answers are reported."""


class Rewards:
    """The reward function of one run, and its reports."""

    def __init__(self, attempt: Attempt, config: GrpoConfig, grading: Grading) -> None:
        self._attempt = attempt
        self._parts = parts_of(config.grader)
        self._grading = grading
        self._issues: Counter[tuple[str, str]] = Counter()
        self._graded = 0
        self._shown: set[int] = set()
        self._model: PreTrainedModel | None = None
        self._report_conditions()

    def set_model(self, model: PreTrainedModel) -> None:
        """Names the model whose answers are graded from now on."""
        self._model = model

    def of_answers(
        self,
        *,
        completions: list[str],
        question: list[str],
        item: list[str],
        trainer_state: TrainerState,
        log_metric: Callable[[str, float], None],
        **_: Any,
    ) -> list[float]:
        """Returns a reward for each answer. TRL calls this with the columns of the rows that were answered."""
        cases = [Case(json.loads(row), text) for row, text in zip(item, completions, strict=True)]
        grades = self._grading.grade(cases)
        self._count(grades)
        for name, part in self._parts.items():
            scores = [grade.scores[name] for grade in grades]
            log_metric(f"graders/{name}", sum(scores) / len(scores))
            passed = [passes(part, score) for score in scores]
            if passed[0] is not None:
                log_metric(f"graders/{name}_passed", sum(map(bool, passed)) / len(passed))
        log_metric("grader_errors", sum(len(grade.issues) for grade in grades) / len(grades))
        self._report_sample(trainer_state, question[0], completions[0], grades[0])
        return [grade.score for grade in grades]

    def report_issues(self) -> None:
        """Reports at the end how many answers could not be graded."""
        for (grader, error), count in self._issues.items():
            self._attempt.reporter.notice(
                "grader_errors",
                f"grader {grader}: {count} of {self._graded} answers got the lowest score ({error})",
                grader=grader,
                error=error,
                count=count,
                graded=self._graded,
            )

    def _count(self, grades: list[Grade]) -> None:
        self._graded += len(grades)
        for issue in (issue for grade in grades for issue in grade.issues):
            key = (issue.grader, issue.error.value)
            if key not in self._issues:
                self._attempt.reporter.notice(
                    "grader_error",
                    f"grader {issue.grader}: {issue.message}; such an answer gets the lowest score",
                    grader=issue.grader,
                    error=issue.error.value,
                )
            self._issues[key] += 1

    def _report_sample(self, state: TrainerState, question: str, text: str, grade: Grade) -> None:
        every = max(1, state.max_steps // SAMPLES)
        evaluates = self._model is not None and not self._model.training
        if evaluates or state.global_step % every or state.global_step in self._shown:
            return
        self._shown.add(state.global_step)
        step = state.global_step + 1
        self._attempt.reporter.event(
            SampleData(step=step, prompt=question, text=text, reward=grade.score, scores=grade.scores)
        )
        self._attempt.reporter.log(f"sample at step {step}: {question!r} → {text!r}, reward {grade.score:.4g}")

    def _report_conditions(self) -> None:
        """Warns of an `image_tag`, which is not honoured, and of what this machine cannot close off from programs."""
        for name, part in self._parts.items():
            if isinstance(part, PythonGrader) and part.image_tag is not None:
                self._attempt.reporter.notice(
                    "image_tag_unused",
                    f"grader {name}: image_tag names packages of another service; here the program has those of the "
                    "training environment",
                    level="info",
                )
        open_ways = sorted({way for program in self._grading.programs for way in program.open_ways})
        if open_ways:
            self._attempt.reporter.notice(
                "grader_not_confined",
                f"this machine cannot close off {', '.join(open_ways)} from a grader's program",
                ways=open_ways,
            )
