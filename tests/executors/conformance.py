"""What every executor must do. A subclass gives the fixture `executor` and says how a launch is made."""

import threading
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.process import Alive, Exited, Handle, Launch, Lost, Starting
from finery.executors.base import Executor, NotYet
from tests.executors import builders
from tests.executors.builders import bare, until_exited, until_is, until_started


class ExecutorConformance:
    @pytest.fixture
    def executor(self) -> Executor:
        raise NotImplementedError

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        return tmp_path

    def launch(self, directory: Path, behaviour: str, **changes: Any) -> Launch:
        return builders.launch(directory, behaviour, **changes)

    @pytest.fixture(autouse=True)
    def _nothing_left(self, executor: Executor, directory: Path) -> Any:
        yield
        for attempt in (1, 2):
            executor.sweep(Handle(directory=directory, attempt=attempt))

    def test_a_submitted_attempt_starts_lives_and_ends(self, executor: Executor, directory: Path) -> None:
        handle = executor.submit(self.launch(directory, "sleep"))
        assert isinstance(executor.poll(handle), Starting | Alive)
        alive = until_started(executor, handle)
        assert isinstance(alive, Alive)
        assert not alive.stopped
        executor.stop(handle, 10)
        ending = until_exited(executor, handle)
        assert ending.started_at == alive.started_at
        assert ending.finished_at >= alive.started_at

    def test_paths_lead_there_and_back(self, executor: Executor, directory: Path) -> None:
        for path in (directory, directory / "a b" / "c", Path("/somewhere/else")):
            assert executor.path_here(executor.path_there(path)) == path

    def test_its_interpreter_has_finery(self, executor: Executor, directory: Path) -> None:
        argv = [executor.python, "-c", "import finery.trainers", "exit:0"]
        assert until_exited(executor, executor.submit(self.launch(directory, "exit:0", argv=argv))).exit_code == 0

    def test_the_exit_code_is_told(self, executor: Executor, directory: Path) -> None:
        ending = until_exited(executor, executor.submit(self.launch(directory, "exit:3")))
        assert (ending.exit_code, ending.signal, ending.terminated, ending.start_error) == (3, None, False, None)

    def test_exit_code_zero_is_told(self, executor: Executor, directory: Path) -> None:
        ending = until_exited(executor, executor.submit(self.launch(directory, "exit:0")))
        assert (ending.exit_code, ending.swept, ending.outcome) == (0, 0, None)

    def test_the_outcome_is_told(self, executor: Executor, directory: Path) -> None:
        launch = self.launch(directory, 'outcome:{"reason": "completed", "metrics": {"loss": 0.5}}')
        ending = until_exited(executor, executor.submit(launch))
        assert ending.outcome is not None
        assert (ending.outcome.reason, ending.outcome.metrics) == ("completed", {"loss": 0.5})

    def test_an_end_stays_the_end(self, executor: Executor, directory: Path) -> None:
        handle = executor.submit(self.launch(directory, "exit:0"))
        first = until_exited(executor, handle)
        executor.stop(handle, 0)
        assert executor.poll(handle) == Exited(exit=first)

    def test_a_program_that_is_not_there_is_named(self, executor: Executor, directory: Path) -> None:
        launch = self.launch(directory, "exit:0", argv=["no-such-program-here"], warm_entry=None)
        ending = until_exited(executor, executor.submit(launch))
        assert ending.start_error is not None
        assert "no-such-program-here" in ending.start_error
        assert ending.exit_code is None

    def test_a_second_submission_starts_nothing(self, executor: Executor, directory: Path) -> None:
        launch = self.launch(directory, "sleep")
        handle = executor.submit(launch)
        until_started(executor, handle)
        again = executor.submit(launch)
        assert isinstance(executor.poll(again), Alive)
        executor.stop(again, 10)
        until_exited(executor, handle)
        assert isinstance(executor.poll(executor.submit(launch)), Exited)
        assert executor.read(handle, "started", 0, 100) == b"once\n"

    def test_submissions_at_once_start_one_process(self, executor: Executor, directory: Path) -> None:
        launch = self.launch(directory, "exit:0")
        threads = [threading.Thread(target=executor.submit, args=(launch,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert until_exited(executor, bare(launch)).exit_code == 0
        assert executor.read(bare(launch), "started", 0, 100) == b"once\n"

    def test_a_handle_without_details_is_enough(self, executor: Executor, directory: Path) -> None:
        launch = self.launch(directory, "sleep")
        executor.submit(launch)
        assert isinstance(executor.poll(bare(launch)), Starting | Alive)
        assert isinstance(until_started(executor, bare(launch)), Alive)
        executor.stop(bare(launch), 10)
        assert until_exited(executor, bare(launch)).terminated

    def test_what_was_never_submitted_is_lost(self, executor: Executor, directory: Path) -> None:
        assert isinstance(executor.poll(Handle(directory=directory, attempt=2)), Lost)

    def test_stop_ends_by_sigterm(self, executor: Executor, directory: Path) -> None:
        handle = executor.submit(self.launch(directory, "sleep"))
        until_started(executor, handle)
        executor.stop(handle, 30)
        executor.stop(handle, 30)
        ending = until_exited(executor, handle)
        assert (ending.signal, ending.exit_code, ending.terminated) == (15, None, True)

    def test_stop_lets_the_program_end_in_its_own_way(self, executor: Executor, directory: Path) -> None:
        handle = executor.submit(self.launch(directory, "saves"))
        until_started(executor, handle)
        executor.stop(handle, 30)
        ending = until_exited(executor, handle)
        assert (ending.signal, ending.exit_code, ending.terminated) == (None, 7, True)

    def test_stop_kills_after_the_grace(self, executor: Executor, directory: Path) -> None:
        handle = executor.submit(self.launch(directory, "stubborn"))
        until_started(executor, handle)
        executor.stop(handle, 0.1)
        ending = until_exited(executor, handle)
        assert (ending.signal, ending.terminated) == (9, True)

    def test_a_later_stop_can_shorten_the_grace(self, executor: Executor, directory: Path) -> None:
        handle = executor.submit(self.launch(directory, "stubborn"))
        until_started(executor, handle)
        executor.stop(handle, 1000)
        executor.stop(handle, 0)
        assert until_exited(executor, handle).signal == 9

    def test_what_was_stopped_before_never_starts(self, executor: Executor, directory: Path) -> None:
        launch = self.launch(directory, "exit:0")
        executor.stop(bare(launch), 10)
        handle = executor.submit(launch)
        ending = until_exited(executor, handle)
        assert (ending.terminated, ending.started_at) == (True, None)
        with pytest.raises(NotYet):
            executor.read(handle, "started", 0, 1)

    def test_stop_right_after_submit_is_not_lost(self, executor: Executor, directory: Path) -> None:
        handle = executor.submit(self.launch(directory, "sleep"))
        executor.stop(handle, 10)
        assert until_exited(executor, handle).terminated

    def test_the_time_limit_ends_it(self, executor: Executor, directory: Path) -> None:
        handle = executor.submit(self.launch(directory, "stubborn", time_limit_seconds=0.3, grace_seconds=0.1))
        ending = until_exited(executor, handle)
        assert (ending.timed_out, ending.terminated, ending.signal) == (True, False, 9)

    def test_read_gives_ranges(self, executor: Executor, directory: Path) -> None:
        handle = executor.submit(self.launch(directory, "exit:0"))
        until_exited(executor, handle)
        assert executor.read(handle, "started", 1, 2) == b"nc"
        assert executor.read(handle, "started", 5, 100) == b""
        assert executor.read(handle, "started", 500, 100) == b""

    def test_read_of_what_is_not_there_is_not_yet(self, executor: Executor, directory: Path) -> None:
        with pytest.raises(NotYet):
            executor.read(Handle(directory=directory, attempt=1), "events.jsonl", 0, 100)

    @pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "", "a\0b"])
    def test_read_stays_in_the_run_directory(self, executor: Executor, directory: Path, name: str) -> None:
        with pytest.raises(ValueError, match="not the name of a file"):
            executor.read(Handle(directory=directory, attempt=1), name, 0, 100)

    def test_control_leaves_a_request(self, executor: Executor, directory: Path) -> None:
        handle = executor.submit(self.launch(directory, "sleep"))
        until_started(executor, handle)
        executor.control(handle, "checkpoint")
        executor.control(handle, "checkpoint")
        assert executor.read(handle, "control/checkpoint", 0, 1) == b""

    def test_control_refuses_other_names(self, executor: Executor, directory: Path) -> None:
        with pytest.raises(ValueError, match="no request"):
            executor.control(Handle(directory=directory, attempt=1), "../spec.json")

    def test_sweep_finds_nothing_after_an_end(self, executor: Executor, directory: Path) -> None:
        handle = executor.submit(self.launch(directory, "exit:0"))
        until_exited(executor, handle)
        executor.sweep(handle)
        assert executor.sweep(handle) == 0
        assert isinstance(executor.poll(handle), Exited)

    def test_sweep_ends_what_lives(self, executor: Executor, directory: Path) -> None:
        handle = executor.submit(self.launch(directory, "sleep"))
        until_started(executor, handle)
        assert executor.sweep(handle) > 0
        assert executor.sweep(handle) == 0
        assert isinstance(until_is(executor, handle, Lost), Lost)
