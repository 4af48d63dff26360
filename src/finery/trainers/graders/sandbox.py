"""The sandboxed process of a grader's program: `python -I sandbox.py PROGRAM LIMITS`.

It first gives up whatever a grader does not need, each for good; then it loads the program, and answers each line of
JSON on stdin with one on stdout. It gives up:

- the rights of root, where it has them: it becomes the user nobody, without capabilities;
- the network, by a namespace of its own where that is allowed;
- all calls of the system but those of plain computation and of reading (seccomp), and with them other processes,
  programs, signals, sockets, shared memory, and whatever changes a file or its marks;
- files but those of Python: by Landlock;
- memory, open files and time: by the kernel's limits.

Why not bubblewrap: all that it closes it closes by namespaces, which a container of Docker's usual kind may not make
(as root it lacks CAP_SYS_ADMIN, and namespaces of users are refused), and Debian's server has no bubblewrap unless
somebody installs it. A process may always give up rights of its own. The filter would have to be written here all the
same: bubblewrap takes one as bytes, and has none.
"""

import contextlib
import ctypes
import inspect
import json
import math
import os
import platform
import resource
import runpy
import struct
import sys
import traceback
from collections.abc import Iterator
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
NOBODY = 65534
LONGEST_REASON = 300

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_NAME, PR_GET_NAME, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 8, 15, 16, 22, 38
SIGKILL = 9
CAPABILITIES_VERSION = 0x20080522
RIGHTS_TO_READ = (1 << 2, 1 << 1)
"""CAP_DAC_READ_SEARCH, or CAP_DAC_OVERRIDE, which a container's root may have in its place."""

SECCOMP_FILTER = 2
LOAD, EQUAL, ABOVE, AT_LEAST, HAS_BITS, RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
ALLOW, KILL, NOT_PERMITTED, NOT_THERE = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
FOREIGN_NUMBERS = 0x40000000
"""The calls of x86-64's 32-bit sibling begin here."""
LATEST_NUMBER = 469
"""Newer calls get ENOSYS, so that a newer C library does without them."""
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOWED_CALLS = """
read 0 63, write 1 64, close 3 57, fstat 5 80, newfstatat 262 79, lseek 8 62, mmap 9 222, munmap 11 215, brk 12 214,
mprotect 10 226, madvise 28 233, futex 202 98, clock_gettime 228 113, getrandom 318 278,
readv 19 65, writev 20 66, pread64 17 67, preadv 295 69, preadv2 327 286, close_range 436 436, dup 32 23, dup2 33 -,
dup3 292 24, pipe 22 -, pipe2 293 59, eventfd2 290 19, poll 7 -, ppoll 271 73, select 23 -, pselect6 270 72,
epoll_create1 291 20, epoll_ctl 233 21, epoll_wait 232 -, epoll_pwait 281 22, epoll_pwait2 441 441,
stat 4 -, lstat 6 -, statx 332 291, access 21 -, faccessat 269 48, faccessat2 439 439, readlink 89 -,
readlinkat 267 78, getdents 78 -, getdents64 217 61, statfs 137 43, fstatfs 138 44, getcwd 79 17, chdir 80 49,
fchdir 81 50, umask 95 166, fadvise64 221 223,
mremap 25 216, mincore 27 232, msync 26 227, membarrier 324 283, get_mempolicy 239 236, futex_waitv 449 449,
set_robust_list 273 99, get_robust_list 274 100, set_tid_address 218 96, rseq 334 293, arch_prctl 158 -,
sched_yield 24 124, getcpu 309 168,
rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, rt_sigpending 127 136, rt_sigtimedwait 128 137,
rt_sigsuspend 130 133, sigaltstack 131 132, pause 34 -, restart_syscall 219 128, exit 60 93, exit_group 231 94,
clock_getres 229 114, clock_nanosleep 230 115, nanosleep 35 101, gettimeofday 96 169, time 201 -, times 100 153,
getitimer 36 102, setitimer 38 103, alarm 37 -,
getpid 39 172, getppid 110 173, gettid 186 178, getuid 102 174, geteuid 107 175, getgid 104 176, getegid 108 177,
getgroups 115 158, getresuid 118 148, getresgid 120 150, getpgrp 111 -, getpgid 121 155, getsid 124 156,
capget 125 90,
uname 63 160, sysinfo 99 179, getrusage 98 165, getrlimit 97 163, setrlimit 160 164, getpriority 140 141,
sched_getaffinity 204 123, sched_getparam 143 121, sched_getscheduler 145 120, sched_get_priority_max 146 125,
sched_get_priority_min 147 126
"""
"""Name, number on x86-64, number on ARM64; the most frequent first. No call may be added that reaches another process,
that changes a file, its name or its marks, or that takes memory which no limit counts."""
CALLS_TO_ITSELF = "kill 62 129, tkill 200 130, tgkill 234 131"
"""Allowed when the first argument is the process itself."""
CALLS_WITH_ONE_OF = {
    "prlimit64 302 261": (0, [0]),
    "prctl 157 167": (0, [PR_SET_NAME, PR_GET_NAME]),
    # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC. F_SETOWN would send signals, locks stop others.
    "fcntl 72 25": (1, [0, 1, 2, 3, 4, 1030]),
    # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, TCGETS2
    "ioctl 16 29": (1, [0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x802C542A]),
}
"""Allowed when the argument of this index is one of these."""
CALLS_WITHOUT = {
    "openat 257 56": (2, os.O_ACCMODE | os.O_CREAT | os.O_TRUNC),
    "open 2 -": (1, os.O_ACCMODE | os.O_CREAT | os.O_TRUNC),
}
"""Allowed when the argument of this index has none of these bits. Even a file opened to be read could be cut off."""

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
LANDLOCK_VERSION, LANDLOCK_BENEATH = 1, 1
ACCESSES_OF_VERSION = {1: 13, 2: 14, 3: 15, 4: 15}
"""Version of Landlock → the number of access rights to files that it knows; later versions know 16."""
READ_FILE, READ_FOLDER = 1 << 2, 1 << 3
READABLE = ("/usr", "/lib", "/lib64", "/dev/null", "/dev/urandom")


class RootNotDropped(Exception):
    """Root's rights cannot be given up on this machine."""


def main(program: str, limits: dict[str, Any]) -> None:
    requests, answers = os.fdopen(os.dup(0), "r", encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    _close_standard_streams()
    # The folders of imports: what Python runs from, its environment, and the program's own.
    imports = [sys.prefix, sys.base_prefix, *sys.path, os.path.dirname(program)]
    try:
        guards = _confine([path for path in dict.fromkeys([*READABLE, *imports]) if os.path.exists(path)], limits)
    except RootNotDropped as error:
        _send(answers, error=f"{error}; run the server as an ordinary user")
        return
    try:
        grade = runpy.run_path(program)["grade"]
        assert callable(grade), "grade is no function"
        _check_signature(grade)
    except BaseException as error:  # noqa: BLE001 - the program is a stranger's: whatever it raises is its answer
        _send(answers, error=_reason(error))
        return
    _send(answers, ready=True, guards=guards)
    for line in requests:
        _allow_seconds(limits["cpu_seconds"])
        _send(answers, **_grade(grade, program, **json.loads(line)))


def _grade(grade: Any, program: str, sample: Any, item: Any) -> dict[str, Any]:
    try:
        score = grade(sample, item)
    except BaseException as error:  # noqa: BLE001 - as above
        return {"error": _location_of(error, program)}
    # numpy's numbers are floats or know how to become one; True and text are no scores.
    if isinstance(score, bool | str | bytes) or score is None:
        return {"error": f"grade gave {type(score).__name__}, not a number"}
    try:
        number = float(score)
    except BaseException as error:  # noqa: BLE001 - a stranger's object may raise anything
        return {"error": f"grade gave {type(score).__name__}, not a number: {_location_of(error, program)}"}
    return {"score": number} if math.isfinite(number) else {"error": "grade gave a number that is not finite"}


def _send(answers: Any, **answer: Any) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _location_of(error: BaseException, program: str) -> str:
    """Returns an error's type and line. Its message may hold a row's content, which must not get into the log."""
    kind = type(error).__name__[:LONGEST_REASON]
    try:
        frames = list(traceback.walk_tb(error.__traceback__))
    except BaseException:  # noqa: BLE001 - a stranger's error may have a traceback of its own making
        return kind
    lines = [line for frame, line in frames if frame.f_code.co_filename == program]
    return f"{kind} in line {lines[-1]} of the program" if lines else kind


def _check_signature(grade: Any) -> None:
    """Raises TypeError for a function that cannot be called with a sample and an item."""
    try:
        signature = inspect.signature(grade)
    except ValueError:
        return
    signature.bind(None, None)


def _reason(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:LONGEST_REASON]
    except BaseException:  # noqa: BLE001 - even an error's own words may fail
        return type(error).__name__[:LONGEST_REASON]


def _close_standard_streams() -> None:
    """Replaces the standard streams, so that what the program prints or reads is no answer or request."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _confine(readable: list[str], limits: dict[str, Any]) -> dict[str, bool]:
    """Gives up all rights that it can. Returns which ways are closed off now. Raises RootNotDropped."""
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    cut_off = LIBC.unshare(CLONE_NEWNET) == 0
    # A Python in root's home can be read by root alone: then the right to read is kept, and both guards must hold.
    borrows_reading = _become_nobody() and not all(map(_may_read, readable))
    if not any(map(_keep_capabilities, RIGHTS_TO_READ if borrows_reading else [0])):
        raise RootNotDropped("only root may read Python's folders here")
    if not cut_off and not borrows_reading:
        cut_off = LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0
        # The maker of a namespace has all capabilities in it.
        _keep_capabilities(0)
    # Ends this process with its parent. Set after the changes of user, at which the kernel clears it (prctl(2)).
    LIBC.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    _set_limits(limits)
    landlocked, filtered = _close_files(readable), _filter_calls()
    if borrows_reading and not (landlocked and filtered):
        raise RootNotDropped("only root may read Python's folders here")
    # Landlock does not guard a file's owner, mode and dates, and the filter knows no paths: files need both. The filter
    # refuses sockets, too.
    return {"network": cut_off or filtered, "files": landlocked and filtered, "processes": filtered}


def _become_nobody() -> bool:
    """Becomes the user nobody if this is root, and returns whether it was. Raises RootNotDropped.

    Must come before a namespace of users: in one, too, root owns root's files and has no limit on processes.
    """
    if 0 not in os.getresuid():
        return False
    LIBC.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    try:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    except OSError as error:
        raise RootNotDropped("the rights of root cannot be given up here") from error
    if 0 in os.getresuid():
        raise RootNotDropped("the rights of root cannot be given up here")
    return True


def _may_read(path: str) -> bool:
    """Returns whether its user may read it, without capabilities."""
    return os.access(path, os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK)


def _keep_capabilities(kept: int) -> bool:
    """Drops all other capabilities. Returns False when the process does not have the ones to keep."""
    header = struct.pack("=Ii", CAPABILITIES_VERSION, 0)
    # Effective, permitted, inherited; then the same for those from number 32 on.
    return bool(LIBC.capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0)) == 0)


def _set_limits(limits: dict[str, Any]) -> None:
    for name, value in (
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_AS, limits["memory_bytes"]),
    ):
        resource.setrlimit(name, (value, value))
    _allow_seconds(limits["cpu_seconds"])


def _close_files(readable: list[str]) -> bool:
    """Leaves only these to be read, and nothing to be written. Returns False on a kernel without Landlock."""
    version = LIBC.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), LANDLOCK_VERSION)
    if version < 1:
        return False
    accesses = ctypes.c_uint64((1 << ACCESSES_OF_VERSION.get(version, 16)) - 1)
    rules = LIBC.syscall(LANDLOCK_CREATE, ctypes.byref(accesses), ctypes.c_size_t(8), 0)
    if rules < 0:
        return False
    for path in readable:
        reading = READ_FILE | READ_FOLDER if os.path.isdir(path) else READ_FILE
        place = os.open(path, os.O_PATH)
        rule = struct.pack("=Qi", reading, place)
        LIBC.syscall(LANDLOCK_ADD, rules, LANDLOCK_BENEATH, rule, 0)
        os.close(place)
    restricted = LIBC.syscall(LANDLOCK_RESTRICT, rules, 0) == 0
    os.close(rules)
    return restricted


def _filter_calls() -> bool:
    """Filters system calls (seccomp). Returns False on an unlisted processor and on a kernel without filters."""
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        return False
    steps = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, ARCHITECTURES[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 0, 1, FOREIGN_NUMBERS),
        (RETURN, 0, 0, KILL),
        (ABOVE, 0, 1, LATEST_NUMBER),
        (RETURN, 0, 0, NOT_THERE),
    ]
    for number in _numbers(ALLOWED_CALLS, machine):
        steps += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    for calls, (index, bits) in CALLS_WITHOUT.items():
        for number in _numbers(calls, machine):
            steps += _argument_filter(number, index, [(HAS_BITS, 1, 0, bits), (RETURN, 0, 0, ALLOW)])
    for calls, (index, values) in {CALLS_TO_ITSELF: (0, [os.getpid()]), **CALLS_WITH_ONE_OF}.items():
        for number in _numbers(calls, machine):
            steps += _argument_filter(number, index, [step for value in values for step in _allow_if_equal(value)])
    steps.append((RETURN, 0, 0, NOT_PERMITTED))
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(buffer))
    return LIBC.prctl(PR_SET_SECCOMP, SECCOMP_FILTER, program, 0, 0) == 0


def _numbers(calls: str, machine: str) -> Iterator[int]:
    for call in calls.split(","):
        number = call.split()[1 + list(ARCHITECTURES).index(machine)]
        if number != "-":
            yield int(number)


Step = tuple[int, int, int, int]


def _argument_filter(call: int, index: int, judgement: list[Step]) -> list[Step]:
    """Returns steps that refuse a call unless the judgement of its argument, which they load, allows it."""
    steps = [(LOAD, 0, 0, ARGUMENTS + 8 * index), *judgement, (RETURN, 0, 0, NOT_PERMITTED)]
    return [(EQUAL, 0, len(steps), call), *steps]


def _allow_if_equal(value: int) -> list[Step]:
    return [(EQUAL, 0, 1, value), (RETURN, 0, 0, ALLOW)]


def _allow_seconds(seconds: int) -> None:
    """Limits processor time from now on. The program could raise this soft limit, but the parent's clock ends it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    wanted = math.ceil(usage.ru_utime + usage.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (wanted, hard))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(sys.argv[1], json.loads(sys.argv[2]))
