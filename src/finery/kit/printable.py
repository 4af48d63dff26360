"""Foreign text made fit for a message, a log or a terminal."""

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str, *, limit: int = 80) -> str:
    """At most `limit` characters; controls, surrogates and marks of direction are written as escapes."""
    shown = "".join(_escaped(character) if _is_hidden(character) else character for character in text[:limit])
    return shown if len(text) <= limit and len(shown) <= limit else shown[: limit - 1] + "…"


def is_printable(text: str) -> bool:
    """Spaces of any script are; controls, surrogates and marks of direction are not."""
    return first_hidden(text) is None


def first_hidden(text: str) -> int | None:
    """Where the first character stands that is not printable."""
    return next((index for index, character in enumerate(text) if _is_hidden(character)), None)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
