"""Samples the metrics of a run by the least and greatest values of each bucket of steps, so that no spike is lost.

It is one pass over the events with memory for the buckets alone: they become twice as wide whenever there are too many.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from finery.contracts.events import EventType
from finery.contracts.metrics import MetricSeries, Place, SampledMetrics, SampleRequest
from finery.contracts.permissions import Principal
from finery.domain.runs.history import METRIC_EVENTS
from finery.domain.runs.queries import find_row
from finery.models import EventRow, RunRow

ROWS_AT_ONCE = 1000
MOST_SERIES = 200
MOST_STEPS = 2**53
PLACES = frozenset({"step", "epoch", "tokens", "total_steps", "total_epochs", "eta_seconds", "fraction"})
"""They place a point, or tell how far the run has come, and are no curve of their own."""
EVALUATION = "eval_"
NUMBERS = frozenset({int, float})
"""By their exact type: a bool is an int."""
ABSENT = object()


@dataclass(frozen=True, slots=True)
class Told:
    """Where the metrics of an event stand; of what else it tells, only their values are kept."""

    step: float
    sequence: int
    at: float
    epoch: float | None
    tokens: float | None


Point = tuple[Told, float | None, float | None]
"""With its value, and the mean of the values that it stands for."""
EventColumns = tuple[str, int, int, float, dict[str, Any]]
Counted = tuple[str, Told, dict[str, Any]]
"""The prefix of its metrics' names, and its data."""


class Bucket:
    """The least and greatest value of some steps, their sum, and the newest that is no number."""

    __slots__ = ("count", "high", "high_at", "low", "low_at", "odd_at", "total")

    def __init__(self) -> None:
        self.low, self.high = math.inf, -math.inf
        self.count, self.total = 0, 0.0
        self.low_at: Told | None = None
        self.high_at: Told | None = None
        self.odd_at: Told | None = None

    def add(self, group: list[Told], values: list[Any]) -> None:
        if not set(map(type, values)) <= NUMBERS:
            # The kinds are told apart only where there are others: most metrics are nothing but numbers.
            told_values = list(zip(group, values, strict=True))
            self.odd_at = self.odd_at or next((told for told, value in told_values if value is None), None)
            pairs = [(told, value) for told, value in told_values if type(value) in NUMBERS]
            group, values = [told for told, _ in pairs], [value for _, value in pairs]
        if not values:
            return
        low, high = min(values), max(values)
        self.count += len(values)
        self.total += sum(values)
        if low < self.low:
            self.low, self.low_at = low, group[values.index(low)]
        if high > self.high:
            self.high, self.high_at = high, group[values.index(high)]

    def join(self, other: "Bucket") -> None:
        if other.low < self.low:
            self.low, self.low_at = other.low, other.low_at
        if other.high > self.high:
            self.high, self.high_at = other.high, other.high_at
        self.odd_at = self.odd_at or other.odd_at
        self.count += other.count
        self.total += other.total

    def points(self) -> list[Point]:
        mean = self.total / self.count if self.count else None
        found = ((self.low_at, self.low, mean), (self.high_at, self.high, mean), (self.odd_at, None, None))
        return [(told, value, mean) for told, value, mean in found if told is not None]


class Series:
    """The buckets of one metric by their number, and its two ends."""

    __slots__ = ("buckets", "newest", "oldest")

    def __init__(self) -> None:
        self.buckets: dict[int, Bucket] = {}
        self.newest: Point | None = None
        self.oldest: Point | None = None

    def add(self, number: int, group: list[Told], values: list[Any]) -> None:
        """`group` goes from the newest event to the oldest, as all that came before it."""
        bucket = self.buckets.get(number)
        if bucket is None:
            bucket = self.buckets[number] = Bucket()
        bucket.add(group, values)
        if type(values[-1]) in NUMBERS:
            self.oldest = group[-1], values[-1], values[-1]
        if self.newest is None and type(values[0]) in NUMBERS:
            self.newest = group[0], values[0], values[0]

    def widen(self) -> None:
        buckets: dict[int, Bucket] = {}
        for number, bucket in self.buckets.items():
            wider = buckets.setdefault(number // 2, bucket)
            if wider is not bucket:
                wider.join(bucket)
        self.buckets = buckets

    def points(self) -> list[Point]:
        ends = [end for end in (self.newest, self.oldest) if end is not None]
        found = [*ends, *(point for bucket in self.buckets.values() for point in bucket.points())]
        by_sequence = {point[0].sequence: point for point in found}
        return sorted(by_sequence.values(), key=lambda point: (point[0].step, point[0].sequence))


class Sampler:
    """Takes events from the newest to the oldest.

    An attempt that goes on from a checkpoint tells steps again that the one before it told already: the older ones
    count no more.
    """

    def __init__(self, request: SampleRequest, width: int) -> None:
        self.width = width
        self.is_cut = False
        self.series: dict[str, Series] = {}
        self._request = request
        self._from = -math.inf if request.from_step is None else request.from_step
        self._to = math.inf if request.to_step is None else request.to_step
        self._attempt = -1
        self._told_again_from: dict[str, float] = {}
        """By the events' type: an evaluation does not tell again what a training step told."""
        self._least_step: dict[str, float] = {}

    def take(self, rows: Iterable[Sequence[Any]]) -> None:
        for (number, prefix), group in groupby(self._counted(rows), self._bucket_of):
            self._add(number, prefix, list(group))
        while any(len(series.buckets) > most_buckets(self._request) for series in self.series.values()):
            self.width *= 2
            for series in self.series.values():
                series.widen()

    def _bucket_of(self, counted: Counted) -> tuple[int, str]:
        prefix, told, _ = counted
        return int(told.step // self.width), prefix

    def _counted(self, rows: Iterable[Sequence[Any]]) -> Iterator[Counted]:
        for type_, attempt, sequence, at, data in rows:
            step = data.get("step")
            if type(step) not in NUMBERS or abs(step) > MOST_STEPS:
                continue
            if attempt != self._attempt:
                self._attempt, self._told_again_from = attempt, dict(self._least_step)
            if step >= self._told_again_from.get(type_, math.inf):
                continue
            if step < self._least_step.get(type_, math.inf):
                self._least_step[type_] = step
            if self._from <= step <= self._to:
                told = Told(step, sequence, at, _number(data, "epoch"), _number(data, "tokens"))
                yield EVALUATION if type_ == EventType.EVALUATION else "", told, data

    def _add(self, number: int, prefix: str, counted: list[Counted]) -> None:
        wanted, group = self._request.names, [told for _, told, _ in counted]
        for key in dict.fromkeys(chain.from_iterable(data for *_, data in counted)):
            name = key if not prefix or key.startswith(prefix) else prefix + key
            if key in PLACES or (wanted and name not in wanted):
                continue
            values = [data.get(key, ABSENT) for *_, data in counted]
            if any(value is None or type(value) in NUMBERS for value in values):
                self._add_values(name, number, group, values)

    def _add_values(self, name: str, number: int, group: list[Told], values: list[Any]) -> None:
        series = self.series.get(name)
        if series is None:
            if len(self.series) >= MOST_SERIES:
                self.is_cut = True
                return
            series = self.series[name] = Series()
        series.add(number, group, values)


def most_buckets(request: SampleRequest) -> int:
    return max(1, request.points // 2)


def sample_metrics(session: Session, run_id: str, actor: Principal, request: SampleRequest) -> SampledMetrics:
    """Return each metric's points by step, at most about `request.points` of each. Raises RunNotFound."""
    row = find_row(session, run_id, actor)
    last = row.last_sequence
    sampler = Sampler(request, _likely_width(session, row, request))
    for rows in session.execute(_backwards(row, request.after)).partitions(ROWS_AT_ONCE):
        sampler.take(rows)
    found = {name: series.points() for name, series in sorted(sampler.series.items())}
    return SampledMetrics(
        series=[_series(name, points, request.places, has_means=sampler.width > 1) for name, points in found.items()],
        sequence=last,
        steps_per_bucket=sampler.width,
        is_cut=sampler.is_cut,
    )


def _likely_width(session: Session, row: RunRow, request: SampleRequest) -> int:
    """Return the power of two that makes few enough buckets of the steps between the oldest and the newest event."""
    newest = _backwards(row, request.after).limit(1)
    oldest = newest.order_by(None).order_by(EventRow.sequence)
    steps = [found.data.get("step") for query in (newest, oldest) for found in session.execute(query)]
    numbers = [step for step in steps if type(step) in NUMBERS and abs(step) <= MOST_STEPS]
    low, high = min(numbers, default=0), max(numbers, default=0)
    # A range may go far beyond what there is; too narrow a guess is mended as the events come.
    first = low if request.from_step is None else max(low, request.from_step)
    last = high if request.to_step is None else min(high, request.to_step)
    width = 1
    while (last - first) / width > most_buckets(request):
        width *= 2
    return width


def _backwards(row: RunRow, after: int) -> Select[EventColumns]:
    return (
        select(EventRow.type, EventRow.attempt, EventRow.sequence, EventRow.at, EventRow.data)
        .where(EventRow.run_number == row.number, EventRow.type.in_(METRIC_EVENTS))
        .where(EventRow.sequence > after, EventRow.sequence <= row.last_sequence)
        .order_by(EventRow.sequence.desc())
        .execution_options(yield_per=ROWS_AT_ONCE)
    )


def _series(name: str, points: list[Point], places: frozenset[Place], *, has_means: bool) -> MetricSeries:
    events = [told for told, *_ in points]
    return MetricSeries.model_construct(
        name=name,
        steps=[told.step for told in events],
        values=[value for _, value, _ in points],
        means=[mean for *_, mean in points] if has_means else None,
        epochs=[told.epoch for told in events] if Place.EPOCHS in places else None,
        tokens=[told.tokens for told in events] if Place.TOKENS in places else None,
        times=[told.at for told in events] if Place.TIMES in places else None,
    )


def _number(data: dict[str, Any], key: str) -> float | None:
    value = data.get(key)
    return value if type(value) in NUMBERS else None
