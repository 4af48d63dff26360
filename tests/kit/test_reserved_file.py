from collections.abc import Iterator
from pathlib import Path

import pytest

from finery.kit.reserved_file import RESERVED_BYTES, ReservedFile
from tests.small_disk import fill, small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small", "512k") as place:
        yield place


class TestReservedFile:
    def test_is_written_on_a_disk_that_became_full(self, disk: Path) -> None:
        file = ReservedFile(disk / "end.json")
        file.reserve()
        fill(disk)
        file.write(b"{}" * 1000)
        assert (disk / "end.json").read_bytes() == b"{}" * 1000

    def test_without_a_reserve_it_is_not_written(self, disk: Path) -> None:
        fill(disk)
        with pytest.raises(OSError, match="No space left"):
            ReservedFile(disk / "end.json").write(b"{}")
        assert not (disk / "end.json").exists()

    def test_what_is_too_long_leaves_no_half(self, disk: Path) -> None:
        file = ReservedFile(disk / "end.json")
        file.reserve()
        fill(disk)
        with pytest.raises(OSError, match="No space left"):
            file.write(b"x" * (RESERVED_BYTES + 1))
        assert not (disk / "end.json").exists()
