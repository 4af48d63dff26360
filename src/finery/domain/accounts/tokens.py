"""Random secrets that we give out and keep only as hashes."""

import hashlib
import secrets

KEY_PREFIX = "st_"
SHOWN_CHARACTERS = len(KEY_PREFIX) + 8


def new_key() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Of 256 random bits a fast hash is enough. What is looked up is the hash, so that the time which a look-up takes
    tells nothing about the token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
