"""Secrets reach the runs that name them, and stay nowhere else."""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import httpx
import pytest

from finery.contracts.run import NewRun
from finery.contracts.status import Reason, RunStatus
from finery.db import Database
from finery.domain import secrets
from finery.kit.files import read_json
from finery.kit.secretbox import KEY_FILE, SecretBox
from tests import builders
from tests.scheduler.harness import Harness
from tests.servers import RunningServer

# The database takes no part in these; tests/domain/secrets goes over all three.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

VALUE = "hf_value-of-a-secret"
NOTE = (
    "import hashlib, os, pathlib\n"
    "pathlib.Path(os.environ['FINERY_RUN_DIR'], 'digest').write_text("
    "hashlib.sha256(os.environ['MINE'].encode()).hexdigest())\n"
)
NOTE_AND_SLEEP = NOTE + "import time; time.sleep(600)\n"


def store(database: Database, home: Path, value: str = VALUE, name: str = "MINE") -> None:
    with database.write() as session:
        secrets.put(session, SecretBox(home / ".finery"), name, value, owner_id=None)


def python(code: str, *names: str, restartable: bool = False) -> NewRun:
    program = (sys.executable, "-c", code)
    return builders.command(*program, secrets=list(names or ("MINE",)), restartable=restartable)


def has_seen(home: Path, run_id: str, value: str = VALUE) -> bool:
    digest = home / "runs" / run_id / "digest"
    return digest.exists() and digest.read_text() == hashlib.sha256(value.encode()).hexdigest()


def environments(home: Path) -> list[Path]:
    return [path for path in home.glob("runs/*/attempts/*/*") if "environment" in path.name]


def places_of(value: str, home: Path) -> list[str]:
    """The files anywhere in the home that hold the value."""
    files = (path for path in home.rglob("*") if path.is_file())
    return [str(path) for path in files if value.encode() in path.read_bytes()]


class TestLaunch:
    def test_the_run_gets_what_it_names(self, harness: Harness) -> None:
        store(harness.database, harness.home)
        store(harness.database, harness.home, "not for this run", "OTHER")
        harness.start()
        code = NOTE + "assert 'OTHER' not in os.environ"
        run_id = harness.submit(python(code))
        assert harness.wait_for_end(run_id).status is RunStatus.SUCCEEDED
        assert has_seen(harness.home, run_id)
        assert read_json(harness.home / "runs" / run_id / "spec.json")["secrets"] == ["MINE"]
        assert places_of(VALUE, harness.home) == []

    def test_a_changed_value_counts_at_the_next_attempt(self, harness: Harness) -> None:
        store(harness.database, harness.home)
        harness.start()
        run_id = harness.submit(python(NOTE_AND_SLEEP, restartable=True))
        wait_until_seen(harness, run_id, VALUE)
        store(harness.database, harness.home, "another value")
        record = read_json(harness.home / "runs" / run_id / "attempts" / "1" / "shim.json")
        os.kill(record["shim"]["pid"], signal.SIGKILL)
        wait_until_seen(harness, run_id, "another value")

    def test_one_that_was_deleted_meanwhile(self, harness: Harness) -> None:
        store(harness.database, harness.home)
        run_id = harness.submit(python("pass"))
        with harness.database.write() as session:
            secrets.delete(session, "MINE", owner_id=None)
        harness.start()
        run = harness.wait_for_end(run_id)
        assert (run.status, run.reason) == (RunStatus.FAILED, Reason.START_FAILED)
        assert "no secret named MINE" in (run.error or "")
        harness.assert_promises(run_id)

    @pytest.mark.parametrize(("key", "says"), [(None, "is gone"), (b"torn", "holds no key")])
    def test_a_key_that_cannot_be_used(self, harness: Harness, key: bytes | None, says: str) -> None:
        store(harness.database, harness.home)
        run_id = harness.submit(python("pass"))
        file = harness.home / ".finery" / KEY_FILE
        if key is None:
            file.unlink()
        else:
            file.write_bytes(key)
        harness.start()
        run = harness.wait_for_end(run_id)
        assert (run.status, run.reason) == (RunStatus.FAILED, Reason.START_FAILED)
        assert says in (run.error or "")
        harness.assert_promises(run_id)


class TestRecord:
    @pytest.mark.parametrize("restart", [False, True])
    def test_what_a_program_tells_is_stored_without_them(self, harness: Harness, restart: bool) -> None:
        store(harness.database, harness.home)
        event = {"type": "notice", "at": 1.0, "data": {"level": "info", "code": "c", "message": "it is "}}
        code = (
            "import json, os, pathlib, time\n"
            "while not pathlib.Path(os.environ['FINERY_RUN_DIR'], 'go').exists(): time.sleep(0.02)\n"
            f"event = {event!r}\n"
            "event['data']['message'] += os.environ['MINE']\n"
            "open(os.environ['FINERY_EVENTS'], 'a').write(json.dumps(event) + chr(10))\n"
        )
        harness.start()
        run_id = harness.submit(python(code))
        harness.wait_for(run_id, RunStatus.RUNNING)
        if restart:
            harness.kill()
            harness.start()
        (harness.home / "runs" / run_id / "go").touch()
        assert harness.wait_for_end(run_id).status is RunStatus.SUCCEEDED
        assert [path for path in places_of(VALUE, harness.home) if not path.endswith("/events.jsonl")] == []
        harness.database.dispose()
        assert b"it is [redacted]" in b"".join(path.read_bytes() for path in harness.home.glob("training.db*"))


class TestEnvironmentFile:
    def test_is_gone_when_the_server_died_before_the_launch_was_whole(self, harness: Harness) -> None:
        store(harness.database, harness.home)
        run_id = harness.submit(python(NOTE))
        harness.start("submit.rendered=kill")
        assert harness.died(30)
        attempt = harness.home / "runs" / run_id / "attempts" / "1"
        for name in ("environment.json", ".environment.json.1.00ff.partial"):
            (attempt / name).write_text(json.dumps({"MINE": VALUE}))
        harness.start()
        assert harness.wait_for_end(run_id).status is RunStatus.SUCCEEDED
        assert harness.get(run_id).attempt == 2
        assert environments(harness.home) == []

    def test_is_gone_when_the_shim_died_before_the_start(self, harness: Harness) -> None:
        store(harness.database, harness.home)
        harness.start("shim.locked=kill")
        run_id = harness.submit(python(NOTE))
        assert harness.wait_for_end(run_id).status is RunStatus.SUCCEEDED
        assert harness.get(run_id).attempt == 2
        assert environments(harness.home) == []


class TestNothingIsLeft:
    """A whole server: its disk and its answers are searched for the value once the run has ended.

    The value of each case is a piece of what the trainer has to say, so that it must have been taken out.
    """

    @pytest.mark.parametrize(
        ("argv", "value", "status", "error"),
        [
            ((sys.executable, "-c", NOTE), VALUE, "succeeded", None),
            (
                (sys.executable, "-c", NOTE + "raise SystemExit(173)"),
                "exit code 173",
                "failed",
                "ended with [redacted]",
            ),
            (("no-such-program",), "No such file or directory", "failed", "could not be started: [redacted]"),
        ],
    )
    def test_anywhere(
        self, database: Database, home: Path, argv: tuple[str, ...], value: str, status: str, error: str | None
    ) -> None:
        store(database, home, value)
        body = {"recipe": "command", "config": {"argv": list(argv), "secrets": ["MINE"]}}
        run = self.carry_out(home, body, value)
        assert (run["status"], error is None or error in run["error"]) == (status, True)

    @pytest.mark.thorough
    def test_of_a_training(self, database: Database, home: Path) -> None:
        store(database, home, name="HF_TOKEN")
        config = {**training(home), "max_steps": 2, "save_steps": 1, "secrets": ["HF_TOKEN"]}
        run = self.carry_out(home, {"recipe": "sft", "config": config}, VALUE)
        assert run["status"] == "succeeded"
        assert read_json(home / "runs" / run["id"] / "spec.json")["secrets"] == ["HF_TOKEN"]

    @pytest.mark.thorough
    def test_of_a_training_that_fails_with_a_key_that_it_was_given_unasked(
        self, database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.setenv("HF_HUB_CACHE", str(home / "hub"))
        # In the cache there is a version of it, and nothing in that.
        cached = home / "hub" / "models--nobody--has-this-model"
        (cached / "snapshots" / "0a1b").mkdir(parents=True)
        (cached / "refs").mkdir()
        (cached / "refs" / "main").write_text("0a1b")
        store(database, home, "cannot be loaded", "HF_TOKEN")
        config = {**training(home), "model_name": "nobody/has-this-model"}
        run = self.carry_out(home, {"recipe": "sft", "config": config}, "cannot be loaded")
        assert run["status"] == "failed"
        assert "the model nobody/has-this-model [redacted]: " in run["error"]
        assert read_json(home / "runs" / run["id"] / "spec.json")["secrets"] == ["HF_TOKEN"]

    @staticmethod
    def carry_out(home: Path, body: dict[str, object], value: str) -> dict[str, str]:
        """The run at its end, after the search for the value."""
        with RunningServer(home) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
            answer = client.post("/api/v1/runs", json=body)
            run_id = answer.json()["id"]
            run = ended(client, run_id)
            told = answer.text + "".join(
                client.get(f"/api/v1/{path}").raise_for_status().text
                for path in (
                    "runs",
                    f"runs/{run_id}",
                    *(f"runs/{run_id}/{part}" for part in ("events", "logs", "logs/content", "metrics", "artifacts")),
                )
            )
        assert value not in told
        assert places_of(value, home) == []
        assert environments(home) == []
        return run

    def test_what_nobody_has_is_refused(self, database: Database, home: Path) -> None:
        body = {"recipe": "command", "config": {"argv": ["true"], "secrets": ["MINE", "OURS"]}}
        store(database, home, name="OURS")
        with RunningServer(home) as server:
            answer = httpx.post(f"{server.url}/api/v1/runs", json=body, trust_env=False)
        assert answer.status_code == 422
        error = answer.json()["error"]
        assert (error["code"], error["errors"][0]["field"]) == ("secrets_missing", "config.secrets")
        assert "no secret named MINE," in error["message"]


def training(home: Path) -> dict[str, object]:
    return builders.sft(home).config


def wait_until_seen(harness: Harness, run_id: str, value: str) -> None:
    deadline = time.monotonic() + 30
    while not has_seen(harness.home, run_id, value):
        assert time.monotonic() < deadline, harness.get(run_id)
        time.sleep(0.03)


def ended(client: httpx.Client, run_id: str) -> dict[str, str]:
    deadline = time.monotonic() + 90
    while (run := client.get(f"/api/v1/runs/{run_id}").json())["status"] not in ("succeeded", "failed", "cancelled"):
        assert time.monotonic() < deadline, run
        time.sleep(0.05)
    return dict(run)
