from collections.abc import Iterator
from pathlib import Path

import pytest

from finery.kit.disk_reserve import MIB, DiskReserve
from tests.small_disk import fill, small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small", "12m") as place:
        yield place


class TestDiskReserve:
    def test_holds_its_space(self, disk: Path) -> None:
        reserve = DiskReserve(disk / "reserve", size=2 * MIB)
        assert reserve.fill()
        assert reserve.fill()
        assert (disk / "reserve").stat().st_blocks * 512 == 2 * MIB

    def test_is_given_up_on_a_full_disk_only(self, disk: Path) -> None:
        reserve = DiskReserve(disk / "reserve", size=2 * MIB)
        reserve.fill()
        reserve.give_up_if_short()
        assert (disk / "reserve").exists()
        fill(disk)
        reserve.give_up_if_short()
        (disk / "note").write_bytes(b"x" * MIB)

    def test_is_not_taken_from_a_disk_that_is_nearly_full(self, disk: Path) -> None:
        reserve = DiskReserve(disk / "reserve", size=2 * MIB)
        filler = fill(disk)
        assert not reserve.fill()
        filler.unlink()
        assert reserve.fill()

    def test_a_directory_that_is_not_there_holds_none(self, tmp_path: Path) -> None:
        reserve = DiskReserve(tmp_path / "no" / "reserve")
        reserve.give_up_if_short()
        assert not reserve.fill()


class TestIsSpent:
    def test_once_given_up_until_there_is_room(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        reserve = DiskReserve(tmp_path / "reserve", size=1 << 20)
        assert not reserve.is_spent()
        monkeypatch.setattr(reserve, "_free_bytes", lambda: (1 << 20) - 1)
        assert reserve.is_spent()
        (tmp_path / "reserve").write_bytes(b"")
        assert not reserve.is_spent()
