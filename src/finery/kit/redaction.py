"""Secrets kept out of text that people read."""

import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote

REDACTED = "[redacted]"
SHORTEST = 4
"""Anything shorter would also hide what is no secret."""


def redact(text: str, values: Iterable[str]) -> str:
    """`text` without any of the values, also where they were written into a URL or a JSON string.

    Of a value of several lines each line is hidden by itself, since logs are read by lines.
    """
    forms = {form for value in values for form in _forms(value) if len(form) >= SHORTEST}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, REDACTED)
    return text


def _forms(value: str) -> Iterator[str]:
    for part in (value, *value.splitlines()):
        stripped = part.strip()
        yield from (stripped, quote(stripped, safe=""), json.dumps(stripped)[1:-1])
