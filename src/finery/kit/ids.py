"""Generates and checks ids that are safe as file names and in URLs."""

import re
import secrets
from collections.abc import Collection

SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


LONGEST_NAME = 32
"""Characters of a registered name; the database's columns hold no more."""


def check_new_name(name: str, taken: Collection[str], kind: str) -> None:
    """Raises ValueError for a name that is taken, empty or too long to be stored. `kind`: "an engine"."""
    if name in taken:
        raise ValueError(f"the name {name!r} already stands for {kind}")
    if not 1 <= len(name) <= LONGEST_NAME:
        raise ValueError(f"the name {name!r} does not have 1 to {LONGEST_NAME} characters")


def short_id() -> str:
    """Returns eight lower-case hexadecimal digits; the caller retries on the rare collision."""
    return secrets.token_hex(4)


def long_id() -> str:
    """Returns 24 lower-case hexadecimal digits."""
    return secrets.token_hex(12)


def prefixed_id(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(8)}"


def is_safe_id(text: str) -> bool:
    """Returns whether `text` has 1 to 128 letters, digits or `._:-`, and starts with a letter or digit."""
    return SAFE_ID.fullmatch(text) is not None
