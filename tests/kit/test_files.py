import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from finery.kit.files import NotRegular, read_bounded_json, read_json, write_atomically


class TestWriteAtomically:
    def test_many_threads_one_file(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        contents = [bytes([number]) * 5000 for number in range(64)]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda data: write_atomically(path, data), contents))
        assert path.read_bytes() in contents
        assert list(tmp_path.iterdir()) == [path]


class TestReadBoundedJson:
    @pytest.mark.parametrize(
        ("data", "says"),
        [
            (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "nested too deeply"),
            (b"1" * 2000, "larger than"),
            (b"{", "Expect"),
        ],
    )
    def test_refuses(self, tmp_path: Path, data: bytes, says: str) -> None:
        (tmp_path / "a.json").write_bytes(data)
        with pytest.raises(ValueError, match=says):
            read_bounded_json(tmp_path / "a.json", limit=1000 if says == "larger than" else 10**6)
        assert says == "larger than" or read_json(tmp_path / "a.json") is None

    def test_a_pipe_holds_nobody(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.json")
        with pytest.raises(NotRegular):
            read_bounded_json(tmp_path / "a.json")
        assert read_json(tmp_path / "a.json") is None

    def test_a_link_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_text("[1]")
        (tmp_path / "b.json").symlink_to("a.json")
        assert read_bounded_json(tmp_path / "b.json") == [1]
