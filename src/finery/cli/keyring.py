"""Creates, stores and revokes the API key with which this machine is logged in."""

import socket
from contextlib import suppress

from finery.client import CreatedKey, CredentialsRefused, FineryClient, FineryError
from finery.client.credentials import StoredKey, forget_key, store_key, stored_key
from finery.contracts.accounts import User
from finery.kit.printable import printable


def create_stored_key(client: FineryClient, user: User, *, earlier: StoredKey | None, expires_days: int) -> CreatedKey:
    """Turns the session of `client` into a stored key, and revokes `earlier`, which was stored before.

    Raises FineryError, CredentialsRefused; the session has then ended too, and no new key is left.
    """
    host = printable(socket.gethostname(), limit=100)
    try:
        created = client.accounts.create_key(f"finery login on {host}", expires_days=expires_days)
        _store(client, user, created)
        if earlier is not None:
            _revoke(client.url, earlier)
    finally:
        client.accounts.log_out()
    return created


def revoke_stored_key(url: str) -> StoredKey | None:
    """Revokes and forgets the stored key, and returns it; it stays where it is when no server answers."""
    stored = stored_key(url)
    if stored is not None:
        _revoke(url, stored)
        forget_key(url)
    return stored


def _store(client: FineryClient, user: User, created: CreatedKey) -> None:
    info = created.info
    stored = StoredKey(key=created.key, key_id=info.id, username=user.username, expires_at=info.expires_at)
    try:
        store_key(client.url, stored)
    except CredentialsRefused:
        client.accounts.revoke_key(info.id)
        raise


def _revoke(url: str, stored: StoredKey) -> None:
    with FineryClient(url=url, api_key=stored.key) as client, suppress(FineryError):
        # A server that refuses the key does not know it any more: revoked, expired, or of a user who is gone.
        client.accounts.revoke_key(stored.key_id)
