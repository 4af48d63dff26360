"""Runs of the `command` recipe, carried out by a scheduler in a process of its own."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from finery.contracts.events import EventType
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.status import Intent, Reason, RunStatus
from finery.domain import runs
from finery.kit.files import read_json
from tests import builders
from tests.scheduler.harness import Harness

# The database takes no part in these; tests/scheduler/test_failpoints.py goes over all three.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
HANG_SIGNAL = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]


def trainer_pid(home: Path, run_id: str, attempt: int = 1) -> int:
    return int(read_json(home / "runs" / run_id / "attempts" / str(attempt) / "shim.json")["process"]["pid"])


def shim_pid(home: Path, run_id: str, attempt: int = 1) -> int:
    return int(read_json(home / "runs" / run_id / "attempts" / str(attempt) / "shim.json")["shim"]["pid"])


class TestEnds:
    @pytest.mark.parametrize(
        ("code", "status", "reason", "error"),
        [
            ("pass", RunStatus.SUCCEEDED, Reason.COMPLETED, None),
            ("raise SystemExit(3)", RunStatus.FAILED, Reason.ERROR, "3"),
            ("import os; os.kill(os.getpid(), 9)", RunStatus.FAILED, Reason.ERROR, "signal 9"),
        ],
    )
    def test_the_exit_decides(
        self, harness: Harness, code: str, status: RunStatus, reason: Reason, error: str | None
    ) -> None:
        harness.start()
        run_id = harness.submit(builders.command(sys.executable, "-c", code))
        run = harness.wait_for_end(run_id)
        assert (run.status, run.reason) == (status, reason)
        assert error is None or (run.error is not None and error in run.error)
        harness.assert_promises(run_id)

    def test_a_program_that_is_not_there(self, harness: Harness) -> None:
        harness.start()
        run = harness.wait_for_end(harness.submit(builders.command("no-such-program-at-all")))
        assert run.status is RunStatus.FAILED
        assert "no-such-program-at-all" in (run.error or "")

    def test_shell_text_is_inert(self, harness: Harness) -> None:
        harness.start()
        words = ["$(touch owned)", "; touch owned", "-x", "a\nb", "`touch owned`"]
        code = f"import sys; assert sys.argv[1:] == {words!r}, sys.argv"
        run = harness.wait_for_end(harness.submit(builders.command(sys.executable, "-c", code, *words)))
        assert run.status is RunStatus.SUCCEEDED
        assert not (harness.home / "owned").exists()

    def test_its_output_is_the_log(self, harness: Harness) -> None:
        harness.start()
        run_id = harness.submit(builders.command(sys.executable, "-c", "print('finé 炉')"))
        run = harness.wait_for_end(run_id)
        assert run.log_file is not None
        assert "finé 炉" in (harness.home / run.log_file).read_text()

    def test_time_limit(self, harness: Harness) -> None:
        harness.start()
        run = harness.wait_for_end(harness.submit(builders.command(*SLEEP, time_limit_seconds=0.5)))
        assert (run.status, run.reason) == (RunStatus.FAILED, Reason.TIMEOUT)


class TestIntents:
    def test_cancel_while_running(self, harness: Harness) -> None:
        harness.start()
        run_id = harness.submit(builders.command(*SLEEP))
        harness.wait_for(run_id, RunStatus.RUNNING)
        with harness.database.write() as session:
            runs.request_cancel(session, run_id, LOCAL_ADMINISTRATOR)
        assert harness.wait_for_end(run_id).status is RunStatus.CANCELLED
        harness.assert_promises(run_id)

    def test_cancel_of_one_that_ignores_sigterm(self, harness: Harness) -> None:
        harness.start()
        run_id = harness.submit(builders.command(*HANG_SIGNAL))
        harness.wait_for(run_id, RunStatus.RUNNING)
        with harness.database.write() as session:
            runs.request_cancel(session, run_id, LOCAL_ADMINISTRATOR)
        assert harness.wait_for_end(run_id).status is RunStatus.CANCELLED
        harness.assert_promises(run_id)

    def test_cancel_between_claim_and_start(self, harness: Harness) -> None:
        harness.start("submit.claimed=sleep:1")
        run_id = harness.submit(builders.command(sys.executable, "-c", "open('ran', 'w')"))
        harness.wait_for(run_id, RunStatus.STARTING)
        with harness.database.write() as session:
            assert runs.request_cancel(session, run_id, LOCAL_ADMINISTRATOR).intent is Intent.CANCEL
        assert harness.wait_for_end(run_id).status is RunStatus.CANCELLED
        time.sleep(0.3)
        assert not (harness.home / "ran").exists()
        harness.assert_promises(run_id)

    def test_stop_ends_it_well(self, harness: Harness) -> None:
        harness.start()
        run_id = harness.submit(builders.command(*SLEEP))
        harness.wait_for(run_id, RunStatus.RUNNING)
        with harness.database.write() as session:
            runs.request_stop(session, run_id, LOCAL_ADMINISTRATOR)
        run = harness.wait_for_end(run_id)
        assert (run.status, run.reason) == (RunStatus.SUCCEEDED, Reason.STOPPED)


class TestFaults:
    def test_the_server_is_killed_during_a_run(self, harness: Harness) -> None:
        harness.start()
        run_id = harness.submit(builders.command(sys.executable, "-c", "import time; time.sleep(2); print('whole')"))
        harness.wait_for(run_id, RunStatus.RUNNING)
        harness.kill()
        harness.start()
        run = harness.wait_for_end(run_id)
        assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 1)
        assert (harness.home / (run.log_file or "")).read_text().splitlines().count("whole") == 1
        harness.assert_promises(run_id)

    def test_the_trainer_is_killed(self, harness: Harness) -> None:
        harness.start()
        run_id = harness.submit(builders.command(*SLEEP))
        harness.wait_for(run_id, RunStatus.RUNNING)
        os.kill(trainer_pid(harness.home, run_id), signal.SIGKILL)
        began = time.monotonic()
        run = harness.wait_for_end(run_id)
        assert time.monotonic() - began < 5
        assert (run.status, run.reason) == (RunStatus.FAILED, Reason.KILLED)
        assert "signal 9" in (run.error or "")
        harness.assert_promises(run_id)

    @pytest.mark.thorough
    def test_a_training_that_is_killed_goes_on(self, harness: Harness) -> None:
        """In the middle, after a checkpoint: it does its remaining steps, and tells its result once."""
        harness.start()
        settings = {"max_steps": 60, "save_steps": 2, "batch_size": 1, "max_length": 64}
        run_id = harness.submit(builders.sft(harness.home, config=settings))
        folder = harness.home / "runs" / run_id / "checkpoints"
        harness.wait_for(run_id, RunStatus.RUNNING)
        while not list(folder.glob("checkpoint-*")):
            time.sleep(0.05)
        os.kill(trainer_pid(harness.home, run_id), signal.SIGKILL)
        run = harness.wait_for_end(run_id, timeout=240)
        assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 2)
        steps = harness.data(run_id, EventType.PROGRESS)
        assert steps[-1]["step"] == 60
        assert harness.events(run_id).count(EventType.RESULT) == 1
        harness.assert_promises(run_id)

    @pytest.mark.parametrize("server_too", [False, True])
    def test_the_shim_is_killed(self, harness: Harness, server_too: bool) -> None:
        harness.start()
        code = "import os, time; first = not os.path.exists('seen'); open('seen', 'w'); time.sleep(600 if first else 0)"
        run_id = harness.submit(builders.command(sys.executable, "-c", code, restartable=True))
        harness.wait_for(run_id, RunStatus.RUNNING)
        while not (harness.home / "seen").exists():
            time.sleep(0.02)
        if server_too:
            harness.kill()
        os.kill(shim_pid(harness.home, run_id), signal.SIGKILL)
        if server_too:
            harness.start()
        run = harness.wait_for_end(run_id)
        assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 2)
        harness.assert_promises(run_id)

    @pytest.mark.parametrize("restartable", [False, True])
    def test_another_boot(self, harness: Harness, restartable: bool) -> None:
        """The machine restarted: the record names a boot that is over, and no process of it can live."""
        harness.start()
        wanted = builders.command(sys.executable, "-c", "import time; time.sleep(1)", restartable=restartable)
        run_id = harness.submit(wanted)
        harness.wait_for(run_id, RunStatus.RUNNING)
        harness.kill()
        os.kill(shim_pid(harness.home, run_id), signal.SIGKILL)
        record = harness.home / "runs" / run_id / "attempts" / "1" / "shim.json"
        text = record.read_text()
        boot = read_json(record)["shim"]["boot_id"]
        record.write_text(text.replace(boot, "00000000-0000-0000-0000-000000000000"))
        harness.start()
        run = harness.wait_for_end(run_id)
        expected = (RunStatus.SUCCEEDED, None, 2) if restartable else (RunStatus.FAILED, Reason.LOST, 1)
        assert (run.status, run.reason if not restartable else None, run.attempt) == expected

    @pytest.mark.parametrize("restartable", [False, True])
    def test_a_command_that_a_shutdown_ended(self, harness: Harness, restartable: bool) -> None:
        """SIGTERM that nobody here sent: what was paid once is not paid again, unless it says that it may be."""
        harness.start()
        code = (
            "import os, time; first = not os.path.exists('ran'); open('ran', 'a').write('x'); time.sleep(600 * first)"
        )
        run_id = harness.submit(builders.command(sys.executable, "-c", code, restartable=restartable))
        harness.wait_for(run_id, RunStatus.RUNNING)
        while not (harness.home / "ran").exists():
            time.sleep(0.01)
        os.kill(trainer_pid(harness.home, run_id), signal.SIGTERM)
        run = harness.wait_for_end(run_id)
        assert run.status is (RunStatus.SUCCEEDED if restartable else RunStatus.FAILED)
        assert (harness.home / "ran").read_text() == ("xx" if restartable else "x")
        assert restartable or "restartable" in (run.error or "")
        harness.assert_promises(run_id)

    def test_a_held_trainer_is_flagged(self, harness: Harness) -> None:
        harness.start()
        run_id = harness.submit(builders.command(*SLEEP))
        harness.wait_for(run_id, RunStatus.RUNNING)
        os.kill(trainer_pid(harness.home, run_id), signal.SIGSTOP)
        deadline = time.monotonic() + 10
        codes: list[str] = []
        while "trainer_held" not in codes and time.monotonic() < deadline:
            time.sleep(0.05)
            with harness.database.read() as session:
                events = runs.list_events(session, run_id, LOCAL_ADMINISTRATOR)
                codes = [event.data.as_json().get("code") for event in events]
        assert codes.count("trainer_held") == 1

    def test_nonsense_from_one_program_troubles_no_other(self, harness: Harness) -> None:
        harness.start()
        code = (
            "import os, time; f = open(os.environ['FINERY_EVENTS'], 'a');"
            'f.write(\'{"type": "progress", "at": 1, "data": {"fraction": "abc", "step": "x"}}\\n\');'
            'f.write(\'{"type": "status", "at": 1, "data": {"to": "succeeded"}}\\n\'); f.close()'
        )
        first = harness.submit(builders.command(sys.executable, "-c", code))
        second = harness.submit(builders.command(sys.executable, "-c", "pass"))
        ends = [harness.wait_for_end(run_id).status for run_id in (first, second)]
        assert ends == [RunStatus.SUCCEEDED] * 2
        harness.assert_promises(first)

    def test_a_stop_asked_for_between_two_attempts(self, harness: Harness) -> None:
        """The second attempt's start clears old requests away; one that came in that moment must still arrive."""
        harness.start("submit.claimed=sleep:0.5")
        code = "import os, time; open(f'ran{os.path.exists(\"ran\")}', 'w'); open('ran', 'w'); time.sleep(600)"
        run_id = harness.submit(builders.command(sys.executable, "-c", code, restartable=True))
        harness.wait_for(run_id, RunStatus.RUNNING)
        while not (harness.home / "ran").exists():
            time.sleep(0.02)
        (harness.home / "fired.submit.claimed").unlink()
        os.kill(shim_pid(harness.home, run_id), signal.SIGKILL)
        while harness.get(run_id).attempt < 2:
            time.sleep(0.01)
        with harness.database.write() as session:
            runs.request_stop(session, run_id, LOCAL_ADMINISTRATOR)
        run = harness.wait_for_end(run_id)
        assert (run.status, run.reason) == (RunStatus.SUCCEEDED, Reason.STOPPED)
