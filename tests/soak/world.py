"""One round's home, database and server, and who is alive in them."""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from finery.contracts.layout import MARK_VARIABLE
from finery.db import Database
from finery.kit.files import read_json
from finery.kit.home_identity import identify_home
from finery.kit.processes import Identity, Process, processes
from tests import databases
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SQLITE = "sqlite:///training.db"
START_SECONDS = 600.0
"""Enough where everybody else goes first: the soak is nice to them, and its servers with it."""
SLOTS = 4
MOST_KILLS = 4
"""Of one run: after five it fails as it should."""


class RoundBroken(Exception):
    """Something came to a stop that nothing allows; the rest of the round cannot be carried out."""


@dataclass
class World:
    folder: Path
    home: Path
    random: random.Random
    url: str
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    server: "subprocess.Popen[bytes] | None" = None
    kills: Counter[str] = field(default_factory=Counter)
    victims: Counter[str] = field(default_factory=Counter)
    """How often we killed the shim or the trainer of a run (by id): a command among them may end lost."""

    boot_seconds: float = 2.0
    """What the last start took that was waited for."""
    started_at: float = 0.0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """Outside of the home, which may be read-only."""
        return self.folder / "server.log"

    def start(self) -> None:
        """Begin to start the server; it is up when `wait_until_up` returns."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FINERY_")}
        settings = {
            "PYTHONPATH": str(ROOT / "src"),
            "FINERY_WARM_START": "off",
            "FINERY_CPU_SLOTS": str(SLOTS),
            "TRAINING_DB_URL": self.url,
        }
        self.started_at = time.monotonic()
        command = [sys.executable, "-m", "finery.app", "--port", str(self.port), "--home", str(self.home)]
        with self.log.open("ab") as log:
            self.server = subprocess.Popen(
                command,
                env={**inherited, **settings, **self.environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_up(self) -> None:
        """Raises RoundBroken."""
        if self._is_up():
            return
        deadline = time.monotonic() + START_SECONDS
        while not self._is_up():
            assert self.server is not None
            if self.server.poll() is not None or time.monotonic() > deadline:
                raise RoundBroken(f"the server did not start (exit code {self.server.poll()}); see {self.log}")
            time.sleep(0.05)
        self.boot_seconds = time.monotonic() - self.started_at

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"{self.address}/healthz", timeout=2.0, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def kill_server(self) -> None:
        assert self.server is not None
        self.server.kill()
        self.server.wait()
        self.kills["server"] += 1

    def stop_server(self) -> int:
        """SIGTERM; the exit code, -9 where it did not end in time."""
        assert self.server is not None
        self.server.terminate()
        try:
            return self.server.wait(60)
        except subprocess.TimeoutExpired:
            self.server.kill()
            return self.server.wait()

    def live_attempt(self, folder: str = "runs") -> "Victims | None":
        """One of those that are under way, by chance; None when there is none."""
        found = [record.parent for record in (self.home / folder).glob("*/attempts/*/shim.json")]
        self.random.shuffle(found)
        for attempt in found:
            run_id = attempt.parents[1].name
            record = None if (attempt / "exit.json").exists() else read_json(attempt / "shim.json")
            victims = Victims.parse(run_id, record)
            if victims is not None and victims.shim.is_alive() and self.victims[run_id] < MOST_KILLS:
                return victims
        return None

    def signal(self, run_id: str, actor: str, process: Identity, number: signal.Signals) -> bool:
        """False when it was gone."""
        if number is signal.SIGKILL:
            self.victims[run_id] += 1
        if not process.signal(number):
            return False
        verb = {signal.SIGKILL: "", signal.SIGSTOP: "stop ", signal.SIGCONT: "continue "}[number]
        self.kills[verb + actor] += 1
        return True

    def processes(self) -> list[Process]:
        """All of this home's attempts, by their mark, shims included; and whatever else was told of this home when it
        was started, but the server."""
        mark = re.compile(rf"(?:^|\0){MARK_VARIABLE}=(?:shim:)?{identify_home(self.home / '.finery')}/".encode())
        home = str(self.home).encode()
        return [
            process
            for process in processes()
            if not process.is_dead
            and (self.server is None or process.pid != self.server.pid)
            and (mark.search(_read(process.pid, "environ")) or home in _read(process.pid, "cmdline"))
        ]

    def close(self) -> None:
        """End whatever is left of it."""
        if self.server is not None:
            self.server.kill()
            self.server.wait()
        for process in self.processes():
            process.identity.signal(signal.SIGKILL)


@dataclass(frozen=True)
class Victims:
    """Who minds an attempt, and who carries it out."""

    run_id: str
    shim: Identity
    trainer: Identity

    @classmethod
    def parse(cls, run_id: str, record: object) -> "Victims | None":
        if not isinstance(record, dict):
            return None
        shim, trainer = Identity.parse(record.get("shim")), Identity.parse(record.get("process"))
        return None if shim is None or trainer is None else cls(run_id, shim, trainer)


def _read(pid: int, file: str) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{file}").read_bytes()
    return b""


@contextmanager
def world(database: str, seed: int) -> Iterator[World]:
    """It is gone at the end, unless the block raises or the world is marked to be kept (see `keep`)."""
    folder = Path(tempfile.mkdtemp(prefix="finery-soak-"))
    home = folder / "home"
    home.mkdir(mode=0o700)
    (folder / "ran").mkdir()
    scratch = None if database == "sqlite" else databases.scratch(database, f"soak_{os.getpid()}")
    if scratch is not None:
        scratch.drop()
        scratch.create()
    url = SQLITE if scratch is None else scratch.url.render_as_string(hide_password=False)
    made = World(folder, home, random.Random(seed), url)
    try:
        yield made
    finally:
        made.close()
        if not is_kept(made):
            shutil.rmtree(folder, ignore_errors=True)
            if scratch is not None:
                scratch.drop()


def keep(made: World, why: str) -> None:
    (made.folder / "KEPT").write_text(f"{made.url}\n{why}\n")


def is_kept(made: World) -> bool:
    return (made.folder / "KEPT").exists()


def open_database(made: World) -> Database:
    return Database(made.url, home=made.home)
