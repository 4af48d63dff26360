"""States that no honest shim leaves: forged files, another boot, a pid that is a stranger's now."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.layout import AttemptDirectory, mark_of
from finery.contracts.process import Alive, Exit, Exited, Handle, Lost, Starting, reason_of_exit
from finery.contracts.status import Reason
from finery.executors.local import observation
from finery.executors.local.executor import LocalExecutor
from finery.executors.local.observation import START_ALLOWANCE_SECONDS
from finery.kit.files import read_json, write_json
from finery.kit.locks import FileLock
from finery.kit.processes import Identity, boot_id, uptime
from tests.executors.builders import attempt_files, bare, launch, until, until_exited, until_started


@pytest.fixture
def stranger() -> Iterator[Identity]:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        yield Identity.of(process.pid)
        process.kill()


@pytest.fixture
def executor() -> LocalExecutor:
    return LocalExecutor()


def forge(files: AttemptDirectory, shim: dict[str, Any], process: dict[str, Any]) -> None:
    files.path.mkdir(parents=True, exist_ok=True)
    write_json(files.launch, {"mark": "forged/1", "submitted": {"boot_id": boot_id(), "uptime": uptime()}})
    write_json(files.shim, {"shim": shim, "process": {**process, "pgid": process["pid"]}, "started_at": 1.0})


class TestStranger:
    @pytest.mark.parametrize(
        "change", [{}, {"start_time": 1}, {"boot_id": "11111111-2222-3333-4444-555555555555"}, {"namespace": 1}]
    )
    def test_is_neither_taken_for_the_attempt_nor_signalled(
        self, executor: LocalExecutor, tmp_path: Path, stranger: Identity, change: dict[str, Any]
    ) -> None:
        wanted = launch(tmp_path, "sleep")
        forged = {**stranger.describe(), **change}
        forge(attempt_files(wanted), forged, forged)
        assert isinstance(executor.poll(bare(wanted)), Lost)
        executor.stop(bare(wanted), 0)
        assert executor.sweep(bare(wanted)) == 0
        assert stranger.is_alive()

    def test_whose_session_has_the_number_of_the_dead_process_is_spared(
        self, executor: LocalExecutor, tmp_path: Path, stranger: Identity
    ) -> None:
        wanted = launch(tmp_path, "sleep")
        gone = {**stranger.describe(), "pid": 2**22 - 1}
        forge(attempt_files(wanted), gone, {**stranger.describe(), "start_time": 1})
        assert executor.sweep(bare(wanted)) == 0
        assert stranger.is_alive()


class TestCopy:
    """Of a home beside its original, with a copy of the record of a process that lives there."""

    def test_neither_takes_nor_touches_what_the_original_runs(self, tmp_path: Path) -> None:
        original, copy = tmp_path / "original" / "r", tmp_path / "copy" / "r"
        wanted = launch(original, "sleep", mark=mark_of("original", original, 1))
        here, there = LocalExecutor(home_id="original"), LocalExecutor(home_id="copy")
        handle = here.submit(wanted)
        until_started(here, handle)
        shutil.copytree(original, copy)
        copied = handle.model_copy(update={"directory": copy})
        assert isinstance(there.poll(copied), Lost)
        there.stop(copied, 0)
        assert there.sweep(copied) == 0
        assert isinstance(here.poll(handle), Alive)
        assert here.sweep(handle) > 0


class TestSweepStrays:
    """What ran on while another home had the database."""

    def test_ends_what_is_live_no_more_of_its_own_home_alone(self, tmp_path: Path) -> None:
        own, other = LocalExecutor(home_id="own"), LocalExecutor(home_id="other")
        wanted = launch(tmp_path / "r", "sleep", mark=mark_of("own", tmp_path / "r", 1))
        handle = own.submit(wanted)
        until_started(own, handle)
        assert own.sweep_strays({wanted.mark}) == other.sweep_strays(set()) == 0
        assert isinstance(own.poll(handle), Alive)
        assert own.sweep_strays(set()) == 1
        until_exited(own, handle)


class TestStalled:
    """The server stands still in the middle of a look, as a busy machine lets it."""

    def test_a_shim_that_starts_meanwhile_is_not_lost(
        self, executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wanted = launch(tmp_path, "sleep")
        handles: list[Handle] = []
        look = observation.has_shim

        def stalled(files: AttemptDirectory) -> bool:
            seen = look(files)
            handles.append(executor.submit(wanted))
            until(files.shim.exists)
            return seen

        with monkeypatch.context() as patch:
            patch.setattr(observation, "has_shim", stalled)
            assert isinstance(executor.poll(bare(wanted)), Starting)
        until_started(executor, handles[0])
        assert executor.sweep(handles[0]) > 0

    def test_a_look_that_holds_the_lock_keeps_no_shim_from_starting(
        self, executor: LocalExecutor, tmp_path: Path
    ) -> None:
        wanted = launch(tmp_path, "exit:0")
        files = attempt_files(wanted)
        files.path.mkdir(parents=True)
        with FileLock(files.lock):
            handle = executor.submit(wanted)
            time.sleep(0.5)
            assert not files.shim.exists()
        assert until_exited(executor, handle).exit_code == 0


class TestToldByTrainer:
    def test_is_the_end_where_the_shim_is_gone(
        self, executor: LocalExecutor, tmp_path: Path, stranger: Identity
    ) -> None:
        wanted = launch(tmp_path, "sleep")
        files = attempt_files(wanted)
        forge(files, {**stranger.describe(), "start_time": 1}, {**stranger.describe(), "start_time": 1})
        write_json(files.outcome, {"reason": "completed", "metrics": {"loss": 0.25}})
        seen = executor.poll(bare(wanted))
        assert isinstance(seen, Lost)
        assert seen.exit is not None
        assert reason_of_exit(seen.exit) == (Reason.COMPLETED, None)
        assert (seen.began, seen.exit.exit_code, seen.exit.started_at) == (True, None, 1.0)

    @pytest.mark.parametrize("torn", ["", '{"reason": "comp', "[]", '{"reason": "splendid"}', '{"metrics": {}}'])
    def test_a_torn_one_says_nothing(
        self, executor: LocalExecutor, tmp_path: Path, stranger: Identity, torn: str
    ) -> None:
        wanted = launch(tmp_path, "sleep")
        files = attempt_files(wanted)
        forge(files, {**stranger.describe(), "start_time": 1}, {**stranger.describe(), "start_time": 1})
        files.outcome.write_text(torn)
        seen = executor.poll(bare(wanted))
        assert isinstance(seen, Lost)
        assert (seen.began, seen.exit) == (True, None)


class TestRecord:
    def test_of_a_living_shim_is_alive(self, executor: LocalExecutor, tmp_path: Path, stranger: Identity) -> None:
        wanted = launch(tmp_path, "sleep")
        forge(attempt_files(wanted), stranger.describe(), stranger.describe())
        with FileLock(attempt_files(wanted).lock):
            assert executor.poll(bare(wanted)) == Alive(started_at=1.0)

    def test_of_a_shim_that_cannot_be_seen_from_here_is_alive(
        self, executor: LocalExecutor, tmp_path: Path, stranger: Identity
    ) -> None:
        """The server's container was made anew; the home, and with it the shim's lock, is the same."""
        wanted = launch(tmp_path, "sleep")
        elsewhere = replace(stranger, namespace=1).describe()
        forge(attempt_files(wanted), elsewhere, elsewhere)
        with FileLock(attempt_files(wanted).lock):
            assert executor.poll(bare(wanted)) == Alive(started_at=1.0)
            executor.stop(bare(wanted), 7.0)
        assert stranger.is_alive()
        assert read_json(attempt_files(wanted).terminate) == {"grace_seconds": 7.0}

    def test_with_an_account_has_ended_whatever_lives(
        self, executor: LocalExecutor, tmp_path: Path, stranger: Identity
    ) -> None:
        wanted = launch(tmp_path, "sleep")
        files = attempt_files(wanted)
        forge(files, stranger.describe(), stranger.describe())
        ending = Exit(exit_code=0, finished_at=2.0)
        write_json(files.exit, ending.model_dump())
        assert executor.poll(bare(wanted)) == Exited(exit=ending)


class TestNoRecord:
    @pytest.mark.parametrize(
        ("age", "boot", "kind"),
        [
            (0.0, boot_id(), Starting),
            (START_ALLOWANCE_SECONDS + 1, boot_id(), Lost),
            (0.0, "another boot", Lost),
        ],
    )
    def test_is_starting_for_a_while(
        self, executor: LocalExecutor, tmp_path: Path, age: float, boot: str, kind: type
    ) -> None:
        wanted = launch(tmp_path, "sleep")
        files = attempt_files(wanted)
        files.path.mkdir(parents=True)
        write_json(files.launch, {"mark": wanted.mark, "submitted": {"boot_id": boot, "uptime": uptime() - age}})
        seen = executor.poll(bare(wanted))
        assert isinstance(seen, kind)
        assert not isinstance(seen, Lost) or not seen.began
        assert files.terminate.exists() == (kind is Lost)
