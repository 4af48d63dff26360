"""What other users of the machine can read of a home."""

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from finery.app.serve import EXIT_USAGE, warn_of_readers
from tests.servers import ROOT, RunningServer

EVERYBODY = 0o755


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that all users of the machine can enter, which pytest's own are not."""
    before = os.umask(0o022)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = Path(folder)
        path.chmod(EVERYBODY)
        yield path
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def started(home: Path) -> None:
    """As far as the home and the database, where nobody may be let in yet."""
    argv = [sys.executable, "-m", "finery.app", "--home", str(home), "--host", "0.0.0.0", "--port", "0"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FINERY_")}
    done = subprocess.run(argv, env={**inherited, "PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True)
    assert done.returncode == EXIT_USAGE, done.stderr


class TestHome:
    def test_a_new_one_is_its_owners_alone(self, shared: Path) -> None:
        started(shared / "new" / "home")
        assert mode_of(shared / "new" / "home") == 0o700
        assert mode_of(shared / "new" / "home" / "training.db") == 0o600

    @pytest.mark.parametrize("mode", [EVERYBODY, 0o2770])
    def test_another_ones_mode_is_left_alone(self, shared: Path, mode: int) -> None:
        home = shared / "home"
        home.mkdir()
        home.chmod(mode)
        started(home)
        assert mode_of(home) == mode
        assert mode_of(home / "training.db") == 0o600


class TestWarning:
    @pytest.mark.parametrize(
        ("outer", "inner", "is_open"),
        [(EVERYBODY, EVERYBODY, True), (EVERYBODY, 0o711, True), (EVERYBODY, 0o750, False), (0o700, EVERYBODY, False)],
    )
    def test_when_everybody_can_enter(
        self, shared: Path, capsys: pytest.CaptureFixture[str], outer: int, inner: int, is_open: bool
    ) -> None:
        home = shared / "home"
        home.mkdir()
        home.chmod(inner)
        shared.chmod(outer)
        warn_of_readers(home)
        assert capsys.readouterr().err.count(f"can read what lies in {home}, ") == is_open

    def test_at_the_start(self, shared: Path) -> None:
        with RunningServer(shared) as server:
            said = server.log.read_text()
        assert said.count(f"finery server: other users of this machine can read what lies in {shared}, ") == 1
