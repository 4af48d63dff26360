import os
import time
import tracemalloc
from pathlib import Path

import pytest

from finery.kit.log_lines import BLOCK_BYTES, LINE_BYTES, LogReader, LogView, clean_line, read_part


def log(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "a.log"
    path.write_bytes(content)
    return path


def shown(view: LogView) -> list[str]:
    return list(view.lines())


class TestTail:
    def test_missing_file_is_an_empty_log(self, tmp_path: Path) -> None:
        view = LogReader().tail(tmp_path / "none.log", 10)
        assert (shown(view), view.total_lines) == ([], 0)

    @pytest.mark.parametrize(
        ("content", "tail", "lines", "total"),
        [
            (b"", 5, [], 0),
            (b"a\nb\nc\n", 2, ["b", "c"], 3),
            (b"a\nb\nc", 2, ["b", "c"], 3),
            (b"a\nb\nc\n", 0, ["a", "b", "c"], 3),
            (b"a\nb\n", 2**31 - 1, ["a", "b"], 2),
            (b"a\n\n\n", 2, ["", ""], 3),
            (b"\n", 1, [""], 1),
            (b"a\r\nb\r\n", 1, ["b"], 2),
        ],
    )
    def test_lines_and_their_number(
        self, tmp_path: Path, content: bytes, tail: int, lines: list[str], total: int
    ) -> None:
        view = LogReader().tail(log(tmp_path, content), tail)
        assert (shown(view), view.total_lines) == (lines, total)

    @pytest.mark.parametrize("size", [BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1])
    def test_lines_that_cross_blocks(self, tmp_path: Path, size: int) -> None:
        lines = ["x" * 1000 + str(number) for number in range(size // 1000 * 2)]
        path = log(tmp_path, "\n".join(lines).encode())
        assert shown(LogReader().tail(path, 70)) == lines[-70:]
        assert shown(LogReader().tail(path, 0)) == lines

    def test_counts_only_what_was_added(self, tmp_path: Path) -> None:
        path, reader = log(tmp_path, b"a\n" * 1000), LogReader()
        assert reader.tail(path, 1).total_lines == 1000
        with path.open("ab") as file:
            file.write(b"b\nunfinished")
        assert reader.tail(path, 1).total_lines == 1002

    def test_a_long_count_is_remembered_over_a_restart(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("finery.kit.log_lines.LONG_BYTES", 4)
        path = log(tmp_path, b"a\nb\nc\n")
        assert LogReader(tmp_path / "counts").count(path) == 3
        path.write_bytes(b"xxxxxx" + b"d\ne")
        # The noted part is believed, not read again: its newlines are gone, and still counted.
        assert LogReader(tmp_path / "counts").count(path) == 5

    def test_counts_anew_when_the_file_was_replaced(self, tmp_path: Path) -> None:
        path, reader = log(tmp_path, b"a\n" * 1000), LogReader()
        reader.tail(path, 1)
        path.write_bytes(b"x\n")
        assert reader.tail(path, 1).total_lines == 1
        (tmp_path / "b").write_bytes(b"y\n" * 5000)
        os.replace(tmp_path / "b", path)
        assert reader.tail(path, 1).total_lines == 5000

    def test_is_cut_off_at_the_size_it_had(self, tmp_path: Path) -> None:
        path = log(tmp_path, b"a\nb\n")
        view = LogReader().tail(path, 0)
        with path.open("ab") as file:
            file.write(b"c\n")
        assert shown(view) == ["a", "b"]

    def test_huge_line_is_shortened_in_flat_memory(self, tmp_path: Path) -> None:
        path = tmp_path / "a.log"
        with path.open("wb") as file:
            file.write(b"before\n")
            for _ in range(100):
                file.write(b"x" * 2**20)
            file.write(b"\nafter\n")
        tracemalloc.start()
        lines = shown(LogReader().tail(path, 3))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert lines[0] == "before"
        assert lines[1] == "x" * LINE_BYTES + f"… [{100 * 2**20 - LINE_BYTES} more bytes]"
        assert lines[2] == "after"
        assert peak < 2 * 2**20

    def test_tail_of_a_large_log_is_quick(self, tmp_path: Path) -> None:
        path, reader = tmp_path / "a.log", LogReader()
        with path.open("wb") as file:
            for _ in range(200):
                file.write(b"step 1 of 9: loss 1.234, and so on\n" * 30_000)
        reader.tail(path, 50)
        began = time.perf_counter()
        assert len(shown(reader.tail(path, 50))) == 50
        assert time.perf_counter() - began < 0.05


class TestCleanLine:
    @pytest.mark.parametrize(
        ("data", "text"),
        [
            (b"\x1b[31mred\x1b[0m", "red"),
            (b"\x1b]0;title\x07text", "text"),
            (b"10%\r20%\r30%", "30%"),
            (b"done\r", "done"),
            ("가나다".encode(), "가나다"),
            (b"\xff\xfe broken", "�� broken"),
            (b"nul\0bell\x07", "nulbell"),
            (b"a\tb", "a\tb"),
            (b"", ""),
        ],
    )
    def test_shows_what_a_terminal_shows(self, data: bytes, text: str) -> None:
        assert clean_line(data) == text


class TestReadPart:
    def test_holds_an_unfinished_line_back(self, tmp_path: Path) -> None:
        path = log(tmp_path, b"one\ntwo\nthr")
        part = read_part(path, 0, 100, whole=False)
        assert (part.text, part.next_offset) == ("one\ntwo\n", 8)
        assert read_part(path, 8, 100, whole=False).next_offset == 8

    def test_gives_all_when_nothing_more_comes(self, tmp_path: Path) -> None:
        part = read_part(log(tmp_path, b"one\nthr"), 0, 100, whole=True)
        assert (part.text, part.next_offset) == ("one\nthr", 7)

    def test_a_line_longer_than_the_limit_is_cut_between_characters(self, tmp_path: Path) -> None:
        path = log(tmp_path, "가나다라".encode())
        text, offset = "", 0
        for _ in range(4):
            part = read_part(path, offset, 4, whole=True)
            text, offset = text + part.text, part.next_offset
        assert text == "가나다라"

    def test_binary_makes_progress(self, tmp_path: Path) -> None:
        path = log(tmp_path, b"\x80" * 100)
        offset = 0
        for _ in range(100):
            offset = read_part(path, offset, 8, whole=True).next_offset
        assert offset == 100

    def test_past_the_end(self, tmp_path: Path) -> None:
        part = read_part(log(tmp_path, b"a\n"), 50, 10, whole=True)
        assert (part.text, part.next_offset) == ("", 50)
