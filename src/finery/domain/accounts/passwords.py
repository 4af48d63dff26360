"""Hashes passwords with Argon2id, and compares them."""

import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# OWASP's second choice of equal strength: forty logins at once take less than 1 GiB.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    return _HASHER.hash(_bytes_of(password))


def matches(password_hash: str | None, password: str) -> bool:
    """Return whether the password is right. Takes as long when there is no hash to compare with."""
    decoy = _decoy()
    try:
        _HASHER.verify(password_hash or decoy, _bytes_of(password))
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Return whether the hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(password_hash)


@cache
def _decoy() -> str:
    return _HASHER.hash(b"nobody's password")


def _bytes_of(password: str) -> bytes:
    # Composed characters, since keyboards differ in how they send them.
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
