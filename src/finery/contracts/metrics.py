"""Metrics of a run as curves are drawn from them: sampled by their least and greatest values."""

from dataclasses import dataclass
from enum import StrEnum

from finery.contracts.base_models import FrozenModel


class Place(StrEnum):
    """What a curve may be drawn over, beside the step."""

    EPOCHS = "epochs"
    TOKENS = "tokens"
    TIMES = "times"


@dataclass(frozen=True)
class SampleRequest:
    points: int = 1000
    """About so many of each series."""
    after: int = 0
    """Only what was told in events with a greater sequence number."""
    from_step: int | None = None
    to_step: int | None = None
    """Both included."""
    names: frozenset[str] = frozenset()
    """Empty: all."""
    places: frozenset[Place] = frozenset()


class MetricSeries(FrozenModel):
    """Columns of equal length, by step."""

    name: str
    """Those of an evaluation begin with `eval_`."""
    steps: list[float]
    values: list[float | None]
    """null: the metric was told, and was no finite number (NaN, or an infinity)."""
    means: list[float | None] | None = None
    """The mean of all values in the point's bucket, from which a smoothed line is drawn; null: each point stands for
    itself."""
    epochs: list[float | None] | None = None
    """Like `tokens` and `times` only where it is asked for; null in it where that was not told."""
    tokens: list[float | None] | None = None
    """How many tokens had been learned from."""
    times: list[float] | None = None
    """In seconds since 1970, UTC."""


class SampledMetrics(FrozenModel):
    series: list[MetricSeries]
    """By name."""
    sequence: int
    """The last event that it takes into account: as `after` it leads to what comes next."""
    steps_per_bucket: int
    """Of so many steps the least and the greatest value of each metric are told; 1: nothing was left out."""
    is_cut: bool
    """Whether there are more metrics than are told."""
