"""Makes a bounded list of issues from pydantic's errors: a request may be wrong in more places than anybody reads."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finery.domain.errors import Issue
from finery.kit.translatable import Translatable

MAX_ISSUES = 20
MAX_SUGGESTIONS = 5
"""The bound is for time: each suggestion compares a key with all known ones, which takes milliseconds."""
MAX_FIELD = 100
MAX_MESSAGE = 2000
MAX_CHARACTERS = 4000
"""Of all messages together; the message that exceeds it is the last."""

UNKNOWN_KEY = "unknown_key"
CODES: Mapping[str, str] = {"extra_forbidden": UNKNOWN_KEY, "value_error": "invalid", "assertion_error": "invalid"}
"""A type of a pydantic error → an issue's code, where they differ."""

Detail = Mapping[str, Any]
"""An item of pydantic's `ValidationError.errors()`."""
Path = list[str | int]


@dataclass(frozen=True)
class Issues:
    listed: tuple[Issue, ...]
    omitted: int = 0
    """How many more there are."""

    @classmethod
    def of(cls, issues: Iterable[Issue]) -> "Issues":
        listed = tuple(issues)
        return cls(listed[:MAX_ISSUES], max(0, len(listed) - MAX_ISSUES))

    @property
    def summary(self) -> str:
        """The first issue, and how many there are besides."""
        first, rest = self.listed[0], len(self.listed) - 1 + self.omitted
        message = first.message
        if first.field:
            message = Translatable("{field}: {message}", field=first.field, message=message)
        return Translatable("{message} (and {rest} more)", message=message, rest=rest) if rest else message


def gather_issues(
    details: Sequence[Detail], locate: Callable[[Detail], Path], describe: Callable[[Detail, Path, bool], str]
) -> Issues:
    """Return one issue for each field, with the messages of all members of a union together.

    `locate` returns the path of a detail. `describe` gets a detail, its path, and whether it may suggest a known key.
    """
    messages_of: dict[str, list[str]] = {}
    codes: dict[str, str] = {}
    suggestions = characters = 0
    for index, detail in enumerate(details):
        path = locate(detail)
        field = _shortened(".".join(map(str, path)), MAX_FIELD)
        if field not in messages_of and (len(messages_of) == MAX_ISSUES or characters > MAX_CHARACTERS):
            return Issues(_joined(messages_of, codes), omitted=len({rest["loc"] for rest in details[index:]}))
        suggestions += detail["type"] == "extra_forbidden"
        message = describe(detail, path, suggestions <= MAX_SUGGESTIONS)
        if not isinstance(message, Translatable):
            message = message.removeprefix("Value error, ")
        messages = messages_of.setdefault(field, [])
        codes.setdefault(field, CODES.get(detail["type"], detail["type"]))
        if message not in messages and characters <= MAX_CHARACTERS:
            messages.append(_shortened(message, MAX_MESSAGE))
            characters += len(message)
    return Issues(_joined(messages_of, codes))


def _joined(messages_of: Mapping[str, list[str]], codes: Mapping[str, str]) -> tuple[Issue, ...]:
    return tuple(
        Issue(field, functools.reduce(_either, messages), code=codes[field]) for field, messages in messages_of.items()
    )


def _either(one: str, other: str) -> str:
    return Translatable("{one}; or: {other}", one=one, other=other)


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
