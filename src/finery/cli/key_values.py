"""Parses the `key=value` words of the command line: settings of a recipe, and labels."""

import json
import math
import re
from collections.abc import Iterable

from finery.kit.json_keys import unique_keys

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SettingRefused(ValueError):
    """Raised for a word that is no setting or label; the message is for the user."""


def parse_settings(words: Iterable[str]) -> dict[str, object]:
    """Returns the settings; values are JSON where they parse as JSON, else text. Raises SettingRefused."""
    settings: dict[str, object] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not NAME.fullmatch(name):
            raise SettingRefused(f"{word!r} is no setting: write key=value, as in num_epochs=3")
        if name in settings:
            raise SettingRefused(f"{name} is given twice: keep one")
        settings[name] = parse_value(text)
    return settings


def parse_labels(words: Iterable[str]) -> dict[str, str]:
    """Returns the labels; of one that is given twice the last counts. Raises SettingRefused."""
    labels: dict[str, str] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise SettingRefused(f"{word!r} is no label: write key=value, as in team=search")
        labels[name] = text
    return labels


def parse_value(text: str) -> object:
    """Returns JSON (`3`, `1e-5`, `true`, `null`, `["a"]`) as its value, and any other text (`gpt2`) as it is."""
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError):
        return text
    # JSON's grammar allows 1e999, which is no number that a setting could hold.
    return text if isinstance(value, float) and not math.isfinite(value) else value


def _refuse(constant: str) -> object:
    raise ValueError(constant)
