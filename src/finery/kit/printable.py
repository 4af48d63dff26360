"""Escapes untrusted text for messages, logs and terminals."""

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str, *, limit: int = 80) -> str:
    """Returns at most `limit` characters; controls, surrogates and marks of direction are escaped."""
    shown = "".join(
        character.encode("unicode_escape").decode("ascii") if _is_hidden(character) else character
        for character in text[:limit]
    )
    return shown if len(text) <= limit and len(shown) <= limit else shown[: limit - 1] + "…"


def is_printable(text: str) -> bool:
    """Returns whether all characters show: spaces of any script do, controls, surrogates and direction marks do not."""
    return first_hidden(text) is None


def first_hidden(text: str) -> int | None:
    """Returns the index of the first character that is not printable; None if all are."""
    return next((index for index, character in enumerate(text) if _is_hidden(character)), None)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN
