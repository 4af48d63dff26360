"""The command recipe: any program, minded."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from finery.contracts.layout import RunDirectory
from finery.contracts.process import Made
from finery.contracts.spec import RunSpec
from tests.trainers.running import Ended, carry_out, ended, start, wait_until


def make(folder: Path, *argv: str, **settings: object) -> RunDirectory:
    run = RunDirectory(folder / "run")
    run.path.mkdir()
    spec = RunSpec(
        run_id="run",
        recipe="command",
        config={"argv": list(argv), **settings},
        home=folder,
        model="",
        dataset=None,
        eval_dataset=None,
        output_dir=folder / "output",
        models_cache=folder,
    )
    run.spec.write_text(spec.model_dump_json())
    return run


class TestCommand:
    def test_success(self, tmp_path: Path) -> None:
        result = carry_out(make(tmp_path, "mkdir", "output"))
        assert (result.code, result.outcome.reason) == (0, "completed")
        assert result.outcome.artifacts == [Made(name="output", type="file", path=str(tmp_path / "output"))]

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
