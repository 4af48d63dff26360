"""Checks the fields of users and API keys, and normalises names for comparison."""

import re
import unicodedata
from collections.abc import Iterable
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
    """Check fields of NewUser or UserChanges that are not None. Raises InvalidAccount, naming every issue."""
    raise_on_issues(Issue(name, _problem(name, value)) for name, value in fields.items() if value is not None)


def check_password(password: str, *, username: str, field: str = "password") -> None:
    """Check that a password is not the user name. Raises InvalidAccount."""
    if password.lower() == username.lower():
        raise_on_issues([Issue(field, "must not be the user name")])


def check_title(name: str) -> str:
    """Return what is wrong with the display name of a key or a person, or an empty string."""
    if not 1 <= len(name) <= LONGEST_NAME or not is_printable(name) or name != name.strip():
        return f"must be 1 to {LONGEST_NAME} printable characters, without blanks at its ends"
    return ""


def raise_on_issues(issues: Iterable[Issue]) -> None:
    """Raises InvalidAccount when an issue has a message."""
    if present := [issue for issue in issues if issue.message]:
        raise InvalidAccount(present)


def distinct(levels: Iterable[Level]) -> list[str]:
    return [Level(level).value for level in dict.fromkeys(levels)]


def _problem(field: str, value: Any) -> str:
    """Return what is wrong with the value of a field, or an empty string."""
    match field:
        case "username" if not is_username(value):
            return "must be 2 to 64 of letters, digits, and ._-"
        case "email" if not is_email(value):
            return f"must be an address like name@example.org, of at most {LONGEST_EMAIL} characters"
        case "password" | "new_password" if not SHORTEST_PASSWORD <= len(value) <= LONGEST_PASSWORD:
            return f"must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters"
        case "display_name":
            return check_title(value)
        case "levels" if not value:
            return f"must name at least one of {', '.join(Level)}"
    return ""
