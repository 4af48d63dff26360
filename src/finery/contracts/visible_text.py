"""Validators for names and ids: no hidden characters, no blanks at either end, no slash in an id."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from finery.kit.printable import first_hidden
from finery.kit.translatable import Translatable


def check_plain(text: str) -> str:
    """Returns `text`. Raises ValueError for characters that do not show or move others (controls, marks of direction,
    zero-width characters) and for blanks at either end: two names that look alike must be one.
    """
    if (index := first_hidden(text)) is not None:
        told = f"U+{ord(text[index]):04X} {unicodedata.name(text[index], '')}".strip()
        raise ValueError(
            Translatable("character {index} is {told}, which does not show; leave it out", index=index + 1, told=told)
        )
    if text != text.strip():
        raise ValueError(Translatable("it begins or ends with a blank; leave that out"))
    return text


def check_id(text: str) -> str:
    """Returns `text`. Raises ValueError for an id that could not be requested again: it must survive as one segment of
    a URL, and is compared byte by byte.
    """
    check_plain(text)
    if "/" in text:
        raise ValueError(Translatable("it holds a slash, which parts an address; leave it out"))
    if not text.strip("."):
        # Clients make `/jobs/a/..` into `/jobs/` before they send it, however the dots were written.
        raise ValueError(Translatable("it is nothing but dots, which clients take out of an address; choose another"))
    if not unicodedata.is_normalized("NFC", text):
        # The two spellings look the same, and would name two runs.
        raise ValueError(
            Translatable("it spells a character in parts (Unicode's form NFC has it in one); send it in NFC")
        )
    return text


PLAIN = AfterValidator(check_plain)
"""For a field's annotation; put it after the lengths, so that their errors come first."""
ClientId = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(check_id)]
"""An id that a client chose, for example a run's."""
