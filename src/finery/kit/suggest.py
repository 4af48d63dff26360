"""The nearest known word to one that was mistyped."""

import difflib
from collections.abc import Iterable

LONGEST = 100


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word closest to `word`, or None when none comes near. To long words none does: comparing takes time."""
    if len(word) > LONGEST:
        return None
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None
