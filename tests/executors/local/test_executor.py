import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.process import Alive, Exited, Handle, Lost, Starting, Unknown
from finery.executors.base import Executor, SubmitFailed
from finery.executors.local.environment import TRACKERS
from finery.executors.local.executor import LocalExecutor
from finery.kit.processes import Identity
from tests.executors.builders import attempt_files, bare, launch, until, until_exited, until_started
from tests.executors.conformance import ExecutorConformance


class TestCold(ExecutorConformance):
    @pytest.fixture
    def executor(self) -> Executor:
        return LocalExecutor()


class TestSubmit:
    def test_answers_at_once(self, tmp_path: Path) -> None:
        executor = LocalExecutor()
        handle = executor.submit(launch(tmp_path, "exit:0"))
        assert isinstance(executor.poll(handle), Starting)
        until_exited(executor, handle)

    def test_environment_holds_no_secret_of_the_server(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TRAINING_DB_URL", "postgresql://secret")
        monkeypatch.setenv("HF_TOKEN", "secret")
        monkeypatch.setenv("LD_PRELOAD", "")
        wanted = launch(tmp_path, "look", environment={"WANDB_API_KEY": "wanted"})
        executor = LocalExecutor()
        until_exited(executor, executor.submit(wanted))
        seen = json.loads((tmp_path / "seen.json").read_text())["environment"]
        assert "secret" not in str(seen)
        assert "LD_PRELOAD" not in seen
        assert seen["WANDB_API_KEY"] == "wanted"
        assert seen["FINERY_PROCESS_MARK"] == wanted.mark
        assert seen["PATH"] == os.environ["PATH"]

    @pytest.mark.parametrize("trainer", [None, "finery.trainers"])
    def test_keys_of_the_trackers_are_for_our_own_trainers(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainer: str | None
    ) -> None:
        for name in TRACKERS:
            monkeypatch.setenv(name, f"key of {name}")
        monkeypatch.setenv("TRAINING_DB_URL", "postgresql://secret")
        wanted = launch(tmp_path, "look", warm_entry=trainer, environment={"WANDB_PROJECT": "wanted"})
        executor = LocalExecutor()
        until_exited(executor, executor.submit(wanted))
        seen = json.loads((tmp_path / "seen.json").read_text())["environment"]
        passed = {} if trainer is None else {name: f"key of {name}" for name in TRACKERS}
        assert {name: seen[name] for name in TRACKERS & seen.keys()} == {**passed, "WANDB_PROJECT": "wanted"}
        assert "TRAINING_DB_URL" not in seen
        assert "key of" not in attempt_files(wanted).launch.read_text() + wanted.log_file.read_text()

    def test_secrets_lie_on_disk_for_the_owner_alone_and_not_for_long(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FINERY_FAILPOINTS", "shim.locked=kill")
        wanted = launch(tmp_path, "exit:0", environment={"TOKEN": "s3cret"})
        executor = LocalExecutor()
        executor.submit(wanted)
        files = attempt_files(wanted)
        assert files.environment.stat().st_mode & 0o777 == 0o600
        assert "s3cret" not in files.launch.read_text()
        monkeypatch.delenv("FINERY_FAILPOINTS")
        until_exited(executor, executor.submit(wanted))
        assert not files.environment.exists()

    @pytest.mark.parametrize(
        ("own", "withheld"),
        [
            ("WANDB_BASE_URL", {"WANDB_BASE_URL", "WANDB_API_KEY"}),
            ("WANDB_API_KEY", {"WANDB_BASE_URL", "WANDB_API_KEY"}),
            ("MLFLOW_TRACKING_URI", {"MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN"}),
        ],
    )
    def test_no_key_of_the_server_goes_to_an_address_of_the_users(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, withheld: set[str]
    ) -> None:
        for name in TRACKERS:
            monkeypatch.setenv(name, f"key of {name}")
        executor = LocalExecutor()
        wanted = launch(tmp_path, "look", warm_entry="finery.trainers", environment={own: "the user's"})
        until_exited(executor, executor.submit(wanted))
        seen = json.loads((tmp_path / "seen.json").read_text())["environment"]
        assert {name: seen[name] for name in withheld & seen.keys()} == {own: "the user's"}
        assert {name for name in TRACKERS if seen.get(name) == f"key of {name}"} == TRACKERS - withheld

    def test_process_is_clean(self, tmp_path: Path) -> None:
        executor = LocalExecutor()
        until_exited(executor, executor.submit(launch(tmp_path, "look")))
        seen = json.loads((tmp_path / "seen.json").read_text())
        assert seen["pid"] == seen["group"] == seen["session"]
        assert seen["blocked"] == []
        assert seen["directory"] == str(tmp_path)
        # 3 is the listing's own.
        assert seen["descriptors"] == ["0", "1", "2", "3"]

    def test_output_is_appended_to_the_log(self, tmp_path: Path) -> None:
        (tmp_path / "logs").mkdir()
        (tmp_path / "logs" / "run.log").write_text("before\n")
        executor = LocalExecutor()
        until_exited(executor, executor.submit(launch(tmp_path, "raise")))
        log = (tmp_path / "logs" / "run.log").read_text()
        assert log.startswith("before\nthis is raise\nTraceback")

    def test_shell_text_is_inert(self, tmp_path: Path) -> None:
        executor = LocalExecutor()
        ugly = "look:$(touch /tmp/never); `touch never`\n& -rf"
        until_exited(executor, executor.submit(launch(tmp_path, ugly)))
        assert json.loads((tmp_path / "seen.json").read_text())["argv"][-1] == ugly
        assert not (tmp_path / "never").exists()

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"argv": []}, "arguments"),
            ({"argv": ["nul\0"]}, "null"),
            ({"working_directory": Path("/no/such/place")}, "/no/such/place"),
            ({"log_file": Path("/proc/no.log")}, "/proc/no.log"),
            ({"argv": ["/etc/passwd"]}, "/etc/passwd"),
        ],
    )
    def test_a_start_that_fails_says_why(self, tmp_path: Path, changes: dict[str, Any], named: str) -> None:
        executor = LocalExecutor()
        ending = until_exited(executor, executor.submit(launch(tmp_path, "exit:0", **changes)))
        assert ending.start_error is not None
        assert named in ending.start_error

    def test_failed_when_nothing_can_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(SubmitFailed):
            LocalExecutor().submit(launch(tmp_path / "file", "exit:0"))

    def test_failed_without_a_python(self, tmp_path: Path) -> None:
        with pytest.raises(SubmitFailed):
            LocalExecutor(python="/no/python").submit(launch(tmp_path, "exit:0"))

    def test_leaves_no_zombie(self, tmp_path: Path) -> None:
        executor = LocalExecutor()
        handle = executor.submit(launch(tmp_path, "exit:0"))
        shim = Identity.parse(handle.details["shim"])
        assert shim is not None
        until_exited(executor, handle)

        def is_reaped() -> bool:
            executor.poll(handle)
            return shim.look() is None

        until(is_reaped)


class TestEnvironmentFile:
    """It goes with the attempt, however that ends."""

    def test_of_one_that_was_asked_to_end_before_it_began(self, tmp_path: Path) -> None:
        executor, wanted = LocalExecutor(), launch(tmp_path, "exit:0", environment={"TOKEN": "s3cret"})
        executor.stop(bare(wanted), 1.0)
        until_exited(executor, executor.submit(wanted))
        assert not attempt_files(wanted).environment.exists()

    def test_of_one_that_could_not_be_started(self, tmp_path: Path) -> None:
        executor, wanted = LocalExecutor(), launch(tmp_path, "", argv=["no-such-program"], environment={"T": "s3cret"})
        until_exited(executor, executor.submit(wanted))
        assert not attempt_files(wanted).environment.exists()

    def test_of_one_that_is_lost(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FINERY_FAILPOINTS", "shim.locked=kill")
        executor, wanted = LocalExecutor(), launch(tmp_path, "exit:0", environment={"TOKEN": "s3cret"})
        handle = executor.submit(wanted)
        assert attempt_files(wanted).environment.exists()
        until(lambda: isinstance(executor.poll(handle), Lost))
        assert not attempt_files(wanted).environment.exists()

    def test_of_one_that_was_never_submitted_whole(self, tmp_path: Path) -> None:
        files = attempt_files(launch(tmp_path, "exit:0"))
        files.path.mkdir(parents=True)
        for path in (files.environment, files.path / ".environment.json.7.0a.partial"):
            path.write_text("{}")
        LocalExecutor().sweep(bare(launch(tmp_path, "exit:0")))
        assert list(files.path.iterdir()) == []

    def test_of_one_whose_shim_could_not_be_started(self, tmp_path: Path) -> None:
        wanted = launch(tmp_path, "exit:0", environment={"TOKEN": "s3cret"})
        with pytest.raises(SubmitFailed):
            LocalExecutor(python=str(tmp_path / "no-python")).submit(wanted)
        assert not attempt_files(wanted).environment.exists()


class TestServerDeath:
    def test_the_attempt_goes_on_and_is_found_again(self, tmp_path: Path) -> None:
        wanted = launch(tmp_path, "sleep")
        server = (
            "import os, signal, sys; from finery.contracts.process import Launch;"
            "from finery.executors.local.executor import LocalExecutor;"
            "LocalExecutor().submit(Launch.model_validate_json(sys.argv[1]));"
            "os.killpg(0, signal.SIGKILL)"
        )
        ended = subprocess.run([sys.executable, "-c", server, wanted.model_dump_json()], start_new_session=True)
        assert ended.returncode == -9
        executor = LocalExecutor()
        assert isinstance(until_started(executor, bare(wanted)), Alive)
        executor.stop(bare(wanted), 10)
        assert until_exited(executor, bare(wanted)).terminated


class TestRead:
    def test_does_not_follow_a_link_out(self, tmp_path: Path) -> None:
        (tmp_path / "events.jsonl").symlink_to("/etc/passwd")
        with pytest.raises(OSError, match="symbolic"):
            LocalExecutor().read(Handle(directory=tmp_path, attempt=1), "events.jsonl", 0, 10)


class TestPoll:
    def test_says_unknown_when_files_cannot_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "attempts").touch()
        assert isinstance(LocalExecutor().poll(Handle(directory=tmp_path, attempt=1)), Unknown)

    def test_an_outcome_that_makes_no_sense_is_left_out(self, tmp_path: Path) -> None:
        executor = LocalExecutor()
        handle = executor.submit(launch(tmp_path, 'outcome:{"reason": "nonsense"}'))
        ending = until_exited(executor, handle)
        assert (ending.exit_code, ending.outcome) == (0, None)
        assert isinstance(executor.poll(handle), Exited)
