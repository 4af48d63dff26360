"""What a list of runs can be sorted by; the command line knows it without pydantic."""

from enum import StrEnum


class RunSort(StrEnum):
    """What a list of runs is sorted by. Runs without it come last."""

    CREATED = "created"
    NAME = "name"
    STATUS = "status"
    RECIPE = "recipe"
    FINISHED = "finished"
    LOSS = "loss"
    """The last training loss of runs that have ended."""


class SortDirection(StrEnum):
    ASCENDING = "asc"
    DESCENDING = "desc"
