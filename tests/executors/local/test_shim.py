"""The shim's faults: each of its deaths, and each way in which a program may refuse to go."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from finery.contracts.process import Alive, Exited, Handle, Launch, Lost, Starting
from finery.executors.local.executor import PACKAGE_ROOT, LocalExecutor
from finery.executors.local.observation import ShimRecord
from finery.kit.processes import Identity, look, marked
from tests.executors.builders import (
    attempt_files,
    bare,
    child_pid,
    launch,
    until,
    until_exited,
    until_is,
    until_started,
)
from tests.small_disk import fill, small_disk


@pytest.fixture
def executor() -> LocalExecutor:
    return LocalExecutor()


@pytest.fixture(autouse=True)
def _nothing_left(executor: LocalExecutor, tmp_path: Path) -> Iterator[None]:
    yield
    executor.sweep(Handle(directory=tmp_path, attempt=1))


def shim_of(wanted: Launch) -> int:
    return record(wanted).shim.pid


def process_of(wanted: Launch) -> int:
    return record(wanted).process.pid


def record(wanted: Launch) -> ShimRecord:
    found = ShimRecord.read(attempt_files(wanted))
    assert found is not None
    return found


def is_gone(pid: int) -> bool:
    process = look(pid)
    return process is None or process.is_dead


def is_held(executor: LocalExecutor, handle: Handle) -> bool:
    seen = executor.poll(handle)
    assert isinstance(seen, Alive)
    return seen.stopped


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


class TestKilled:
    def test_process(self, executor: LocalExecutor, tmp_path: Path) -> None:
        wanted = launch(tmp_path, "sleep")
        handle = executor.submit(wanted)
        until_started(executor, handle)
        kill(process_of(wanted))
        ending = until_exited(executor, handle)
        assert (ending.signal, ending.exit_code, ending.terminated) == (9, None, False)
        assert ending.outcome is None
        assert ending.max_rss_bytes is not None
        assert ending.max_rss_bytes > 1_000_000

    def test_shim(self, executor: LocalExecutor, tmp_path: Path) -> None:
        wanted = launch(tmp_path, "sleep")
        handle = executor.submit(wanted)
        until_started(executor, handle)
        process = process_of(wanted)
        kill(shim_of(wanted))
        until_is(executor, handle, Lost)
        until(lambda: is_gone(process))
        assert isinstance(executor.poll(executor.submit(wanted)), Lost)
        assert (tmp_path / "started").read_text() == "once\n"

    @pytest.mark.parametrize("behaviour", ["stray", "orphan", "family"])
    def test_shim_with_grandchildren(self, executor: LocalExecutor, tmp_path: Path, behaviour: str) -> None:
        wanted = launch(tmp_path, behaviour)
        handle = executor.submit(wanted)
        until_started(executor, handle)
        kill(shim_of(wanted))
        until_is(executor, handle, Lost)
        assert executor.sweep(handle) >= 1
        assert is_gone(child_pid(wanted))
        assert not marked(f"FINERY_PROCESS_MARK={wanted.mark}")
        assert executor.sweep(handle) == 0

    def test_shim_and_process(self, executor: LocalExecutor, tmp_path: Path) -> None:
        wanted = launch(tmp_path, "stray")
        handle = executor.submit(wanted)
        until_started(executor, handle)
        process = process_of(wanted)
        kill(shim_of(wanted))
        until(lambda: is_gone(process))
        assert isinstance(executor.poll(bare(wanted)), Lost)
        assert executor.sweep(bare(wanted)) == 1
        assert is_gone(child_pid(wanted))

    def test_stop_of_an_attempt_whose_shim_died_sweeps(self, executor: LocalExecutor, tmp_path: Path) -> None:
        wanted = launch(tmp_path, "stray")
        handle = executor.submit(wanted)
        until_started(executor, handle)
        kill(shim_of(wanted))
        until_is(executor, handle, Lost)
        executor.stop(handle, 1000)
        assert is_gone(child_pid(wanted))


class TestDirectoryGone:
    def test_ends_what_nobody_can_be_told_of(self, executor: LocalExecutor, tmp_path: Path) -> None:
        wanted = launch(tmp_path / "run", "stubborn", log_file=tmp_path / "log", working_directory=tmp_path)
        handle = executor.submit(wanted)
        until((tmp_path / "started").exists)
        shim, process = record(wanted).shim, record(wanted).process
        shutil.rmtree(tmp_path / "run")
        until(lambda: not process.is_alive())
        until(lambda: not shim.is_alive())
        assert isinstance(executor.poll(handle), Lost)

    def test_sweep_still_finds_it_by_its_handle(self, executor: LocalExecutor, tmp_path: Path) -> None:
        wanted = launch(tmp_path / "run", "stray", log_file=tmp_path / "log", working_directory=tmp_path)
        handle = executor.submit(wanted)
        until((tmp_path / "started").exists)
        # Else it might notice, and end them before the sweep does.
        os.kill(record(wanted).shim.pid, signal.SIGSTOP)
        shutil.rmtree(tmp_path / "run")
        assert executor.sweep(handle) == 3
        assert is_gone(child_pid(launch(tmp_path, "stray")))


class TestStrays:
    @pytest.mark.parametrize("behaviour", ["stray:leaves", "orphan:leaves", "forked:leaves", "family:leaves"])
    def test_are_swept_when_the_program_ends(self, executor: LocalExecutor, tmp_path: Path, behaviour: str) -> None:
        wanted = launch(tmp_path, behaviour)
        ending = until_exited(executor, executor.submit(wanted))
        assert ending.exit_code == 0
        assert ending.swept >= 1
        assert is_gone(child_pid(wanted))

    def test_of_the_group_are_asked_before_they_are_killed(self, executor: LocalExecutor, tmp_path: Path) -> None:
        wanted = launch(tmp_path, "family")
        handle = executor.submit(wanted)
        until_started(executor, handle)
        executor.stop(handle, 30)
        ending = until_exited(executor, handle)
        assert (ending.signal, ending.terminated) == (15, True)
        assert (tmp_path / "asked").exists()
        assert is_gone(child_pid(wanted))


class TestHeld:
    def test_is_flagged(self, executor: LocalExecutor, tmp_path: Path) -> None:
        wanted = launch(tmp_path, "sleep")
        handle = executor.submit(wanted)
        until_started(executor, handle)
        os.kill(process_of(wanted), signal.SIGSTOP)
        until(lambda: is_held(executor, handle))
        os.kill(process_of(wanted), signal.SIGCONT)
        until(lambda: not is_held(executor, handle))

    def test_can_be_stopped(self, executor: LocalExecutor, tmp_path: Path) -> None:
        wanted = launch(tmp_path, "saves")
        handle = executor.submit(wanted)
        until_started(executor, handle)
        os.kill(process_of(wanted), signal.SIGSTOP)
        executor.stop(handle, 30)
        assert until_exited(executor, handle).exit_code == 7


class TestFailpoints:
    """The shim is killed at each; what runs is never two of one attempt, and never one that is not on record."""

    def test_locked(self, executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FINERY_FAILPOINTS", "shim.locked=kill")
        wanted = launch(tmp_path, "exit:0")
        handle = executor.submit(wanted)
        until_is(executor, handle, Lost)
        monkeypatch.delenv("FINERY_FAILPOINTS")
        # Lost was said, so nothing may start any more.
        late = until_exited(executor, executor.submit(wanted))
        assert (late.terminated, late.started_at) == (True, None)
        assert not (tmp_path / "started").exists()

    def test_locked_and_submitted_again(
        self, executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FINERY_FAILPOINTS", "shim.locked=kill")
        wanted = launch(tmp_path, "exit:0")
        identity = Identity.parse(executor.submit(wanted).details["shim"])
        assert identity is not None
        until(lambda: not identity.is_alive())
        monkeypatch.delenv("FINERY_FAILPOINTS")
        assert isinstance(executor.poll(bare(wanted)), Starting)
        assert until_exited(executor, executor.submit(wanted)).exit_code == 0

    @pytest.mark.parametrize("name", ["shim.started", "shim.exited", "shim.before_exit_file"])
    def test_later(self, executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setenv("FINERY_FAILPOINTS", f"{name}=kill")
        wanted = launch(tmp_path, "sleep" if name == "shim.started" else "exit:0")
        handle = executor.submit(wanted)
        until_is(executor, handle, Lost)
        until(lambda: not marked(f"FINERY_PROCESS_MARK={wanted.mark}"))
        monkeypatch.delenv("FINERY_FAILPOINTS")
        assert isinstance(executor.poll(executor.submit(wanted)), Lost)
        assert isinstance(executor.poll(bare(wanted)), Lost)

    def test_before_exit_file_with_a_slow_shim(
        self, executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FINERY_FAILPOINTS", "shim.before_exit_file=sleep:0.2")
        wanted = launch(tmp_path, "exit:0")
        handle = executor.submit(wanted)
        until_started(executor, handle)
        until(lambda: is_gone(process_of(wanted)))
        assert isinstance(executor.poll(handle), Alive)
        assert until_exited(executor, handle).exit_code == 0

    def test_do_not_reach_the_program(
        self, executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FINERY_FAILPOINTS", "runs.accepted=kill")
        until_exited(executor, executor.submit(launch(tmp_path, "look")))
        assert "FINERY_FAILPOINTS" not in json.loads((tmp_path / "seen.json").read_text())["environment"]


class TestFullDisk:
    @pytest.fixture
    def small_disk(self, tmp_path: Path) -> Iterator[Path]:
        with small_disk(tmp_path / "small", "512k") as place:
            yield place

    def test_the_end_is_told_on_it(self, executor: LocalExecutor, small_disk: Path) -> None:
        wanted = launch(small_disk, "sleep")
        handle = executor.submit(wanted)
        until_started(executor, handle)
        fill(small_disk)
        os.kill(process_of(wanted), signal.SIGTERM)
        ending = until_exited(executor, handle)
        assert (ending.signal, ending.terminated) == (15, False)

    def test_that_was_full_before_is_waited_for(self, executor: LocalExecutor, small_disk: Path) -> None:
        wanted = launch(small_disk, "exit:0")
        files = attempt_files(wanted)
        files.path.mkdir(parents=True)
        files.launch.write_text(json.dumps({**wanted.model_dump(mode="json"), "submitted": {}}))
        files.environment.write_text("{}")
        files.lock.touch()
        filler = fill(small_disk)
        handle = executor.submit(wanted)
        assert isinstance(executor.poll(handle), Starting)
        until(lambda: files.exit.exists() or (files.path / ".exit.json.reserve").exists())
        time.sleep(0.3)
        filler.unlink()
        ending = until_exited(executor, handle)
        assert "No space left" in str(ending.start_error)
        assert ending.start_errno == errno.ENOSPC

    def test_a_stop_reaches_who_runs_on_it(self, executor: LocalExecutor, small_disk: Path) -> None:
        """The request cannot be kept, which is said; the process that fills the disk is asked to end all the same."""
        wanted = launch(small_disk, "sleep")
        handle = executor.submit(wanted)
        until_started(executor, handle)
        fill(small_disk)
        with pytest.raises(OSError, match="No space left"):
            executor.stop(handle, 30)
        assert until_exited(executor, handle).signal == 15


class TestItself:
    def test_imports_the_standard_library_only(self) -> None:
        code = "import sys, finery.executors.local.shim; print(*sys.modules)"
        loaded = subprocess.run(
            [sys.executable, "-S", "-P", "-c", code],
            env={"PYTHONPATH": PACKAGE_ROOT},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout.split()
        foreign = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - {"finery", "__main__"}
        assert foreign == set()

    def test_stays_small(self, executor: LocalExecutor, tmp_path: Path) -> None:
        wanted = launch(tmp_path, "sleep")
        until_started(executor, executor.submit(wanted))
        status = Path(f"/proc/{shim_of(wanted)}/status").read_text()
        [size] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")]
        assert size < 15 * 1024

    def test_waking_it_without_a_request_changes_nothing(self, executor: LocalExecutor, tmp_path: Path) -> None:
        wanted = launch(tmp_path, "exit:0")
        handle = executor.submit(wanted)
        until(attempt_files(wanted).shim.exists)
        os.kill(shim_of(wanted), signal.SIGTERM)
        assert not until_exited(executor, handle).terminated

    def test_a_torn_launch_is_a_start_that_failed(self, executor: LocalExecutor, tmp_path: Path) -> None:
        wanted = launch(tmp_path, "exit:0")
        files = attempt_files(wanted)
        files.path.mkdir(parents=True)
        files.launch.write_text('{"argv": [')
        assert "launch.json" in str(until_exited(executor, executor.submit(wanted)).start_error)


class TestTornExit:
    def test_while_the_shim_lives(self, executor: LocalExecutor, tmp_path: Path) -> None:
        wanted = launch(tmp_path, "sleep")
        handle = executor.submit(wanted)
        until_started(executor, handle)
        attempt_files(wanted).exit.write_text('{"exit_code": 0, "fini')
        assert isinstance(executor.poll(handle), Alive)
        executor.stop(handle, 10)
        assert until_exited(executor, handle).terminated

    @pytest.mark.parametrize("torn", ["", '{"exit_code": 0, "fini', "[]", "{}", '{"exit_code": "x"}', "\0\0\0"])
    def test_after_it(self, executor: LocalExecutor, tmp_path: Path, torn: str) -> None:
        wanted = launch(tmp_path, "exit:0")
        handle = executor.submit(wanted)
        until_exited(executor, handle)
        attempt_files(wanted).exit.write_text(torn)
        until_is(executor, handle, Lost)
        assert not isinstance(executor.poll(bare(wanted)), Exited)
