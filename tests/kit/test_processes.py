import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from finery.kit import processes
from finery.kit.processes import Identity


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"], start_new_session=True, env={**os.environ, "A_MARK": "x/1"}) as process:
        # It is started a moment before the kernel shows what it was given.
        while b"A_MARK" not in Path(f"/proc/{process.pid}/environ").read_bytes():
            time.sleep(0.001)
        yield process
        process.kill()


class TestIdentity:
    def test_of_a_living_process(self, sleeper: subprocess.Popen[bytes]) -> None:
        identity = Identity.of(sleeper.pid)
        assert identity.is_alive()
        assert identity.start_time == processes.start_time(sleeper.pid)
        assert identity.boot_id == processes.boot_id()

    def test_of_nobody(self) -> None:
        with pytest.raises(ProcessLookupError):
            Identity.of(2**22 + 1)

    def test_survives_its_description(self) -> None:
        identity = Identity.of(os.getpid())
        assert Identity.parse(identity.describe()) == identity

    @pytest.mark.parametrize("value", [None, {}, [], "x", {"pid": "x", "start_time": 1, "boot_id": "b"}])
    def test_parses_nothing_else(self, value: object) -> None:
        assert Identity.parse(value) is None

    def test_signals_itself_only(self, sleeper: subprocess.Popen[bytes]) -> None:
        identity = Identity.of(sleeper.pid)
        assert not replace(identity, start_time=identity.start_time - 1).signal(signal.SIGKILL)
        assert not replace(identity, boot_id="another").signal(signal.SIGKILL)
        assert identity.is_alive()
        assert identity.signal(signal.SIGKILL)
        assert sleeper.wait() == -signal.SIGKILL
        assert not identity.signal(signal.SIGKILL)

    @pytest.mark.parametrize("pid", [-1, 0, 2**22 + 1, 2**40])
    def test_of_an_impossible_number_is_gone(self, pid: int) -> None:
        identity = Identity(pid, 1, processes.boot_id())
        assert not identity.is_alive()
        assert not identity.signal(signal.SIGTERM)

    def test_of_a_zombie_is_not_alive(self, sleeper: subprocess.Popen[bytes]) -> None:
        identity = Identity.of(sleeper.pid)
        sleeper.kill()
        os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
        assert identity.look() is not None
        assert not identity.is_alive()
        assert not identity.signal(signal.SIGTERM)


class TestLook:
    def test_reads_a_name_with_spaces_and_parentheses(self) -> None:
        code = "open('/proc/self/comm', 'w').write(') R 1 (x'); print(flush=True); input()"
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            seen = processes.look(process.pid)
            assert seen is not None
            assert seen.parent == os.getpid()
            process.kill()

    def test_sees_a_held_process(self, sleeper: subprocess.Popen[bytes]) -> None:
        sleeper.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED)
        seen = processes.look(sleeper.pid)
        assert seen is not None
        assert seen.is_stopped


class TestScans:
    def test_children(self, sleeper: subprocess.Popen[bytes]) -> None:
        assert sleeper.pid in {process.pid for process in processes.children(os.getpid())}

    def test_descendants(self, sleeper: subprocess.Popen[bytes]) -> None:
        below = processes.descendants(os.getppid(), processes.processes())
        pids = [process.pid for process in below]
        assert pids.index(os.getpid()) < pids.index(sleeper.pid)

    def test_group_members(self, sleeper: subprocess.Popen[bytes]) -> None:
        assert [process.pid for process in processes.group_members(sleeper.pid)] == [sleeper.pid]

    def test_marked(self, sleeper: subprocess.Popen[bytes]) -> None:
        found = {process.pid for process in processes.marked("A_MARK=x/1")}
        assert sleeper.pid in found
        assert sleeper.pid not in {process.pid for process in processes.marked("A_MARK=x/")}
        assert not processes.is_marked(2**22 + 1, "A_MARK=x/1")

    def test_shown(self, sleeper: subprocess.Popen[bytes]) -> None:
        assert processes.variable_of(sleeper.pid, "A_MARK") == "x/1"
        assert processes.variable_of(sleeper.pid, "A_MAR") is None
        assert processes.variable_of(2**22 + 1, "A_MARK") is None

    @pytest.mark.parametrize("wrong", ["A_MARK=x/2", "A_MARK=shim:x/1"])
    def test_who_lacks_the_mark_is_not_signalled(self, sleeper: subprocess.Popen[bytes], wrong: str) -> None:
        identity = Identity.of(sleeper.pid)
        assert not identity.signal(signal.SIGKILL, mark=wrong)
        assert identity.is_alive()
        assert identity.signal(signal.SIGKILL, mark="A_MARK=x/1")

    def test_a_number_of_another_namespace_is_nobody_here(self, sleeper: subprocess.Popen[bytes]) -> None:
        identity = replace(Identity.of(sleeper.pid), namespace=1)
        assert not identity.is_alive()
        assert not identity.signal(signal.SIGKILL)


class TestUptime:
    def test_is_shared_by_all_processes(self) -> None:
        before = processes.uptime()
        code = "import time; print(time.clock_gettime(time.CLOCK_BOOTTIME))"
        between = float(subprocess.check_output([sys.executable, "-c", code]))
        assert before < between < processes.uptime()
