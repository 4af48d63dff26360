import errno
import fcntl
import os
from io import FileIO
from pathlib import Path

import pytest

from finery.kit import large_files
from finery.kit.large_files import BUFFER_BYTES, LargeFile

PAGE = 4096


def content(length: int) -> bytes:
    return (b"".join(number.to_bytes(4, "big") for number in range(length // 4 + 1)))[:length]


def is_direct(file: FileIO) -> bool:
    return bool(fcntl.fcntl(file, fcntl.F_GETFL) & os.O_DIRECT)


class Watched(FileIO):
    """Notes which writes went past the cache."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "xb")
        self.direct: list[bool] = []

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.direct.append(is_direct(self))
        return super().write(data)


class Refusing(Watched):
    """Of a file system that takes the flag and not the write."""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if is_direct(self):
            raise OSError(errno.EINVAL, "not here")
        return super().write(data)


class Dribbling(Watched):
    """As little as a disk may take at once."""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        return super().write(data[: 16 * PAGE])


@pytest.fixture(autouse=True)
def little_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_files, "CACHED_BYTES", BUFFER_BYTES)


def write(file: FileIO, data: bytes, piece: int) -> None:
    with file, LargeFile(file) as large:
        for start in range(0, len(data), piece):
            large.write(data[start : start + piece])
        large.sync()


@pytest.mark.parametrize("length", [0, 1, PAGE, BUFFER_BYTES, BUFFER_BYTES + 1, 3 * BUFFER_BYTES, 4 * BUFFER_BYTES - 1])
@pytest.mark.parametrize("piece", [7919, BUFFER_BYTES, 2 * BUFFER_BYTES + 17])
def test_the_file_holds_what_was_written(tmp_path: Path, length: int, piece: int) -> None:
    data = content(length)
    write(Watched(tmp_path / "file"), data, piece)
    assert (tmp_path / "file").read_bytes() == data


@pytest.mark.skipif(not large_files.DIRECT, reason="the system has no way past its cache")
def test_only_the_middle_of_a_large_file_goes_past_the_cache(tmp_path: Path) -> None:
    file = Watched(tmp_path / "file")
    write(file, content(3 * BUFFER_BYTES + 5), 1 << 16)
    assert file.direct == [False, True, True, False]


@pytest.mark.skipif(not large_files.DIRECT, reason="the system has no way past its cache")
@pytest.mark.parametrize("kind", [Refusing, Dribbling])
def test_a_file_system_that_does_less(tmp_path: Path, kind: type[Watched]) -> None:
    data = content(4 * BUFFER_BYTES + 5)
    file = kind(tmp_path / "file")
    write(file, data, 1 << 20)
    assert (tmp_path / "file").read_bytes() == data
    assert any(file.direct) is (kind is Dribbling)


def test_where_there_is_no_such_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_files, "DIRECT", 0)
    data = content(3 * BUFFER_BYTES)
    file = Watched(tmp_path / "file")
    write(file, data, 1 << 20)
    assert (tmp_path / "file").read_bytes() == data
    assert not any(file.direct)


def test_a_full_disk_is_an_error() -> None:
    with open("/dev/full", "wb", buffering=0) as file, LargeFile(file) as large:
        large.write(b"a")
        with pytest.raises(OSError, match="No space left"):
            large.sync()


def test_an_error_of_the_disk_is_not_taken_for_one_of_the_flag(tmp_path: Path) -> None:
    class Full(Watched):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            if is_direct(self):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)

    with pytest.raises(OSError, match="No space left"):
        write(Full(tmp_path / "file"), content(3 * BUFFER_BYTES), 1 << 20)
