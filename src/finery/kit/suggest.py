"""Suggests the nearest known word for a mistyped one."""

import difflib
from collections.abc import Iterable

LONGEST = 100


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Returns the closest known word; None if none is close. Long words get none, since comparing them takes time."""
    if len(word) > LONGEST:
        return None
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None
