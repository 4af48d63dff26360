import json
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.process import Alive, Exited, Handle, Launch, Lost, Outcome, Starting, Unknown
from finery.executors.base import Executor, SubmitFailed, Unreachable
from tests.executors import builders
from tests.executors.conformance import ExecutorConformance
from tests.executors.fake import FakeExecutor, Script


def behave(launch: Launch) -> Script:
    """The scripts that stand for programs/behave.py."""
    if launch.argv[0].startswith("no-such"):
        return Script(start_error=f"cannot start {launch.argv[0]!r}")
    name, _, detail = launch.argv[-1].partition(":")
    return Script(
        exit_code={"exit": lambda: int(detail), "outcome": lambda: 0}.get(name, lambda: None)(),
        outcome=Outcome(**json.loads(detail)) if name == "outcome" else None,
        ignores_sigterm=name == "stubborn",
        exit_code_on_sigterm=7 if name == "saves" else None,
        files={"started": b"once\n"},
    )


class TestFake(ExecutorConformance):
    @pytest.fixture
    def executor(self) -> Executor:
        return FakeExecutor(behave)


@pytest.fixture
def executor() -> FakeExecutor:
    return FakeExecutor()


@pytest.fixture
def wanted(tmp_path: Path) -> Launch:
    return builders.launch(tmp_path, "any")


class TestLevers:
    def test_end(self, executor: FakeExecutor, wanted: Launch) -> None:
        handle = executor.submit(wanted)
        assert isinstance(executor.poll(handle), Alive)
        executor.end(handle, exit_code=4)
        seen: Any = executor.poll(handle)
        assert seen.exit.exit_code == 4

    def test_begin(self, wanted: Launch) -> None:
        executor = FakeExecutor(lambda launch: Script(starting=True))
        handle = executor.submit(wanted)
        assert executor.poll(handle) == Starting()
        executor.begin(handle)
        assert isinstance(executor.poll(handle), Alive)

    def test_stop_while_starting(self, wanted: Launch) -> None:
        executor = FakeExecutor(lambda launch: Script(starting=True))
        handle = executor.submit(wanted)
        executor.stop(handle, 10)
        seen = executor.poll(handle)
        assert isinstance(seen, Exited)
        assert (seen.exit.terminated, seen.exit.started_at) == (True, None)

    def test_lose(self, executor: FakeExecutor, wanted: Launch) -> None:
        handle = executor.submit(wanted)
        executor.lose(handle)
        assert isinstance(executor.poll(handle), Lost)
        assert (executor.sweep(handle), executor.sweep(handle)) == (1, 0)

    def test_hold(self, executor: FakeExecutor, wanted: Launch) -> None:
        handle = executor.submit(wanted)
        executor.hold(handle)
        seen = executor.poll(handle)
        assert isinstance(seen, Alive)
        assert seen.stopped

    def test_write(self, executor: FakeExecutor, wanted: Launch) -> None:
        handle = executor.submit(wanted)
        executor.write(handle, "events.jsonl", b"{}\n")
        executor.write(handle, "events.jsonl", b"[]\n")
        assert executor.read(handle, "events.jsonl", 3, 100) == b"[]\n"

    def test_out_of_reach(self, executor: FakeExecutor, wanted: Launch) -> None:
        handle = executor.submit(wanted)
        executor.reachable = False
        assert isinstance(executor.poll(handle), Unknown)
        with pytest.raises(Unreachable):
            executor.stop(handle, 1)
        with pytest.raises(Unreachable):
            executor.submit(wanted)

    def test_refuse(self, executor: FakeExecutor, wanted: Launch) -> None:
        executor.refuse = "no memory"
        with pytest.raises(SubmitFailed, match="no memory"):
            executor.submit(wanted)
        assert isinstance(executor.poll(Handle(directory=wanted.directory, attempt=1)), Lost)

    def test_remembers_what_it_was_asked(self, executor: FakeExecutor, wanted: Launch) -> None:
        handle = executor.submit(wanted)
        executor.submit(wanted)
        executor.control(handle, "pause")
        executor.stop(handle, 5)
        assert executor.submitted == [wanted]
        assert executor.controlled == [(handle, "pause")]
        assert executor.stopped == [(handle, 5)]
