"""What a user may be called, and the form in which names are compared."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

from finery.contracts.permissions import Level
from finery.domain.accounts.errors import InvalidAccount
from finery.domain.errors import Issue
from finery.kit.printable import is_printable

SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 1024
LONGEST_EMAIL = 254
LONGEST_NAME = 200

_USERNAME = re.compile(r"[A-Za-z0-9._-]{2,64}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def username_key(username: str) -> str:
    return username.lower()


def email_key(email: str) -> str:
    return unicodedata.normalize("NFKC", email).casefold()


def is_username(text: str) -> bool:
    return _USERNAME.fullmatch(text) is not None


def is_email(text: str) -> bool:
    fits = len(text) <= LONGEST_EMAIL and len(email_key(text)) <= LONGEST_EMAIL
    return fits and is_printable(text) and _EMAIL.fullmatch(text) is not None


def check_fields(fields: dict[str, Any]) -> None:
    """Fields of NewUser or UserChanges; None is not looked at. Raises InvalidAccount, naming every issue."""
    refuse(Issue(name, _COMPLAINTS[name](value)) for name, value in fields.items() if value is not None)


def check_password(password: str, *, username: str, field: str = "password") -> None:
    """What a password's own length cannot tell. Raises InvalidAccount."""
    if password.lower() == username.lower():
        refuse([Issue(field, "must not be the user name")])


def check_title(name: str) -> str:
    """Of a key, or of a person: the complaint, or nothing."""
    if not 1 <= len(name) <= LONGEST_NAME or not is_printable(name) or name != name.strip():
        return f"must be 1 to {LONGEST_NAME} printable characters, without blanks at its ends"
    return ""


def refuse(issues: Iterable[Issue]) -> None:
    """Raises InvalidAccount when one of the issues has a message."""
    if found := [issue for issue in issues if issue.message]:
        raise InvalidAccount(found)


def distinct(levels: Iterable[Level]) -> list[str]:
    return [Level(level).value for level in dict.fromkeys(levels)]


def _about_username(value: str) -> str:
    return "" if is_username(value) else "must be 2 to 64 of letters, digits, and ._-"


def _about_email(value: str) -> str:
    return "" if is_email(value) else f"must be an address like name@example.org, of at most {LONGEST_EMAIL} characters"


def _about_password(value: str) -> str:
    fits = SHORTEST_PASSWORD <= len(value) <= LONGEST_PASSWORD
    return "" if fits else f"must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters"


def _about_levels(value: list[Level]) -> str:
    return "" if value else f"must name at least one of {', '.join(Level)}"


def _nothing(_value: object) -> str:
    return ""


_COMPLAINTS: dict[str, Callable[[Any], str]] = {
    "username": _about_username,
    "email": _about_email,
    "password": _about_password,
    "new_password": _about_password,
    "display_name": check_title,
    "levels": _about_levels,
    "is_active": _nothing,
}
