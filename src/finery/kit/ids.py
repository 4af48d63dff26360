"""Generates and checks ids that are safe as file names and in URLs."""

import re
import secrets

SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


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
