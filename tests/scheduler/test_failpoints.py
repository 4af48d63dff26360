"""The server, or the shim, is killed at every named place; started again, the run ends once and rightly."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from finery.contracts.events import EventType
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.status import Reason, RunStatus
from finery.domain import runs
from finery.kit.failpoints import FAILPOINTS
from finery.kit.files import read_json
from tests import builders
from tests.scheduler.harness import Harness

REQUEST = {"runs.before_commit", "runs.accepted"}
"""In a request's transaction: tests/scheduler/test_requests.py."""
SERVER = {name for name in FAILPOINTS if name.startswith(("submit.", "watch.", "stop.", "boot."))}
WEBHOOKS = {name for name in FAILPOINTS if name.startswith("webhooks.")}
"""On a message's way: tests/scheduler/test_webhook_failpoints.py."""
SHIM = {name for name in FAILPOINTS if name.startswith("shim.")}
PROGRAM = "import time; open('ran', 'a').write('x'); time.sleep(0.3); print('said')"


class TestList:
    def test_every_failpoint_has_its_test(self) -> None:
        assert REQUEST | SERVER | WEBHOOKS | SHIM == FAILPOINTS

    def test_every_place_of_the_shim_has_its_end(self) -> None:
        assert {name for name, _ in AFTER_THE_SHIM} == SHIM

    def test_every_failpoint_stands_in_the_code(self) -> None:
        source = Path(__file__).resolve().parents[2] / "src" / "finery"
        code = "".join(path.read_text() for path in source.rglob("*.py") if path.name != "failpoints.py")
        assert [name for name in sorted(FAILPOINTS) if f'failpoint("{name}")' not in code] == []


class TestServerKilled:
    @pytest.mark.thorough
    @pytest.mark.parametrize("name", sorted(SERVER - {"stop.before_signal", "stop.signalled"}))
    def test_the_run_ends_once(self, harness: Harness, name: str) -> None:
        run_id = harness.submit(builders.command(sys.executable, "-c", PROGRAM))
        harness.start(f"{name}=kill")
        assert harness.died(30), f"{name} was never reached"
        harness.start()
        run = harness.wait_for_end(run_id)
        assert run.status is RunStatus.SUCCEEDED
        assert (harness.home / "ran").read_text() == "x"
        harness.assert_promises(run_id)

    @pytest.mark.parametrize("name", ["stop.before_signal", "stop.signalled", "watch.finished", "watch.exit_seen"])
    def test_a_cancel_is_not_lost(self, harness: Harness, name: str) -> None:
        run_id = harness.submit(builders.command(sys.executable, "-c", "import time; time.sleep(600)"))
        harness.start(f"{name}=kill")
        harness.wait_for(run_id, RunStatus.RUNNING)
        with harness.database.write() as session:
            runs.request_cancel(session, run_id, LOCAL_ADMINISTRATOR)
        assert harness.died(30), f"{name} was never reached"
        harness.start()
        assert harness.wait_for_end(run_id).status is RunStatus.CANCELLED
        harness.assert_promises(run_id)

    @pytest.mark.parametrize("name", ["stop.before_signal", "stop.signalled", "watch.exit_seen"])
    def test_a_stop_is_not_lost(self, harness: Harness, name: str) -> None:
        run_id = harness.submit(builders.command(sys.executable, "-c", "import time; time.sleep(600)"))
        harness.start(f"{name}=kill")
        harness.wait_for(run_id, RunStatus.RUNNING)
        with harness.database.write() as session:
            runs.request_stop(session, run_id, LOCAL_ADMINISTRATOR)
        assert harness.died(30), f"{name} was never reached"
        harness.start()
        run = harness.wait_for_end(run_id)
        assert (run.status, run.reason) == (RunStatus.SUCCEEDED, Reason.STOPPED)
        harness.assert_promises(run_id)

    @pytest.mark.parametrize("name", ["submit.claimed", "submit.rendered", "submit.submitted", "watch.exit_seen"])
    def test_the_second_attempt_ends_once(self, harness: Harness, name: str) -> None:
        """The shim dies while no server runs; then the server dies on the second attempt's way."""
        program = "import os, time; n = os.path.exists('ran'); open('ran', 'a').write('x'); time.sleep(0 if n else 600)"
        run_id = harness.submit(builders.command(sys.executable, "-c", program, restartable=True))
        harness.start()
        harness.wait_for(run_id, RunStatus.RUNNING)
        while not (harness.home / "ran").exists():
            time.sleep(0.01)
        harness.kill()
        record = read_json(harness.home / "runs" / run_id / "attempts" / "1" / "shim.json")
        os.kill(record["shim"]["pid"], signal.SIGKILL)
        harness.start(f"{name}=kill")
        assert harness.died(30), f"{name} was never reached"
        harness.start()
        assert harness.wait_for_end(run_id).status is RunStatus.SUCCEEDED
        assert (harness.home / "ran").read_text() == "xx"
        harness.assert_promises(run_id)


SUCCEEDED, LOST = (RunStatus.SUCCEEDED, Reason.COMPLETED), (RunStatus.FAILED, Reason.LOST)
AFTER_THE_SHIM: dict[tuple[str, bool], tuple[tuple[RunStatus, Reason], int, set[str]]] = {
    # Nothing had begun: it is started once more, whatever its configuration says.
    ("shim.locked", False): (SUCCEEDED, 2, {"x"}),
    # It was under way, and the kernel ended it with its shim.
    ("shim.started", False): (LOST, 1, {"", "x"}),
    ("shim.started", True): (SUCCEEDED, 2, {"x", "xx"}),
    # Its trainer had told the end.
    ("shim.exited", False): (SUCCEEDED, 1, {"x"}),
    ("shim.before_exit_file", True): (SUCCEEDED, 1, {"x"}),
}
"""Where the shim died and whether the program is restartable → how its run ends, in which attempt, after what."""


class TestShimKilled:
    @pytest.mark.parametrize(("name", "restartable"), sorted(AFTER_THE_SHIM))
    @pytest.mark.parametrize("server_too", [False, True])
    def test_the_run_ends_once(self, harness: Harness, name: str, restartable: bool, server_too: bool) -> None:
        run_id = harness.submit(builders.command(sys.executable, "-c", PROGRAM, restartable=restartable))
        harness.start(f"{name}=kill")
        if server_too:
            while not Path(f"{harness.home / 'fired'}.{name}").exists():
                time.sleep(0.01)
            harness.kill()
            harness.start()
        run = harness.wait_for_end(run_id)
        end, attempt, ran = AFTER_THE_SHIM[name, restartable]
        assert ((run.status, run.reason), run.attempt) == (end, attempt)
        path = harness.home / "ran"
        assert (path.read_text() if path.exists() else "") in ran
        assert harness.events(run_id).count(EventType.RESULT) == int(run.status is RunStatus.SUCCEEDED)
        harness.assert_promises(run_id)
