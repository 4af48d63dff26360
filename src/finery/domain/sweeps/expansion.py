"""Makes the runs of a sweep from its request: one for each combination of the values that its fields hold."""

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finery.contracts.recipes import Recipe
from finery.contracts.recipes.list_fields import holds_values
from finery.contracts.sweeps import MOST_RUNS
from finery.domain.errors import Issue
from finery.domain.sweeps.errors import InvalidSweep
from finery.kit.printable import printable
from finery.kit.translatable import Translatable

SHORT = {
    "batch_size": "batch",
    "dataset_path": "data",
    "gradient_accumulation_steps": "accumulation",
    "learning_rate": "lr",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "lora_rank": "rank",
    "lora_target_modules": "modules",
    "model_name": "model",
    "num_epochs": "epochs",
}
"""How fields that are often swept are called in names of runs."""
LONGEST_VALUE, LONGEST_NAME = 40, 200
"""Characters of a value in a name, and of a name."""


@dataclass(frozen=True)
class Member:
    """One run of a sweep."""

    config: dict[str, Any]
    places: Mapping[str, int]
    """Each field that holds several values → the position of this run's."""
    values: Mapping[str, Any]

    def field_in_request(self, field: str) -> str:
        """Return where a field of this run stands in the sweep's request: `config.learning_rate[2]`."""
        head, dot, rest = field.partition(".")
        return f"config.{head}[{self.places[head]}]{dot}{rest}" if head in self.places else field


def grid_of(recipe: Recipe, config: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the fields that hold lists of values. Raises InvalidSweep for lists that make no sweep."""
    grid = {field: value for field, value in config.items() if holds_values(recipe.config, field, value)}
    if not grid:
        message = Translatable(
            "no field holds a list of values; submit a run, or write for example {example}",
            example='"learning_rate": [1e-4, 2e-4]',
        )
        raise InvalidSweep([Issue("config", message)])
    if issues := [*_issues_of_values(grid), *_issues_of_count(config, grid)]:
        raise InvalidSweep(issues)
    return grid


def members_of(config: Mapping[str, Any], grid: Mapping[str, Sequence[Any]]) -> Iterator[Member]:
    """Yield a run for each combination; the last field changes fastest."""
    for positions in itertools.product(*(range(len(values)) for values in grid.values())):
        places = dict(zip(grid, positions, strict=True))
        values = {field: grid[field][place] for field, place in places.items()}
        yield Member({**config, **values}, places, values)


def name_of(values: Mapping[str, Any], grid: Mapping[str, Sequence[Any]], *, prefix: str | None = None) -> str:
    """Return a name made from what differs: `lr=1e-4 · rank=8`."""
    differing = [f"{SHORT.get(field, field)}={_told(value)}" for field, value in values.items() if len(grid[field]) > 1]
    name = " · ".join(([prefix] if prefix else []) + differing)
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _issues_of_values(grid: Mapping[str, Sequence[Any]]) -> Iterator[Issue]:
    for field, values in grid.items():
        if not values:
            yield Issue(f"config.{field}", Translatable("this list has no value; write one at least"))
        seen: set[str] = set()
        for place, value in enumerate(values):
            key = json.dumps(value, sort_keys=True)
            if key in seen:
                yield Issue(f"config.{field}[{place}]", Translatable("this value is given twice; keep one"))
            seen.add(key)


def _issues_of_count(config: Mapping[str, Any], grid: Mapping[str, Sequence[Any]]) -> Iterator[Issue]:
    count = math.prod(map(len, grid.values()))
    if count > MOST_RUNS:
        message = Translatable(
            "these are {count:,} runs, and a sweep has {most} at most; take out values", count=count, most=MOST_RUNS
        )
        yield Issue("config", message)
    if config.get("output_dir") is not None and count > len(grid.get("output_dir", [1])):
        yield Issue("output_dir", Translatable("the runs of a sweep cannot share one folder; leave it out"))


def _told(value: object) -> str:
    match value:
        case float():
            text = _number(value)
        case list():
            text = "+".join(map(_told, value))
        case str():
            text = printable(value)
        case _:
            text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _number(value: float) -> str:
    """Return a small number as `1e-4`, others as `0.05` or `3`."""
    if value == 0 or not 0 < abs(value) < 1e-2:
        return f"{value:g}"
    mantissa, _, exponent = f"{value:.5e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
