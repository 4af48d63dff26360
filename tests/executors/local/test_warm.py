import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.process import Alive, Launch, Lost
from finery.executors.base import Executor
from finery.executors.local.environment import TRACKERS
from finery.executors.local.executor import LocalExecutor
from finery.executors.local.warm_parent import WarmParent
from finery.kit.processes import children, is_marked, look
from tests.executors import builders
from tests.executors.builders import (
    PROGRAMS,
    child_pid,
    until,
    until_exited,
    until_is,
    until_started,
)
from tests.executors.conformance import ExecutorConformance

PATH = {"PYTHONPATH": os.pathsep.join([str(PROGRAMS), *(entry for entry in sys.path if entry)])}


def warm_launch(directory: Path, behaviour: str, **changes: Any) -> Launch:
    settings = {"warm_entry": "behave", "environment": PATH, **changes}
    return builders.launch(directory, behaviour, **{"argv": [sys.executable, "-m", "behave", behaviour], **settings})


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmParent]:
    parent = WarmParent("behave_preload", environment=PATH)
    parent.start()
    assert parent.wait(20)
    yield parent
    parent.close()


@pytest.fixture
def executor(warm: WarmParent) -> LocalExecutor:
    assert warm.wait(20)
    return LocalExecutor(warm=warm)


def seen(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "seen.json").read_text())
    return found


def memory_of(pid: int) -> bytes:
    """All that the process holds and may write to."""
    areas = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    held = bytearray()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end in (area[0].split("-") for area in areas if area[1].startswith("rw")):
            memory.seek(int(begin, 16))
            with contextlib.suppress(OSError):
                held += memory.read(int(end, 16) - int(begin, 16))
    return bytes(held)


class TestWarm(ExecutorConformance):
    @pytest.fixture
    def executor(self, warm: WarmParent) -> Executor:
        assert warm.wait(20)
        return LocalExecutor(warm=warm)

    def launch(self, directory: Path, behaviour: str, **changes: Any) -> Launch:
        return warm_launch(directory, behaviour, **changes)


class TestForkedTrainer:
    def test_equals_a_fresh_process(self, executor: LocalExecutor, tmp_path: Path) -> None:
        environment = {**PATH, "OMP_NUM_THREADS": "2", "WANDB_API_KEY": "wanted"}
        wanted = warm_launch(tmp_path, "look", environment=environment)
        ending = until_exited(executor, executor.submit(wanted))
        assert ending.exit_code == 0
        found = seen(tmp_path)
        assert found["stack_is_loaded"]
        assert found["argv"][1:] == ["look"]
        assert found["argv"][0].endswith("behave.py")
        assert found["pid"] == found["group"] == found["session"]
        assert found["blocked"] == []
        assert found["directory"] == str(tmp_path)
        assert found["descriptors"] == ["0", "1", "2", "3"]
        assert found["environment"]["OMP_NUM_THREADS"] == "2"
        assert found["environment"]["FINERY_PROCESS_MARK"] == wanted.mark
        assert "OPENBLAS_NUM_THREADS" not in found["environment"]

    def test_gets_the_keys_of_the_trackers(
        self, executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in TRACKERS:
            monkeypatch.setenv(name, f"key of {name}")
        until_exited(executor, executor.submit(warm_launch(tmp_path, "look")))
        found = seen(tmp_path)
        assert found["stack_is_loaded"]
        assert {name: found["environment"][name] for name in TRACKERS} == {name: f"key of {name}" for name in TRACKERS}

    def test_its_secrets_are_neither_the_parents_nor_the_next_ones(
        self, executor: LocalExecutor, warm: WarmParent, tmp_path: Path
    ) -> None:
        secret = {**PATH, "MINE": "s3cret-value", "HF_TOKEN": "s3cret-token"}
        first = warm_launch(tmp_path / "first", "look", environment=secret)
        until_exited(executor, executor.submit(first))
        assert {name: seen(tmp_path / "first")["environment"][name] for name in secret} == secret
        until_exited(executor, executor.submit(warm_launch(tmp_path / "second", "look")))
        found = seen(tmp_path / "second")
        assert found["stack_is_loaded"]
        assert secret.keys() & found["environment"].keys() == {"PYTHONPATH"}
        assert "s3cret" not in str(found)
        assert b"s3cret" not in Path(f"/proc/{_pid(warm)}/environ").read_bytes()
        held = memory_of(_pid(warm))
        assert b"FINERY_PROCESS_MARK" in held
        assert b"s3cret-" not in held

    def test_shows_its_mark(self, executor: LocalExecutor, tmp_path: Path) -> None:
        wanted = warm_launch(tmp_path, "sleep")
        handle = executor.submit(wanted)
        until_started(executor, handle)
        shim = handle.details["shim"]["pid"]
        [trainer] = children(shim)
        assert is_marked(trainer.pid, f"FINERY_PROCESS_MARK={wanted.mark}")
        assert not is_marked(shim, f"FINERY_PROCESS_MARK={wanted.mark}")
        assert is_marked(shim, f"FINERY_PROCESS_MARK=shim:{wanted.mark}")
        executor.sweep(handle)

    @pytest.mark.parametrize(
        ("behaviour", "code", "text"),
        [
            ("raise", 1, "RuntimeError: as asked"),
            ("exit:0", 0, "this is exit:0"),
            ("exit:300", 44, "this is"),
            ("says:goodbye", 1, "goodbye"),
        ],
    )
    def test_ends_as_the_interpreter_would(
        self, executor: LocalExecutor, tmp_path: Path, behaviour: str, code: int, text: str
    ) -> None:
        ending = until_exited(executor, executor.submit(warm_launch(tmp_path, behaviour)))
        assert (ending.exit_code, ending.swept) == (code, 0)
        assert text in (tmp_path / "logs" / "run.log").read_text()

    def test_a_forked_stray_is_swept_after_the_shim(self, executor: LocalExecutor, tmp_path: Path) -> None:
        wanted = warm_launch(tmp_path, "forked")
        handle = executor.submit(wanted)
        until_started(executor, handle)
        stray = child_pid(wanted)
        os.kill(handle.details["shim"]["pid"], signal.SIGKILL)
        until_is(executor, handle, Lost)
        assert executor.sweep(handle) >= 1
        until(lambda: _is_gone(stray))

    def test_a_mark_too_long_starts_cold(self, executor: LocalExecutor, tmp_path: Path) -> None:
        until_exited(executor, executor.submit(warm_launch(tmp_path, "look", mark="x" * 600)))
        assert not seen(tmp_path)["stack_is_loaded"]


class TestColdInstead:
    @pytest.mark.parametrize(
        "changes",
        [
            {"warm_entry": None},
            {"environment": {**PATH, "HF_HUB_OFFLINE": "1"}},
            {"argv": [os.path.realpath(sys.executable), "-m", "behave", "look"]},
        ],
    )
    def test_when_a_fork_would_differ(self, executor: LocalExecutor, tmp_path: Path, changes: dict[str, Any]) -> None:
        until_exited(executor, executor.submit(warm_launch(tmp_path, "look", **changes)))
        assert not seen(tmp_path)["stack_is_loaded"]

    def test_when_the_parent_is_gone(self, tmp_path: Path) -> None:
        parent = WarmParent("behave_preload", environment=PATH)
        executor = LocalExecutor(warm=parent)
        until_exited(executor, executor.submit(warm_launch(tmp_path, "look")))
        assert not seen(tmp_path)["stack_is_loaded"]


class TestParent:
    def test_comes_back_after_it_died_and_what_it_forked_goes_on(self, tmp_path: Path) -> None:
        parent = WarmParent("behave_preload", environment=PATH)
        parent.start()
        assert parent.wait(20)
        executor = LocalExecutor(warm=parent)
        handle = executor.submit(warm_launch(tmp_path, "sleep"))
        until_started(executor, handle)
        first = _pid(parent)
        os.kill(first, signal.SIGKILL)
        until(lambda: not parent.ready)
        assert parent.fork(tmp_path) is None
        assert isinstance(executor.poll(handle), Alive)
        assert parent.wait(20)
        second = _pid(parent)
        assert second != first
        parent.close()
        assert _is_gone(second)
        assert isinstance(executor.poll(handle), Alive)
        executor.stop(handle, 10)
        until_exited(executor, handle)

    def test_ends_with_the_server(self, tmp_path: Path) -> None:
        server = textwrap.dedent(
            """
            import os, signal, time
            from finery.executors.local.warm_parent import WarmParent
            parent = WarmParent("json")
            parent.start()
            parent.wait(20)
            print(parent._process.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
            """
        )
        ended = subprocess.run([sys.executable, "-c", server], stdout=subprocess.PIPE, text=True)
        until(lambda: _is_gone(int(ended.stdout)))

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("import no_such_module_here", "No module named 'no_such_module_here'"),
            ("raise RuntimeError('broken build')", "broken build"),
            (
                "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
                "2 threads",
            ),
        ],
    )
    def test_what_cannot_be_warm_says_why_and_is_not_tried_again(self, tmp_path: Path, body: str, reason: str) -> None:
        (tmp_path / "preload_of_this_test.py").write_text(body)
        parent = WarmParent("preload_of_this_test", environment={"PYTHONPATH": f"{tmp_path}:{PATH['PYTHONPATH']}"})
        parent.start()
        until(lambda: parent.reason is not None)
        assert reason in str(parent.reason)
        assert not parent.ready
        parent.close()

    @pytest.mark.parametrize("late", ["threads", "cuda"])
    def test_refuses_to_fork_once_it_may_not(self, tmp_path: Path, late: str) -> None:
        """What was quiet when it was loaded changes afterwards: the attempt starts cold."""
        body = {
            "threads": "import signal, threading, time\n"
            "change = lambda *_: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n",
            "cuda": "import signal, sys, types\nsys.modules['torch.cuda'] = cuda = types.ModuleType('torch.cuda')\n"
            "cuda.is_initialized = lambda: False\n"
            "def change(*_): cuda.is_initialized = lambda: True\n",
        }[late]
        (tmp_path / "preload_of_this_test.py").write_text(body + "signal.signal(signal.SIGUSR1, change)\n")
        path = {"PYTHONPATH": f"{tmp_path}:{PATH['PYTHONPATH']}"}
        parent = WarmParent("preload_of_this_test", environment=path)
        parent.start()
        assert parent.wait(20)
        pid = _pid(parent)
        os.kill(pid, signal.SIGUSR1)
        executor = LocalExecutor(warm=parent)
        until_exited(executor, executor.submit(warm_launch(tmp_path, "look", environment=path)))
        assert not seen(tmp_path)["stack_is_loaded"]
        until(lambda: _is_gone(pid))
        parent.close()

    def test_needs_memory(self) -> None:
        assert WarmParent.affordable(4 * 1024**3)
        assert not WarmParent.affordable(4 * 1024**3 - 1)

    def test_close_before_start_and_twice(self) -> None:
        parent = WarmParent("json")
        parent.close()
        parent.close()
        assert not parent.ready


def _pid(parent: WarmParent) -> int:
    assert parent._process is not None
    return parent._process.pid


def _is_gone(pid: int) -> bool:
    process = look(pid)
    return process is None or process.is_dead
