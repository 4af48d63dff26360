"""Draws API keys, and hashes the tokens of keys and sessions: only hashes are stored."""

import hashlib
import secrets

KEY_PREFIX = "st_"
SHOWN_CHARACTERS = len(KEY_PREFIX) + 8


def new_key() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return the SHA-256 (hex), which is enough for 256 random bits.

    Queries look for the hash, so that the time which they take tells nothing about the token.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
