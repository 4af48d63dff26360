"""Ranks the runs of a sweep by a metric."""

from collections.abc import Sequence

from finery.contracts.recipes import RECIPES, GradedConfig
from finery.contracts.run import Run
from finery.contracts.status import RunStatus
from finery.contracts.sweeps import Goal
from finery.kit.numbers import is_finite_number

OF_EVALUATION = "eval_"
"""How the names of metrics over the evaluation rows begin."""
MAXIMIZED = ("accuracy", "reward", "score", "margin")
"""Words in the names of metrics of which more is better."""


def ranking_of(recipe: str, runs: Sequence[Run], metric: str | None, goal: Goal | None) -> tuple[str, Goal]:
    """Return the metric and the goal that count where a sweep leaves them open.

    The metric is the evaluation's loss, or its reward where a grader gives one; without an evaluation, training's.
    """
    if metric is None:
        known = RECIPES.get(recipe)
        is_graded = known is not None and issubclass(known.config, GradedConfig)
        metric = "reward" if is_graded else "loss"
        if any(run.progress.evaluation is not None for run in runs):
            metric = f"{OF_EVALUATION}{metric}"
    return metric, goal or (Goal.MAX if any(word in metric for word in MAXIMIZED) else Goal.MIN)


def score_of(run: Run, metric: str) -> float | None:
    """Return the run's newest value of a metric; `eval_loss` is the evaluation's loss."""
    told = run.progress.model_dump(exclude={"evaluation"})
    if metric.startswith(OF_EVALUATION):
        told, metric = run.progress.evaluation or {}, metric.removeprefix(OF_EVALUATION)
    value = told.get(metric)
    return float(value) if is_finite_number(value) else None


def best_of(runs: Sequence[Run], metric: str, goal: Goal) -> Run | None:
    """Return the succeeded run with the best value, of equals the first."""
    scored = [
        (score, run)
        for run in runs
        if run.status is RunStatus.SUCCEEDED and (score := score_of(run, metric)) is not None
    ]
    sign = 1 if goal is Goal.MIN else -1
    return min(scored, key=lambda pair: (sign * pair[0], pair[1].number))[1] if scored else None
