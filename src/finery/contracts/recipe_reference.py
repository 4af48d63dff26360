"""What is told of the recipes and their settings. This module does not import the recipes, which takes long."""

from typing import Any

from pydantic import JsonValue

from finery.contracts.base_models import FrozenModel
from finery.contracts.sentences import Sentence


class Setting(FrozenModel):
    """A key of a recipe's configuration."""

    name: str
    """The key."""
    type: str
    """Its type in words: `integer`, `list of string`, `"linear" or "cosine"`."""
    required: bool
    """Whether a configuration must have it."""
    default: JsonValue = None
    """What holds when it is left out; null where nothing does."""
    takes_auto: bool = False
    """Whether `"auto"` leaves the value to the server's rule."""
    auto_rule: str = ""
    """The rule for `"auto"`, in words; empty where it takes none."""
    takes_lists: bool = False
    """Whether one value of it may be a list, so that the values of a sweep are lists in a list."""
    unit: str = ""
    """What its number counts, as `tokens`; empty where it is a mere number, or none."""
    bounds: Sentence = ""
    """The values or lengths that are taken, in words: `1 to 4096`, `above 0`, `at most 16 items`."""
    description: str
    """What it means."""
    is_common: bool = False
    """Whether every training of a language model has it, with the same default and meaning."""


class SettingGroup(FrozenModel):
    """Settings of one theme, which a form shows together."""

    name: str
    """A stable word for programs; the group `basic` comes first, and holds what is set most."""
    title: str
    """What they are about, for people."""
    settings: list[str]
    """Their keys, in the order in which a form shows them."""


class RecipeSummary(FrozenModel):
    """A training method."""

    name: str
    """How a request names it."""
    title: str
    """What it is, in a few words."""


class RecipeReference(RecipeSummary):
    """A training method and its settings."""

    settings: list[Setting]
    """Its settings: those that it needs, its own, and those that every training has."""
    groups: list[SettingGroup] = []
    """All of its settings by theme, those that are set most first."""
    config_schema: dict[str, Any]
    """The JSON schema (draft 2020-12) of its configuration."""
