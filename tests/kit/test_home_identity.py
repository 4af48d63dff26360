import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from finery.kit import home_identity
from finery.kit.home_identity import FILE, identify_home


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return tmp_path / "original" / ".finery"


def changed(state: Path, **place: object) -> None:
    value = json.loads((state / FILE).read_text())
    value["place"] |= place
    (state / FILE).write_text(json.dumps(value))


class TestIdentifyHome:
    def test_stays(self, original: Path) -> None:
        first = identify_home(original)
        assert identify_home(original) == first

    def test_is_drawn(self, original: Path, tmp_path: Path) -> None:
        assert identify_home(original) != identify_home(tmp_path / "other")

    @pytest.mark.parametrize("command", [["cp", "-a"], ["cp", "-al"], ["cp", "-r"]])
    def test_of_a_copy_is_another_and_stays(self, original: Path, command: list[str]) -> None:
        first = identify_home(original)
        copy = original.parents[1] / "copy"
        subprocess.run([*command, original.parent, copy], check=True)
        second = identify_home(copy / ".finery")
        assert second != first
        assert identify_home(copy / ".finery") == second
        assert identify_home(original) == first

    def test_of_a_restored_backup_is_another(self, original: Path, tmp_path: Path) -> None:
        first = identify_home(original)
        shutil.make_archive(str(tmp_path / "backup"), "tar", original.parent)
        original.parent.rename(tmp_path / "aside")
        shutil.unpack_archive(tmp_path / "backup.tar", original.parent, filter="data")
        assert identify_home(original) != first

    def test_goes_along_with_a_move(self, original: Path, tmp_path: Path) -> None:
        first = identify_home(original)
        moved = original.parent.rename(tmp_path / "moved")
        assert identify_home(moved / ".finery") == first

    def test_outlives_a_boot_after_which_the_disk_has_another_number(self, original: Path) -> None:
        first = identify_home(original)
        changed(original, boot_id="another", filesystem=7)
        assert identify_home(original) == first

    def test_of_a_snapshot_beside_its_original_is_another(self, original: Path) -> None:
        """Its inodes are the original's, on a file system of its own."""
        first = identify_home(original)
        changed(original, filesystem=7)
        assert identify_home(original) != first

    def test_of_a_file_system_whose_device_was_made_up_is_what_it_says_itself(
        self, original: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(home_identity.os, "major", lambda _: 0)
        identify_home(original)
        assert json.loads((original / FILE).read_text())["place"]["filesystem"] == os.statvfs(original).f_fsid

    @pytest.mark.parametrize("torn", ["", "[]", '{"id": "x"}', '{"id": "x", "place": {"inode": "?"}}'])
    def test_a_file_that_says_nothing_is_none(self, original: Path, torn: str) -> None:
        first = identify_home(original)
        (original / FILE).write_text(torn)
        assert identify_home(original) not in (first, "x")
