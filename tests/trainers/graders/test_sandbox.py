"""Real processes: what the confinement refuses, seen by its answer and by what stays as it was."""

import contextlib
import errno
import importlib.util
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from finery.trainers.graders import python
from finery.trainers.graders.python import Limits, ProgramFailed, ProgramNotStarted, PythonProgram

Make = Callable[..., PythonProgram]
IS_ROOT = os.geteuid() == 0
NOBODY = 65534
USER = NOBODY if IS_ROOT else os.geteuid()
"""As whom a program runs: what is to be refused must not be refused for belonging to another."""

CALLER = """
import ctypes
LIBC = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    given = [a.encode("latin-1") if isinstance(a, str) else ctypes.c_long(a) for a in arguments]
    ctypes.set_errno(0)
    answer = LIBC.syscall(ctypes.c_long(number), *given)
    return ctypes.get_errno() if answer == -1 else 0

def grade(sample, item):
    return call(*item["call"])
"""
SWEEP = f"""{CALLER}
def grade(sample, item):
    answers = [call(number, -1, -1, -1, -1, -1, -1) for number in item["numbers"]]
    return next((n for n, a in zip(item["numbers"], answers) if a != {errno.EPERM}), -1)
"""


def _listed(calls: str) -> dict[str, tuple[str, str]]:
    """By name: the numbers on x86-64 and ARM64, `-` where an architecture has none."""
    entries = [call.split() for call in calls.split(",")]
    return {name: (ours, theirs) for name, ours, theirs in entries}


SIGNALS_TO_OTHERS = _listed(
    """
    kill 62 129, tkill 200 130, tgkill 234 131, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240,
    pidfd_open 434 434, pidfd_send_signal 424 424
    """
)
NEVER = _listed(
    # Files, by whatever name or number; memory that no limit counts; other processes, new ones, programs; the kernel's
    # own rooms; sockets.
    """
    truncate 76 45, ftruncate 77 46, fallocate 285 47, creat 85 -, openat2 437 437, open_by_handle_at 304 265,
    chmod 90 -, fchmod 91 52, fchmodat 268 53, fchmodat2 452 452, chown 92 -, fchown 93 55, lchown 94 -,
    fchownat 260 54, utime 132 -, utimes 235 -, utimensat 280 88, futimesat 261 -, setxattr 188 5, lsetxattr 189 6,
    fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15, fremovexattr 199 16, setxattrat 463 463,
    removexattrat 466 466, file_setattr 469 469, link 86 -, linkat 265 37, symlink 88 -, symlinkat 266 36,
    rename 82 -, renameat 264 38, renameat2 316 276, mknod 133 -, mknodat 259 33, mkdir 83 -, mkdirat 258 34,
    unlink 87 -, unlinkat 263 35, rmdir 84 -, flock 73 32, sendfile 40 71, copy_file_range 326 285,
    shmget 29 194, shmat 30 196, shmctl 31 195, msgget 68 186, msgsnd 69 189, semget 64 190, semop 65 193,
    mq_open 240 180, mq_unlink 241 181, memfd_create 319 279, add_key 248 217, request_key 249 218, keyctl 250 219,
    setpriority 141 140, sched_setparam 142 118, sched_setscheduler 144 119, sched_setaffinity 203 122,
    sched_setattr 314 274, ioprio_set 251 30, ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271,
    process_madvise 440 440, process_mrelease 448 448, pidfd_getfd 438 438, kcmp 312 272, timer_create 222 107,
    setpgid 109 154, setsid 112 157,
    clone 56 220, clone3 435 435, fork 57 -, vfork 58 -, execve 59 221, execveat 322 281,
    bpf 321 280, perf_event_open 298 241, userfaultfd 323 282, io_setup 206 0, io_uring_setup 425 425,
    io_uring_enter 426 426, io_uring_register 427 427, mount 165 40, umount2 166 39, pivot_root 155 41,
    chroot 161 51, open_tree 428 428, move_mount 429 429, fsopen 430 430, mount_setattr 442 442, unshare 272 97,
    setns 308 268, seccomp 317 277, setuid 105 146, setresuid 117 147, capset 126 91,
    socket 41 198, socketpair 53 199, connect 42 203
    """
)


@pytest.fixture
def make() -> Iterator[Make]:
    made = []

    def program(source: str, **limits: float) -> PythonProgram:
        made.append(PythonProgram(source, Limits(**limits)))  # type: ignore[arg-type]
        return made[-1]

    yield program
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def caller() -> Iterator[PythonProgram]:
    """One for many calls, which are refused or change nothing."""
    program = PythonProgram(CALLER)
    try:
        yield _started(program, "processes")
    finally:
        program.close()


@pytest.fixture
def another() -> Iterator[int]:
    """A process of the program's user, which the program has no business with."""
    process = subprocess.Popen(["sleep", "60"], user=USER if IS_ROOT else None)
    yield process.pid
    alive = process.poll() is None
    process.kill()
    process.wait()
    assert alive, "the program ended another process"


@pytest.fixture
def sandbox() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sandbox", python.SANDBOX)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """The programs made from now on run in a sandbox that is changed so: another kernel's or processor's."""

    def change(code: str) -> None:
        start = tmp_path / "start.py"
        start.write_text(
            # A program without imports must need no more of Python's folders than this.
            "import importlib.util, json, pkgutil, sys\n"
            f"spec = importlib.util.spec_from_file_location('sandbox', {str(python.SANDBOX)!r})\n"
            "sandbox = importlib.util.module_from_spec(spec)\n"
            "spec.loader.exec_module(sandbox)\n"
            f"{code}\n"
            "sandbox.main(sys.argv[1], json.loads(sys.argv[2]))\n"
        )
        monkeypatch.setattr(python, "SANDBOX", start)

    return change


def _started(program: PythonProgram, closed: str) -> PythonProgram:
    """Or skipped, where this machine cannot close off this way."""
    program.start()
    if closed in program.open_ways:
        pytest.skip(f"this machine cannot close off {closed}")
    return program


def _number(numbers: tuple[str, str]) -> int:
    number = _known_number(numbers)
    if number is None:
        pytest.skip("this processor has no such call, or none that is known here")
    return number


def _known_number(numbers: tuple[str, str]) -> int | None:
    number = dict(zip(("x86_64", "aarch64"), numbers, strict=True)).get(platform.machine(), "-")
    return None if number == "-" else int(number)


def _status(program: PythonProgram) -> dict[str, str]:
    assert program._process is not None
    lines = Path(f"/proc/{program._process.pid}/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


class TestCalls:
    def test_refused(self, caller: PythonProgram) -> None:
        told = {
            name: caller.grade({}, {"call": [number, -1, -1, -1, -1, -1, -1]})
            for name, numbers in (NEVER | SIGNALS_TO_OTHERS).items()
            if (number := _known_number(numbers)) is not None
        }
        assert told == dict.fromkeys(told, errno.EPERM)
        assert len(told) > 50

    def test_all_but_those_listed_are_refused(self, make: Make, sandbox: ModuleType) -> None:
        grader = _started(make(SWEEP), "processes")
        listed = [
            sandbox.ALLOWED_CALLS,
            sandbox.CALLS_TO_ITSELF,
            *sandbox.CALLS_WITH_ONE_OF,
            *sandbox.CALLS_WITHOUT,
        ]
        allowed = {number for calls in listed for number in sandbox._numbers(calls, platform.machine())}
        # The kernel lets the traps of its own probes pass any filter; who calls them is ended.
        probes = {335, 336} if platform.machine() == "x86_64" else set()
        numbers = [number for number in range(sandbox.LATEST_NUMBER + 1) if number not in allowed | probes]
        assert len(numbers) > 250
        assert grader.grade({}, {"numbers": numbers}) == -1

    def test_opening_by_its_older_name(self, caller: PythonProgram) -> None:
        number = _number(("2", "-"))
        assert [caller.grade({}, {"call": [number, os.__file__, flags]}) for flags in (0, os.O_TRUNC)] == [
            0,
            errno.EPERM,
        ]

    def test_of_devices_only_questions_are_allowed(self, caller: PythonProgram) -> None:
        """TIOCSTI types into a terminal, FIOASYNC asks for signals; TCGETS finds that 0 is none."""
        answers = [caller.grade({}, {"call": [_number(("16", "29")), 0, ask, 0]}) for ask in (0x5412, 0x5452, 0x5401)]
        assert answers == [errno.EPERM, errno.EPERM, errno.ENOTTY]

    def test_newer_ones_are_said_to_be_missing(self, caller: PythonProgram, sandbox: ModuleType) -> None:
        assert caller.grade({}, {"call": [sandbox.LATEST_NUMBER + 1]}) == errno.ENOSYS

    def test_the_x32_ones_end_it(self, caller: PythonProgram) -> None:
        with pytest.raises(ProgramFailed, match="ended by signal 31"):
            caller.grade({}, {"call": [0x40000000 + 39]})

    def test_those_of_32_bits_end_it(self, make: Make) -> None:
        """`int 0x80` with 20 is getpid there."""
        if platform.machine() != "x86_64":
            pytest.skip("only x86-64 has this way in")
        code = (
            "import ctypes, mmap\n"
            "page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
            "page.write(bytes.fromhex('53 b814000000 cd80 5b c3'))\n"
            "getpid = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))\n"
        )
        outside = subprocess.run(
            [sys.executable, "-c", f"{code}import os; assert getpid() == os.getpid()"], check=False
        )
        if outside.returncode != 0:
            pytest.skip("this kernel has no calls of 32 bits")
        grader = _started(make(f"{code}def grade(sample, item): return getpid()"), "processes")
        with pytest.raises(ProgramFailed, match="ended by signal 31"):
            grader.grade({}, {})

    @pytest.mark.parametrize(
        ("header", "column"),
        [
            ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", 0),
            ("/usr/include/aarch64-linux-gnu/asm/unistd_64.h", 1),
            ("/usr/include/asm-generic/unistd.h", 1),
        ],
    )
    def test_numbers_are_the_kernels(self, header: str, column: int, sandbox: ModuleType) -> None:
        if not Path(header).exists():
            pytest.skip(f"no {header}")
        known = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", Path(header).read_text()))
        # The generic header has an older name for this one.
        known.setdefault("newfstatat", known.get("fstatat", ""))
        entries = [
            entry.split()
            for calls in (
                sandbox.ALLOWED_CALLS,
                sandbox.CALLS_TO_ITSELF,
                *sandbox.CALLS_WITH_ONE_OF,
                *sandbox.CALLS_WITHOUT,
            )
            for entry in calls.split(",")
        ]
        ours = [(name, numbers[column]) for name, *numbers in entries]
        ours += [(name, numbers[column]) for name, numbers in (NEVER | SIGNALS_TO_OTHERS).items()]
        assert [(name, n) for name, n in ours if n != "-" and known.get(name, n) != n] == []

    @pytest.mark.parametrize(
        "body",
        [
            "import json; json.loads('[1]')",
            "import re; re.findall('(a+)+b', 'aaab')",
            "import math, statistics, fractions, decimal; decimal.Decimal(2).sqrt()",
            "import random, secrets, uuid; uuid.uuid4()",
            "import datetime, time; time.sleep(0.01); datetime.datetime.now().astimezone()",
            "import collections, itertools, functools, difflib, string, textwrap, unicodedata",
            "import ast, html.parser, xml.dom.minidom, csv, io; ast.parse('1 + 1')",
            "import hashlib, base64, zlib; hashlib.sha256(b'x')",
            "import sqlite3; sqlite3.connect(':memory:').execute('create table t (x)')",
            "import numpy; numpy.linalg.svd(numpy.random.default_rng(1).random((300, 300)))",
            "import pandas, rapidfuzz, sympy; rapidfuzz.fuzz.ratio('a', 'b')",
            "import os; os.listdir(os.path.dirname(os.__file__)); os.cpu_count(); os.closerange(20, 30)",
            "import signal as s; s.signal(s.SIGALRM, lambda *_: None); s.setitimer(s.ITIMER_REAL, 0.01); s.pause()",
            "import os, signal as s; s.signal(s.SIGUSR1, lambda *_: None); os.kill(os.getpid(), s.SIGUSR1)",
            "import signal as s; s.signal(s.SIGUSR1, lambda *_: None); s.raise_signal(s.SIGUSR1)",
        ],
    )
    def test_plain_computation_is_allowed(self, body: str, make: Make) -> None:
        assert make(f"def grade(sample, item):\n    {body}\n    return 1").grade({}, {}) == 1.0


class TestSignals:
    @pytest.mark.parametrize("name", SIGNALS_TO_OTHERS)
    def test_to_others(self, name: str, caller: PythonProgram, another: int) -> None:
        # As the kernel reads it: signal 9, no error, sent by sigqueue.
        info = "\x09" + "\0" * 7 + "\xff" * 4 + "\0" * 116
        arguments: dict[str, list[int | str]] = {
            "kill": [another, 9],
            "tkill": [another, 9],
            "tgkill": [another, another, 9],
            "rt_sigqueueinfo": [another, 9, info],
            "rt_tgsigqueueinfo": [another, another, 9, info],
            "pidfd_open": [another, 0],
            "pidfd_send_signal": [0, 9, 0, 0],
        }
        number = _number(SIGNALS_TO_OTHERS[name])
        assert caller.grade({}, {"call": [number, *arguments[name]]}) == errno.EPERM

    @pytest.mark.parametrize("target", [0, -1])
    def test_to_groups(self, target: int, caller: PythonProgram) -> None:
        assert caller.grade({}, {"call": [_number(SIGNALS_TO_OTHERS["kill"]), target, 0]}) == errno.EPERM

    def test_by_a_pipe_that_belongs_to_another(self, make: Make, another: int) -> None:
        source = (
            "import fcntl, os\n"
            "def grade(sample, item):\n"
            "    ours, theirs = os.pipe()\n"
            "    fcntl.fcntl(ours, fcntl.F_SETSIG, 9)\n"
            "    fcntl.fcntl(ours, fcntl.F_SETOWN, item['process'])\n"
            "    fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC)\n"
            "    os.write(theirs, b'x')\n"
            "    return 1\n"
        )
        with pytest.raises(ProgramFailed, match="PermissionError"):
            _started(make(source), "processes").grade({}, {"process": another})


CHANGES = {
    "chmod": "os.chmod(path, 0o777)",
    "fchmod": "os.fchmod(os.open(path, os.O_RDONLY), 0o777)",
    "chown": "os.chown(path, os.stat(path).st_uid, os.stat(path).st_gid)",
    "utime": "os.utime(path, (1, 1))",
    "setxattr": "os.setxattr(path, 'user.finery', b'x')",
    "removexattr": "os.removexattr(path, 'user.finery')",
    "truncate": "os.truncate(path, 0)",
    "open to be cut off": "os.open(path, os.O_RDONLY | os.O_TRUNC)",
    "open to be written": "os.open(path, os.O_WRONLY)",
    "open to be appended": "os.open(path, os.O_RDWR | os.O_APPEND)",
    "create": "os.open(path + '2', os.O_RDONLY | os.O_CREAT)",
    "create without a name": "os.open(os.path.dirname(path), os.O_RDWR | os.O_TMPFILE)",
    "link": "os.link(path, path + '2')",
    "symlink": "os.symlink(path, path + '2')",
    "rename": "os.rename(path, path + '2')",
    "unlink": "os.unlink(path)",
    "mkdir": "os.mkdir(path + '2')",
    "mknod": "os.mknod(path + '2')",
    "mkfifo": "os.mkfifo(path + '2')",
    "lock": "import fcntl; fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX)",
    "record lock": "import fcntl; fcntl.lockf(os.open(path, os.O_RDONLY), fcntl.LOCK_SH)",
}


class TestFiles:
    """Those that the program's user may change by what the file system says, in a folder that it may read."""

    @pytest.mark.parametrize("change", CHANGES)
    @pytest.mark.parametrize(
        "kernel",
        [
            "",
            "sandbox.ACCESSES_OF_VERSION = dict.fromkeys(range(1, 99), 13)",
            "sandbox._close_files = lambda readable: True",
        ],
        ids=["this kernel", "the first Landlock", "the filter alone"],
    )
    def test_stay_as_they_were(
        self, change: str, kernel: str, make: Make, changed: Callable[[str], None], tmp_path: Path
    ) -> None:
        if kernel:
            changed(kernel)
        grader = make(
            f"import os\ndef grade(sample, item):\n    path = item['path']\n    {CHANGES[change]}\n    return 1"
        )
        folder = Path(grader._folder.name)
        file = folder / "file"
        file.write_text("content")
        with contextlib.suppress(OSError):  # Not every file system has such marks.
            os.setxattr(file, "user.finery", b"mark")
        for path in (folder, file):
            path.chmod(0o777 if path is folder else 0o644)
            os.chown(path, USER, -1)
        _started(grader, "processes")
        before = _seen(folder)
        with pytest.raises(ProgramFailed, match="PermissionError"):
            grader.grade({}, {"path": str(file)})
        assert _seen(folder) == before

    def test_counted_as_closed_only_with_landlock(self, make: Make, changed: Callable[[str], None]) -> None:
        changed("sandbox._close_files = lambda readable: False; sandbox._may_read = lambda path: True")
        grader = make("def grade(sample, item): return 1")
        grader.start()
        assert "files" in grader.open_ways

    def test_counted_as_closed_only_with_the_filter(self, make: Make, changed: Callable[[str], None]) -> None:
        changed(
            "sandbox.platform.machine = lambda: 'riscv64'\n"
            "sandbox._close_files = lambda readable: True; sandbox._may_read = lambda path: True"
        )
        grader = make("def grade(sample, item): return 1")
        grader.start()
        assert {"files", "processes"} <= set(grader.open_ways)


def _seen(folder: Path) -> dict[str, Any]:
    paths = [folder, *folder.iterdir()]
    return {
        str(path): (os.stat(path)[:7], path.stat().st_mtime_ns, path.stat().st_ctime_ns, os.listxattr(path))
        for path in paths
    }


class TestUser:
    def test_is_nobody_to_the_kernel(self, make: Make, changed: Callable[[str], None]) -> None:
        if IS_ROOT:
            changed("sandbox.os.setgroups([4, 24])")
        grader = make("def grade(sample, item): return 1")
        grader.start()
        status = _status(grader)
        assert set(status["Uid"].split()) == {str(USER)}
        assert status["NoNewPrivs"] == "1"
        if IS_ROOT:
            assert set(status["Gid"].split()) == {str(NOBODY)}
            assert status["Groups"] == ""

    def test_has_no_capability_but_to_read_a_python_that_only_root_may_read(
        self, make: Make, changed: Callable[[str], None]
    ) -> None:
        grader = make("def grade(sample, item): return 1")
        grader.start()
        assert _status(grader)["CapEff"] == _status(grader)["CapPrm"]
        assert _status(grader)["CapEff"] in {f"{kept:016x}" for kept in (0, 2, 4)}
        assert {_status(grader)[kind] for kind in ("CapInh", "CapAmb")} == {"0" * 16}
        changed("sandbox._close_files = lambda readable: True; sandbox._may_read = lambda path: True")
        grader = make("def grade(sample, item): return 1")
        grader.start()
        assert {_status(grader)[kind] for kind in ("CapEff", "CapPrm")} == {"0" * 16}

    @pytest.mark.parametrize("right", [2, 4])
    def test_a_right_to_read_stays_within_what_is_readable(
        self, right: int, make: Make, changed: Callable[[str], None], tmp_path: Path
    ) -> None:
        if not IS_ROOT:
            pytest.skip("needs root")
        changed(f"sandbox.RIGHTS_TO_READ = ({right},); sandbox._may_read = lambda path: False")
        secret = tmp_path / "secret"
        secret.write_text("x")
        secret.chmod(0o600)
        for mode in ("r", "r+", "w", "a"):
            grader = make(f"def grade(sample, item): return len(open(item['path'], {mode!r}).read())")
            try:
                grader.start()
            except ProgramNotStarted as error:
                pytest.skip(f"this root has not the right or the guards: {error}")
            assert _status(grader)["CapEff"] == f"{right:016x}"
            with pytest.raises(ProgramFailed, match="PermissionError"):
                grader.grade({}, {"path": str(secret)})
        assert secret.read_text() == "x"

    def test_root_that_cannot_become_nobody_is_refused(self, make: Make, changed: Callable[[str], None]) -> None:
        if not IS_ROOT:
            pytest.skip("needs root")
        changed("def refused(*_): raise PermissionError\nsandbox.os.setuid = refused")
        with pytest.raises(ProgramNotStarted, match="rights of root cannot be given up here; run the server as"):
            make("def grade(sample, item): return 1").start()

    @pytest.mark.parametrize("missing", ["_close_files = lambda readable: False", "_filter_calls = lambda: False"])
    def test_a_python_that_only_root_may_read_needs_both_guards(
        self, missing: str, make: Make, changed: Callable[[str], None]
    ) -> None:
        if not IS_ROOT:
            pytest.skip("needs root")
        changed(f"sandbox._may_read = lambda path: False; sandbox.{missing}")
        with pytest.raises(ProgramNotStarted, match="only root may read Python's folders here; run the server as"):
            make("def grade(sample, item): return 1").start()

    def test_has_no_threads_by_the_limit_on_processes_alone(self, make: Make, changed: Callable[[str], None]) -> None:
        changed("sandbox._filter_calls = lambda: True")
        grader = make(
            "import threading\n"
            "def grade(sample, item):\n"
            "    try:\n"
            "        threading.Thread(target=int).start()\n"
            "    except RuntimeError as error:\n"
            '        return float(str(error) == "can\'t start new thread")\n'
            "    return 0\n"
        )
        assert grader.grade({}, {}) == 1.0


class TestLimits:
    def test_memory_that_is_shared_counts(self, make: Make) -> None:
        grader = make(
            "import errno, mmap\n"
            "def grade(sample, item):\n"
            "    try:\n"
            "        return len(mmap.mmap(-1, 4 << 30))\n"
            "    except OSError as error:\n"
            "        return float(error.errno == errno.ENOMEM)\n"
        )
        assert grader.grade({}, {}) == 1.0

    @pytest.mark.parametrize("name", ["RLIMIT_NPROC", "RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_NOFILE", "RLIMIT_AS"])
    def test_cannot_be_raised(self, name: str, make: Make) -> None:
        source = (
            "import resource\n"
            "def grade(sample, item):\n"
            f"    soft, hard = resource.getrlimit(resource.{name})\n"
            "    try:\n"
            f"        resource.setrlimit(resource.{name}, (hard + 1, hard + 1))\n"
            "    except ValueError as error:\n"
            "        return float(str(error) == 'not allowed to raise maximum limit')\n"
            "    return 0\n"
        )
        assert make(source).grade({}, {}) == 1.0

    def test_its_death_with_whoever_watches_it_stays_asked_for(self, caller: PythonProgram) -> None:
        """Of prctl only a name is left."""
        assert caller.grade({}, {"call": [_number(("157", "167")), 1, 0, 0, 0, 0]}) == errno.EPERM
        assert caller.grade({}, {"call": [_number(("157", "167")), 15, "grader", 0, 0, 0]}) == 0
