"""Sweeps as services return them and take them: runs that differ in some fields of their configuration."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, JsonValue

from finery.contracts.base_models import FrozenModel, StrictModel
from finery.contracts.run import LabelText, NewRun, Run
from finery.contracts.status import RunStatus

MOST_RUNS = 100
"""Of one sweep."""
MetricName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z_][A-Za-z0-9_./-]*$")]


class Goal(StrEnum):
    """Which value of the metric is the best."""

    MIN = "min"
    MAX = "max"


class NewSweep(StrictModel):
    """A request for a sweep. A dialect maps its request body to this."""

    run: NewRun
    """What the runs have in common; a field of its `config` may hold a list of values. Its idempotency key is the
    sweep's."""
    metric: str | None = None
    goal: Goal | None = None


class SweepChanges(StrictModel):
    """Changes the fields that are set; all but `shared` can be cleared with null."""

    name: LabelText | None = None
    metric: MetricName | None = None
    """By which the best run is found; null: by the recipe's own."""
    goal: Goal | None = None
    """Whether the best has the smallest or the largest value; null: as the metric's name tells."""
    shared: bool | None = None
    """Also of its runs."""


class Sweep(FrozenModel):
    """Runs of one request, which differ in some fields of their configuration."""

    id: str
    owner_id: str | None
    shared: bool
    """Whether all who may read runs see it, and its runs."""
    name: str | None
    recipe: str
    grid: dict[str, list[JsonValue]]
    """The fields that differ, with the values of each in the request's order."""
    metric: str | None
    """By which the best run is found; null: by the recipe's own."""
    goal: Goal | None
    """Whether the best has the smallest or the largest value; null: as the metric's name tells."""
    run_counts: dict[RunStatus, int]
    """How many of its runs are in each state."""
    created_at: datetime
    updated_at: datetime


class SweepRun(FrozenModel):
    """A run of a sweep."""

    run: Run
    """The run."""
    values: dict[str, JsonValue]
    """What the fields that differ are in this run, as requested."""
    score: float | None
    """Its newest value of the metric; null: it has none yet."""
    is_best: bool
    """Whether it has the best value of the runs that have succeeded."""


class SweepDetails(Sweep):
    """A sweep with its runs."""

    ranked_by: str
    """The metric by which the best is found here."""
    ranked_for: Goal
    """Whether the best has its smallest or its largest value."""
    runs: list[SweepRun]
    """The runs, in the order of their acceptance."""


class SweepPage(FrozenModel):
    """Sorted from newest to oldest."""

    sweeps: list[Sweep]
    """The sweeps."""
    next_cursor: str | None
