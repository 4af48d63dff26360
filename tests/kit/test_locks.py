import subprocess
import sys
from pathlib import Path

import pytest

from finery.kit.locks import FileLock, LockTaken


class TestFileLock:
    def test_second_holder_learns_of_the_first(self, tmp_path: Path) -> None:
        with FileLock(tmp_path / "a" / "lock", note="the first"), pytest.raises(LockTaken) as caught:
            FileLock(tmp_path / "a" / "lock").acquire()
        assert caught.value.holder == "the first"

    def test_free_after_release(self, tmp_path: Path) -> None:
        lock = FileLock(tmp_path / "lock")
        lock.acquire()
        lock.acquire()
        with pytest.raises(LockTaken):
            FileLock(tmp_path / "lock").acquire()
        lock.release()
        FileLock(tmp_path / "lock").acquire()

    def test_not_inherited_by_programs(self, tmp_path: Path) -> None:
        lock = FileLock(tmp_path / "lock")
        lock.acquire()
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False) as child:
            lock.release()
            FileLock(tmp_path / "lock").acquire(timeout=1.0)
            child.kill()
