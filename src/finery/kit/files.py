"""Writes small files atomically, and reads JSON and untrusted files within bounds."""

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

LARGEST_JSON = 16 * 2**20


class NotRegular(OSError):
    """The path is no regular file but a pipe, a socket or a device, where opening may block forever."""

    def __init__(self, path: Path) -> None:
        super().__init__(None, f"{path.name} is no regular file")


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Writes `data` beside `path`, syncs it, and renames it into place; the directory is synced too.

    Raises OSError if the disk is full or the directory is gone; `path` is then unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.partial")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_json(path: Path, value: Any, *, mode: int = 0o644) -> None:
    write_atomically(path, json.dumps(value, ensure_ascii=False).encode(), mode=mode)


def read_json(path: Path) -> Any | None:
    """Returns the parsed file; None if it is absent, incomplete, or otherwise no JSON file of ours."""
    try:
        return read_bounded_json(path)
    except (FileNotFoundError, NotRegular, ValueError):
        return None


def read_bounded_json(path: Path, *, limit: int = LARGEST_JSON) -> Any:
    """Returns the parsed file. Raises OSError, and ValueError if it is too large, nested too deeply, or no JSON."""
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"{path.name} is larger than {limit // 2**20} MiB")
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError(f"{path.name} is nested too deeply") from error


def open_regular(path: Path) -> BinaryIO:
    """Opens a file for reading, following links. Raises NotRegular instead of blocking, and OSError."""
    # O_NONBLOCK keeps the open of a pipe without a writer from waiting; it has no effect on a regular file.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegular(path)
    return os.fdopen(descriptor, "rb")


def sync_directory(path: Path) -> None:
    """Makes renames and new names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
