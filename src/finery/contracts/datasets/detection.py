"""Detects a row's format by its columns, and explains why a row has none."""

from collections.abc import Sequence

from finery.contracts.datasets.formats import FORMATS, Prompt, every_format
from finery.contracts.datasets.message_reader import RowRefused
from finery.contracts.datasets.messages import JsonObject
from finery.contracts.datasets.row_format import LABEL, LABEL_KEYS, RowFormat, needed_by, value_of
from finery.contracts.recipes import RECIPES
from finery.contracts.recipes.data_rules import ExampleKind
from finery.kit.translatable import Translatable

Formats = Sequence[type[RowFormat]]


def find_format(row: JsonObject, candidates: Formats) -> type[RowFormat]:
    """Returns the first format whose columns the row has. Raises RowRefused with what the nearest format lacks."""
    for row_format in candidates:
        if not _missing(row, row_format):
            return row_format
    raise _of_no_format(row, candidates)


def misplaced(row_format: type[RowFormat], wanted: Formats = ()) -> RowRefused:
    """Returns the error for a row of another recipe's format. `wanted`: the formats of this one."""
    needed = Translatable("; needed here: {columns}", columns=_columns_of_any(wanted)) if wanted else ""
    served = " and ".join(recipes_for(row_format))
    return RowRefused(
        "",
        Translatable(
            "is of shape {name}, which serves {served}{needed}", name=row_format.name, served=served, needed=needed
        ),
    )


def recipes_for(row_format: type[RowFormat]) -> list[str]:
    """Returns the recipes that train on rows of the format."""

    def serves(kind: ExampleKind | None) -> bool:
        return kind is not None and any(each.name == row_format.name for each in FORMATS[kind])

    return [recipe.name for recipe in RECIPES.values() if serves(recipe.examples)]


def _missing(row: JsonObject, row_format: type[RowFormat]) -> list[str]:
    return [column for column in needed_by(row_format) if value_of(row, column) is None]


def _of_no_format(row: JsonObject, candidates: Formats) -> RowRefused:
    nearest = min(candidates, key=lambda each: len(_missing(row, each)) / len(needed_by(each)))
    needed, missing = needed_by(nearest), _missing(row, nearest)
    # A lone prompt is a part of most formats, so it identifies none.
    others = (each for each in every_format() if each is not Prompt)
    other = next((each for each in others if not _missing(row, each)), None)
    if other and not (len(missing) == 1 and set(needed_by(other)) < set(needed)):
        return misplaced(other, candidates)
    if len(missing) == len(needed):
        lists = [key for key, value in row.items() if isinstance(value, list) and value and isinstance(value[0], dict)]
        hint = Translatable("; if the rows are the list {lists!r}, write that alone", lists=lists[0]) if lists else ""
        return RowRefused(
            "",
            Translatable(
                "has the keys of no shape; one of these is needed: {candidates}{hint}",
                candidates=_columns_of_any(candidates),
                hint=hint,
            ),
        )
    if missing[0] == LABEL and (unreadable := [key for key in LABEL_KEYS if row.get(key) is not None]):
        return RowRefused(unreadable[0], Translatable("must be true or false"))
    return RowRefused(
        missing[0],
        Translatable("missing; a row of shape {name} needs {needed}", name=nearest.name, needed=", ".join(needed)),
    )


def _columns_of_any(formats: Formats) -> str:
    """Lists the columns of each format, those without a label first."""
    ordered = sorted(formats, key=lambda each: LABEL in needed_by(each))
    return "; or ".join(", ".join(needed_by(each)) for each in ordered)
