"""Authenticated encryption of small values, with a key that lies in a file of its own."""

import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from finery.kit.files import sync_directory

KEY_FILE = "secret.key"


class KeyUnusable(Exception):
    """The key file holds no key; the message names the file."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} holds no key; put the right one back from a backup, or remove it to begin anew")


class Undecipherable(ValueError):
    """The value was changed, or encrypted with another key."""

    def __init__(self) -> None:
        super().__init__("the value was changed, or encrypted with another key")


class SecretBox:
    """Encrypts and decrypts with the key in `folder`/secret.key, which is drawn at first use, for its owner only."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / KEY_FILE
        self._fernet: Fernet | None = None

    def encrypt(self, value: str) -> str:
        """Raises KeyUnusable, OSError."""
        return self._open().encrypt(value.encode()).decode("ascii")

    def decrypt(self, token: str) -> str:
        """Raises Undecipherable, KeyUnusable, OSError."""
        try:
            return self._open().decrypt(token.encode()).decode()
        except InvalidToken as error:
            raise Undecipherable() from error

    def _open(self) -> Fernet:
        if self._fernet is None:
            try:
                self._fernet = Fernet(_read_or_draw(self._path))
            except ValueError as error:
                raise KeyUnusable(self._path) from error
        return self._fernet


def _read_or_draw(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        _draw(path)
        return path.read_bytes()


def _draw(path: Path) -> None:
    """Of several at once the first wins: a link, unlike a rename, never replaces what is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)
