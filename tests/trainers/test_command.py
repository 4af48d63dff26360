"""The command recipe: any program, minded."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from finery.contracts.layout import RunDirectory
from finery.contracts.process import ArtifactRef, Exit, Outcome, reason_of_exit
from finery.contracts.recipes import RECIPES
from finery.contracts.resolved_run import RunSpec
from finery.contracts.status import Reason
from tests.small_disk import fill, may_mount, read_only, small_disk
from tests.trainers.running import Ended, carry_out, ended, start, wait_until


def make(folder: Path, *argv: str, **settings: object) -> RunDirectory:
    run = RunDirectory(folder / "run")
    run.path.mkdir()
    spec = RunSpec(
        run_id="run",
        recipe="command",
        trainer=RECIPES["command"].trainer,
        config={"argv": list(argv), **settings},
        home=folder,
        output_dir=folder / "output",
        models_cache=folder,
    )
    run.spec.write_text(spec.model_dump_json())
    return run


class TestCommand:
    def test_success(self, tmp_path: Path) -> None:
        result = carry_out(make(tmp_path, "mkdir", "output"))
        assert (result.code, result.outcome.reason) == (0, "completed")
        assert result.outcome.artifacts == [ArtifactRef(name="output", type="file", path=str(tmp_path / "output"))]

    def test_its_exit_code_is_told(self, tmp_path: Path) -> None:
        result = carry_out(make(tmp_path, sys.executable, "-c", "raise SystemExit(7)"))
        assert (result.code, result.outcome.message) == (1, "the program ended with exit code 7")

    def test_shell_text_is_inert(self, tmp_path: Path) -> None:
        result = carry_out(make(tmp_path, "touch", "a; touch b", "$(touch c)"))
        assert result.code == 0
        assert sorted(path.name for path in tmp_path.iterdir()) == ["$(touch c)", "a; touch b", "run"]

    def test_a_missing_program_is_named(self, tmp_path: Path) -> None:
        result = carry_out(make(tmp_path, "no-such-program"))
        assert (result.code, result.outcome.reason) == (1, "start_failed")
        assert "'no-such-program' could not be started" in (result.outcome.message or "")

    def test_environment_and_events(self, tmp_path: Path) -> None:
        program = (
            "import json, os; open(os.environ['FINERY_EVENTS'], 'a').write("
            "json.dumps({'type': 'progress', 'at': 1, 'data': {'step': int(os.environ['N'])}}) + '\\n')"
        )
        result = carry_out(make(tmp_path, sys.executable, "-c", program, environment={"N": "3"}))
        assert result.of("progress") == [{"step": 3}]

    def test_stop_ends_it(self, tmp_path: Path) -> None:
        run = make(tmp_path, "sleep", "60")
        threading.Timer(0.3, (run.control / "stop").touch).start()
        result = carry_out(run)
        assert (result.code, result.outcome.reason) == (0, "stopped")

    def test_one_that_ignores_the_request_is_killed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("finery.trainers.command.GRACE_SECONDS", 0.2)
        run = make(tmp_path, sys.executable, "-c", "import signal; signal.signal(15, signal.SIG_IGN); signal.pause()")
        threading.Timer(0.5, (run.control / "stop").touch).start()
        assert carry_out(run).outcome.reason == "stopped"

    def test_sigterm_reaches_it(self, tmp_path: Path) -> None:
        run = make(tmp_path, "sleep", "60")
        process = start(run)
        wait_until(lambda: run.events.exists() and b"running sleep" in run.events.read_bytes())
        os.kill(process.pid, signal.SIGTERM)
        result: Ended = ended(run, process.wait(timeout=10))
        assert (result.code, result.outcome.reason) == (0, "paused")


class TestFullDisk:
    """Log, events and outcome lie on it."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[Path]:
        with small_disk(tmp_path / "small", "1m") as place:
            yield place

    @pytest.mark.parametrize(("filled", "reason"), [("filler", "completed"), ("run/events.jsonl", "disk_full")])
    def test_the_outcome_is_told(self, place: Path, filled: str, reason: str) -> None:
        """Where its last event still found room, the work is done; where not, that is what ended it."""
        run = make(place, sys.executable, "-c", FILLS, filled)
        start(run).wait(timeout=60)
        assert Outcome.model_validate_json(run.attempt(1).outcome.read_bytes()).reason == reason

    def test_a_program_that_fails_on_it_says_disk_full(self, place: Path) -> None:
        run = make(place, sys.executable, "-c", f"{FILLS}\nraise SystemExit(7)", "filler")
        start(run).wait(timeout=60)
        outcome = Outcome.model_validate_json(run.attempt(1).outcome.read_bytes())
        assert (outcome.reason, outcome.message) == ("disk_full", "the program ended with exit code 7 on a full disk")

    def test_the_exit_code_tells_where_nothing_else_can(self, place: Path) -> None:
        run = make(place, "true")
        (place / "run" / "attempts" / "1").mkdir(parents=True)
        (place / "run" / "log.txt").touch()
        fill(place)
        code = start(run).wait(timeout=60)
        assert not run.attempt(1).outcome.exists()
        assert reason_of_exit(Exit(exit_code=code, started_at=1.0, finished_at=2.0))[0] is Reason.DISK_FULL

    @pytest.mark.skipif(not may_mount(), reason="needs the right to mount")
    def test_one_that_is_read_only_is_told_likewise(self, tmp_path: Path) -> None:
        run = make(tmp_path, "true")
        go = tmp_path / "go"
        process = start(run, before=f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)")
        with read_only(run.path):
            go.touch()
            code = process.wait(timeout=60)
        assert not run.attempt(1).outcome.exists()
        reason, message = reason_of_exit(Exit(exit_code=code, started_at=1.0, finished_at=2.0))
        assert reason is Reason.DISK_FULL
        assert "read-only" in str(message)


FILLS = """
import sys
try:
    with open(sys.argv[1], "ab", buffering=0) as file:
        while file.write(b"x" * 4096) == 4096:
            pass
except OSError:
    pass
"""
