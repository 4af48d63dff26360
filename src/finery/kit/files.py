"""Small files: whole or absent, whatever dies while they are written, and read within bounds, whoever wrote them."""

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

LARGEST_JSON = 16 * 2**20


class NotRegular(OSError):
    """What lies there is no file with bytes of its own: a pipe, a socket, a device. Opening one may wait for ever."""

    def __init__(self, path: Path) -> None:
        super().__init__(None, f"{path.name} is no regular file")


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write `data` beside `path`, sync it, and rename it into place; the directory is synced too.

    Raises OSError when the disk is full or the directory is gone; `path` is then what it was before.
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
    """The parsed file, or None when it is absent, torn, or nothing that one of ours would be."""
    try:
        return read_bounded_json(path)
    except (FileNotFoundError, NotRegular, ValueError):
        return None


def read_bounded_json(path: Path, *, limit: int = LARGEST_JSON) -> Any:
    """The parsed file. Raises OSError, and ValueError for what is too large, nested too deeply, or no JSON."""
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"{path.name} is larger than {limit // 2**20} MiB")
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError(f"{path.name} is nested too deeply") from error


def open_regular(path: Path) -> BinaryIO:
    """For reading, links followed. Raises NotRegular at once where another open would wait, and OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegular(path)
    return os.fdopen(descriptor, "rb")


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
