"""Signs messages as Standard Webhooks has it: `v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body`."""

import base64
import hmac
import secrets
from collections.abc import Iterable

from finery.contracts.webhooks import SIGNING_PREFIX

SECRET_BYTES = 32
HINT_LENGTH = 4


def generate_secret() -> str:
    return SIGNING_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")


def hint_of(secret: str) -> str:
    return f"{SIGNING_PREFIX}…{secret[-HINT_LENGTH:]}"


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return `v1,<base64>`. The key is the decoded secret; `timestamp` is in epoch seconds."""
    key = base64.b64decode(secret.removeprefix(SIGNING_PREFIX))
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode('ascii')}"


def signature_header(secret_list: Iterable[str], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signatures with all secrets that are valid now, separated by blanks."""
    return " ".join(sign(secret, message_id, timestamp, body) for secret in secret_list)
