"""Text that names something: what is seen of it is all there is."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from finery.kit.printable import first_hidden


def check_plain(text: str) -> str:
    """`text` itself. Raises ValueError for what a reader would not see, or would see elsewhere: controls, marks of
    direction, characters without a width, blanks at either end.
    """
    if (index := first_hidden(text)) is not None:
        told = f"U+{ord(text[index]):04X} {unicodedata.name(text[index], '')}".strip()
        raise ValueError(f"character {index + 1} is {told}, which does not show; leave it out")
    if text != text.strip():
        raise ValueError("it begins or ends with a blank; leave that out")
    return text


def check_id(text: str) -> str:
    """`text` itself. Raises ValueError for what could not be asked for again: it stands in addresses as one of their
    parts, and is compared by its bytes.
    """
    check_plain(text)
    if "/" in text:
        raise ValueError("it holds a slash, which parts an address; leave it out")
    if not text.strip("."):
        # Clients make `/jobs/a/..` into `/jobs/` before they send it, however the dots were written.
        raise ValueError("it is nothing but dots, which clients take out of an address; choose another")
    if not unicodedata.is_normalized("NFC", text):
        # The two spellings look the same, and would name two runs.
        raise ValueError("it spells a character in parts (Unicode's form NFC has it in one); send it in NFC")
    return text


PLAIN = AfterValidator(check_plain)
"""For a field's annotation, behind its lengths, which are then told in their own words."""
ClientId = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(check_id)]
"""Chosen by a client for what it will ask for again."""
