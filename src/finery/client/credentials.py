"""Reads and writes the API keys of `finery login`: credentials.json, one key for each server."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finery.client.address import origin_of
from finery.client.errors import BadConnection
from finery.kit.files import write_json
from finery.kit.locks import FileLock, LockTaken

LOCK_SECONDS = 10.0


class CredentialsRefused(BadConnection):
    """Raised when the file of keys cannot be used; the message names it and the remedy."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


class StoredKey(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    key: str = Field(repr=False, pattern=r"^[!-~]+$")
    key_id: str
    username: str
    expires_at: datetime | None


class Credentials(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    servers: dict[str, StoredKey] = {}
    """Keyed by scheme, host and port, as `origin_of` writes them."""


def credentials_path() -> Path:
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    return folder / "finery" / "credentials.json"


def stored_key(url: str) -> StoredKey | None:
    """Returns the key for exactly this scheme, host and port. Raises CredentialsRefused."""
    return _read(credentials_path()).servers.get(origin_of(url))


def store_key(url: str, key: StoredKey) -> None:
    """Stores `key` in place of the one that was there. Raises CredentialsRefused."""
    with _locked_credentials() as credentials:
        credentials.servers[origin_of(url)] = key


def forget_key(url: str) -> None:
    """Removes the server's key, if there is one. Raises CredentialsRefused."""
    with _locked_credentials() as credentials:
        credentials.servers.pop(origin_of(url), None)


@contextmanager
def _locked_credentials() -> Iterator[Credentials]:
    """Writes back what the block changes; the lock keeps two log-ins at a time from losing a key."""
    path = credentials_path()
    lock = FileLock(path.with_suffix(".lock"))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        lock.acquire(timeout=LOCK_SECONDS)
        credentials = _read(path)
        yield credentials
        write_json(path, credentials.model_dump(mode="json"), mode=0o600)
    except LockTaken as error:
        raise CredentialsRefused(path, f"{error}; try again") from error
    except OSError as error:
        raise CredentialsRefused(path, f"cannot be written: {error.strerror}") from error
    finally:
        lock.release()


def _read(path: Path) -> Credentials:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        # Whoever cannot read it has not logged in with it.
        return Credentials()
    except OSError as error:
        raise CredentialsRefused(path, f"cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise CredentialsRefused(path, f"others may read or write it; allow nobody but yourself: chmod 600 {path}")
    try:
        return Credentials.model_validate_json(data)
    except ValidationError as error:
        raise CredentialsRefused(path, "is no file of keys; remove it, and log in again with `finery login`") from error
