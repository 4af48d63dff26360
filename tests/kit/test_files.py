from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from finery.kit.files import write_atomically


class TestWriteAtomically:
    def test_many_threads_one_file(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        contents = [bytes([number]) * 5000 for number in range(64)]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda data: write_atomically(path, data), contents))
        assert path.read_bytes() in contents
        assert list(tmp_path.iterdir()) == [path]
