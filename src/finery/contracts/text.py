"""Text that names something: what is seen of it is all there is."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator

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


PLAIN = AfterValidator(check_plain)
"""For a field's annotation, behind its lengths, which are then told in their own words."""
PlainName = Annotated[str, PLAIN]
"""Of any length, an empty one too."""
