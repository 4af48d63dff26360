"""`python -m tests.chaos [--kills 50] [--shim-kills 0] [--seed 1]`: kill -9 at random while short runs flow.

Clients submit with idempotency keys and repeat what was not answered; one run in five is cancelled. At the end every
accepted run must have ended once and rightly. Prints a table and exits 1 when a promise was broken.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import func, select

from finery.contracts.events import EventType
from finery.contracts.layout import HomeDirectory, mark_of, process_mark
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import Run, RunFilter
from finery.contracts.status import FINISHED, Reason, RunStatus
from finery.db import Database
from finery.domain import runs
from finery.kit.files import read_json
from finery.kit.home_identity import identify_home
from finery.kit.processes import Process, marked
from finery.models import AttemptRow, LeaseRow
from tests.ports import free_port

PROGRAM = "import sys, time; open(sys.argv[1], 'a').write('x'); time.sleep(float(sys.argv[2]))"
DRAIN_SECONDS = 180.0


@dataclass
class Chaos:
    home: Path
    random: random.Random
    port: int = field(default_factory=free_port)
    server: "subprocess.Popen[bytes] | None" = None
    accepted: dict[str, str] = field(default_factory=dict)
    """Idempotency key → run id."""
    cancelled: set[str] = field(default_factory=set)
    """Ids whose cancel was answered with 200."""
    over: threading.Event = field(default_factory=threading.Event)

    def start_server(self) -> None:
        environment = {**os.environ, "FINERY_WARM_START": "off", "FINERY_CPU_SLOTS": "4"}
        command = [sys.executable, "-m", "finery.app", "--port", str(self.port), "--home", str(self.home)]
        with (self.home / "server.log").open("ab") as log:
            self.server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)

    def kill_server(self) -> None:
        assert self.server is not None
        self.server.kill()
        self.server.wait()

    def submit_for_ever(self, worker: int) -> None:
        number = 0
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10) as client:
            while not self.over.is_set():
                key = f"{worker}-{number}"
                number += 1
                self._submit(client, key)
                time.sleep(0.15)

    def _submit(self, client: httpx.Client, key: str) -> None:
        seconds = str(round(self.random.random() * 1.2, 2))
        argv = [sys.executable, "-S", "-c", PROGRAM, str(self.home / "ran" / key), seconds]
        body = {"recipe": "command", "name": key, "config": {"argv": argv}}
        answer = self._insist(client, "/api/v1/runs", json=body, headers={"Idempotency-Key": key})
        assert answer.status_code == 201, answer.text
        run_id = answer.json()["id"]
        self.accepted[key] = run_id
        if self.random.random() < 0.2:
            time.sleep(self.random.random() * 0.5)
            if self._insist(client, f"/api/v1/runs/{run_id}/cancel").status_code == 200:
                self.cancelled.add(run_id)

    def _insist(self, client: httpx.Client, path: str, **request: object) -> httpx.Response:
        """Ask until there is an answer: what a client with an idempotency key may do."""
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = client.post(path, **request)  # type: ignore[arg-type]
                if answer.status_code < 500:
                    return answer
            time.sleep(0.05)

    def kill_a_shim(self) -> None:
        """Of a run that is alive; sometimes there is none."""
        records = list((self.home / "runs").glob("*/attempts/*/shim.json"))
        self.random.shuffle(records)
        for record in records:
            if not (record.parent / "exit.json").exists() and (known := read_json(record)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(known["shim"]["pid"], signal.SIGKILL)
                return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--shim-kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="finery-chaos-"))
    (home / "ran").mkdir()
    chaos = Chaos(home, random.Random(arguments.seed))
    began = time.monotonic()
    chaos.start_server()
    workers = [threading.Thread(target=chaos.submit_for_ever, args=(number,), daemon=True) for number in range(3)]
    for worker in workers:
        worker.start()
    plan = ["server"] * arguments.kills + ["shim"] * arguments.shim_kills
    chaos.random.shuffle(plan)
    for victim in plan:
        time.sleep(0.3 + chaos.random.random() * 2.5)
        if victim == "shim":
            chaos.kill_a_shim()
        else:
            chaos.kill_server()
            chaos.start_server()
    chaos.over.set()
    for worker in workers:
        worker.join()
    broken = verdict(chaos, shims_died=arguments.shim_kills > 0)
    print(f"\n{len(plan)} kills in {time.monotonic() - began:.0f} s; {len(chaos.accepted)} runs accepted")
    chaos.kill_server()
    if not broken:
        shutil.rmtree(home, ignore_errors=True)
    else:
        print(f"kept: {home}")
    return 1 if broken else 0


def verdict(chaos: Chaos, *, shims_died: bool) -> bool:
    """Print what was counted; True when a promise was broken."""
    database = Database("sqlite:///./training.db", home=chaos.home)
    found = _wait_for_all(database)
    by_id = {run.id: run for run in found}
    events = {run.id: _ends(database, run.id) for run in found}
    with database.read() as session:
        leases = session.scalar(select(func.count()).select_from(LeaseRow)) or 0
        live = session.scalar(select(func.count()).select_from(AttemptRow).where(AttemptRow.live_run.is_not(None))) or 0
    times = {run.name: _times_run(chaos.home, run.name or "") for run in found}
    counts = {
        "accepted but not there": sum(run_id not in by_id for run_id in chaos.accepted.values()),
        "there twice": sum(count > 1 for count in Counter(run.name for run in found).values()),
        "never ended": sum(run.status not in FINISHED for run in found),
        "wrong end": sum(_is_wrong(run, chaos.cancelled, shims_died) for run in found),
        "not exactly one terminal event": sum(ends != 1 for ends, _ in events.values()),
        "gap in the event numbers": sum(not whole for _, whole in events.values()),
        "carried out twice": sum(count > 1 for count in times.values()),
        "succeeded without being carried out": sum(
            run.status is RunStatus.SUCCEEDED and times[run.name] == 0 for run in found
        ),
        "leases left": leases + live,
        "processes left": sum(len(_processes_of(chaos.home, run.id, n + 1)) for run in found for n in range(3)),
    }
    for what, count in counts.items():
        print(f"{what:38} {count}")
    print(f"{'ends':38} {dict(Counter(str(run.status) for run in found))}")
    return any(counts.values())


def _processes_of(home: Path, run_id: str, attempt: int) -> list[Process]:
    where = HomeDirectory(home)
    return marked(process_mark(mark_of(identify_home(where.state), where.run(run_id).path, attempt)))


def _wait_for_all(database: Database) -> list[Run]:
    deadline = time.monotonic() + DRAIN_SECONDS
    while True:
        with database.read() as session:
            found = runs.list_page(session, RunFilter(), LOCAL_ADMINISTRATOR, limit=100_000).runs
        if all(run.status in FINISHED for run in found) or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


def _ends(database: Database, run_id: str) -> tuple[int, bool]:
    with database.read() as session:
        events = runs.list_events(session, run_id, LOCAL_ADMINISTRATOR, limit=100_000)
    ends = sum(one.type is EventType.STATUS and RunStatus(one.data["to"]).is_finished for one in events)
    return ends, [one.sequence for one in events] == list(range(1, len(events) + 1))


def _is_wrong(run: Run, cancelled: set[str], shims_died: bool) -> bool:
    expected = RunStatus.CANCELLED if run.id in cancelled else RunStatus.SUCCEEDED
    if shims_died and run.id not in cancelled and run.reason is Reason.LOST:
        # It was under way when its shim was killed, and a program is never started a second time.
        return False
    # A cancel whose answer was lost with the server may have been accepted.
    return run.status is not expected and run.status is not RunStatus.CANCELLED


def _times_run(home: Path, key: str) -> int:
    path = home / "ran" / key
    return len(path.read_text()) if path.exists() else 0


if __name__ == "__main__":
    sys.exit(main())
