"""What a validation found, told within bounds: a request may be wrong in more places than anybody reads."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finery.domain.errors import Issue

MAX_FLAWS = 20
MAX_SUGGESTIONS = 5
"""A key is compared with every known one, which takes milliseconds."""
MAX_FIELD = 100
MAX_MESSAGE = 2000
MAX_CHARACTERS = 4000
"""Of all messages together; the one that goes beyond is the last."""

UNKNOWN_KEY = "unknown_key"
CODES: Mapping[str, str] = {"extra_forbidden": UNKNOWN_KEY, "value_error": "invalid", "assertion_error": "invalid"}
"""pydantic's word for a kind of error → an issue's code, where they differ."""

Detail = Mapping[str, Any]
"""One of pydantic's ErrorDetails."""
Path = list[str | int]


@dataclass(frozen=True)
class Issues:
    told: tuple[Issue, ...]
    more: int = 0
    """How many are not told."""

    @classmethod
    def of(cls, issues: Iterable[Issue]) -> "Issues":
        found = tuple(issues)
        return cls(found[:MAX_FLAWS], max(0, len(found) - MAX_FLAWS))

    @property
    def summary(self) -> str:
        """The first, and how many come after it."""
        first, rest = self.told[0], len(self.told) - 1 + self.more
        message = f"{first.field}: {first.message}" if first.field else first.message
        return f"{message} (and {rest} more)" if rest else message


def gather(
    details: Sequence[Detail], locate: Callable[[Detail], Path], describe: Callable[[Detail, Path, bool], str]
) -> Issues:
    """One issue for each place: what the members of a union say of it is told together.

    `describe` gets a detail, its place, and whether a suggestion may still be made.
    """
    told: dict[str, list[str]] = {}
    codes: dict[str, str] = {}
    suggestions = characters = 0
    for index, detail in enumerate(details):
        path = locate(detail)
        field = _shortened(".".join(map(str, path)), MAX_FIELD)
        if field not in told and (len(told) == MAX_FLAWS or characters > MAX_CHARACTERS):
            return Issues(_joined(told, codes), more=len({rest["loc"] for rest in details[index:]}))
        suggestions += detail["type"] == "extra_forbidden"
        message = describe(detail, path, suggestions <= MAX_SUGGESTIONS).removeprefix("Value error, ")
        messages = told.setdefault(field, [])
        codes.setdefault(field, CODES.get(detail["type"], detail["type"]))
        if message not in messages and characters <= MAX_CHARACTERS:
            messages.append(_shortened(message, MAX_MESSAGE))
            characters += len(message)
    return Issues(_joined(told, codes))


def _joined(told: Mapping[str, list[str]], codes: Mapping[str, str]) -> tuple[Issue, ...]:
    return tuple(Issue(field, "; or: ".join(messages), code=codes[field]) for field, messages in told.items())


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
