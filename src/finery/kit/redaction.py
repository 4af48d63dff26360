"""Redacts secrets in logs, events and messages."""

import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"
SHORTEST = 4
"""Shorter values are not redacted, since they would also hide what is no secret."""


class Redactor:
    """Replaces values in text, also in the forms that they have in a URL, a JSON string or a Python literal.

    Each line of a multi-line value is redacted by itself, since logs are read by lines.
    """

    def __init__(self, values: Iterable[str]) -> None:
        forms = {form for value in values for form in _forms(value) if len(form) >= SHORTEST}
        self._forms = sorted(forms, key=len, reverse=True)

    def __bool__(self) -> bool:
        """Returns whether there is anything to redact."""
        return bool(self._forms)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, REDACTED)
        return text

    def within(self, value: Any) -> Any:
        """Returns a JSON value with all texts redacted, names of fields included."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {self.within(key): self.within(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.within(item) for item in value]
        return value


NOTHING = Redactor(())
"""Redacts nothing."""


def _forms(value: str) -> Iterator[str]:
    for part in (value, *value.splitlines()):
        stripped = part.strip()
        yield stripped
        # Values from an environment may hold bytes that are no UTF-8, which Python keeps as surrogates.
        yield quote(stripped, safe="", errors="surrogateescape")
        yield quote_plus(stripped, errors="surrogateescape")
        yield json.dumps(stripped)[1:-1]
        yield json.dumps(stripped, ensure_ascii=False)[1:-1]
        yield repr(stripped)[1:-1]
