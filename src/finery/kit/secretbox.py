"""Encrypts small values (Fernet), with a key in a file of its own."""

import hmac
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from finery.kit.files import sync_directory

if TYPE_CHECKING:
    # Imported where it is used: a server without secrets saves its 2 MB, and their part of the start.
    from cryptography.fernet import Fernet

KEY_FILE = "secret.key"


class KeyUnusable(Exception):
    """The key file is missing or holds no key; the message names the file."""

    def __init__(self, path: Path, why: str, remedy: str) -> None:
        super().__init__(f"{path} {why}; put the right one back from a backup, or {remedy}")


class Undecipherable(ValueError):
    """The value was changed, or encrypted with another key."""

    def __init__(self) -> None:
        super().__init__("the value was changed, or encrypted with another key")


class SecretBox:
    """Encrypts and decrypts with the key in `folder`/secret.key, which is generated at first use with mode 0600.

    The file is read each time, so that nothing is encrypted with a key that is gone and could never be read again.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / KEY_FILE

    def encrypt(self, value: str) -> str:
        """Returns the encrypted value as ASCII text. Raises KeyUnusable, OSError."""
        if not self._path.exists():
            _generate_key(self._path)
        return self._open().encrypt(value.encode()).decode("ascii")

    def decrypt(self, token: str) -> str:
        """Returns the value. Raises Undecipherable, KeyUnusable, OSError."""
        from cryptography.fernet import InvalidToken

        try:
            return self._open().decrypt(token.encode()).decode()
        except InvalidToken as error:
            raise Undecipherable() from error

    def derive(self, purpose: str) -> str:
        """Returns 64 hexadecimal digits, always the same for a purpose. Raises KeyUnusable, OSError."""
        if not self._path.exists():
            _generate_key(self._path)
        self._open()
        return hmac.digest(self._path.read_bytes(), purpose.encode(), "sha256").hex()

    def _open(self) -> "Fernet":
        from cryptography.fernet import Fernet

        try:
            return Fernet(self._path.read_bytes())
        except FileNotFoundError as error:
            raise KeyUnusable(self._path, "is gone", "store the secrets again") from error
        except ValueError as error:
            raise KeyUnusable(self._path, "holds no key", "remove it to begin anew") from error


def _generate_key(path: Path) -> None:
    """Writes a new key. Among concurrent writers the first wins, since a link, unlike a rename, replaces nothing."""
    from cryptography.fernet import Fernet

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
