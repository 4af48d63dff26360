from pathlib import Path

import pytest

from finery.kit import log_search
from finery.kit.log_search import find_lines


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "run.log"
    path.write_bytes("step 1\n\x1b[32mSt\x1b[0mep 2\nother\nepoch 단계 3\nlast step".encode())
    return path


class TestFindLines:
    def test_lines_with_their_places(self, log: Path) -> None:
        found = find_lines(log, "STEP", 0, 10)
        assert [line.text for line in found.lines] == ["step 1", "Step 2", "last step"]
        content = log.read_bytes()
        assert all(line.offset == 0 or content[line.offset - 1 : line.offset] == b"\n" for line in found.lines)
        assert found.next_offset is None

    def test_goes_on_where_it_stopped(self, log: Path) -> None:
        first = find_lines(log, "step", 0, 2)
        assert first.next_offset is not None
        assert [line.text for line in find_lines(log, "step", first.next_offset, 2).lines] == ["last step"]

    @pytest.mark.parametrize("offset", [1_000, 2**45, 2**62])
    def test_beyond_the_end_is_nothing(self, log: Path, offset: int) -> None:
        assert find_lines(log, "step", offset, 2) == log_search.Found([], None)

    def test_a_text_is_no_pattern(self, log: Path) -> None:
        assert find_lines(log, ".", 0, 10).lines == []
        assert [line.text for line in find_lines(log, "단계", 0, 10).lines] == ["epoch 단계 3"]

    @pytest.mark.parametrize("block", [8, 16, 64])
    def test_blocks_end_anywhere(self, log: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
        whole = find_lines(log, "step", 0, 10)
        monkeypatch.setattr(log_search, "BLOCK_BYTES", block + 16)
        assert find_lines(log, "step", 0, 10) == whole

    def test_it_reads_only_so_far(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "long.log"
        path.write_bytes(b"nothing\n" * 100 + b"step\n")
        monkeypatch.setattr(log_search, "BLOCK_BYTES", 80)
        monkeypatch.setattr(log_search, "SCAN_BYTES", 400)
        found = find_lines(path, "step", 0, 10)
        assert (found.lines, found.next_offset) == ([], 400)
        assert [line.text for line in find_lines(path, "step", 800, 10).lines] == ["step"]

    def test_long_lines_are_told_around_what_was_found(self, tmp_path: Path) -> None:
        path = tmp_path / "long.log"
        path.write_bytes(b"x" * 10_000 + b"needle" + b"y" * 10_000)
        (line,) = find_lines(path, "needle", 0, 10).lines
        assert "needle" in line.text
        assert len(line.text) <= log_search.LINE_BYTES

    def test_a_log_that_is_not_there(self, tmp_path: Path) -> None:
        assert find_lines(tmp_path / "none.log", "x", 0, 10).lines == []
