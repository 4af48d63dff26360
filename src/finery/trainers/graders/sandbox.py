"""The process in which a grader's program runs: `python -I sandbox.py PROGRAM LIMITS`.

First it takes from itself whatever a grader does not need; then it loads the program, and answers a line of JSON with
a line of JSON. What it gives up, each for good:

- the rights of root, where it has them, and the network: by namespaces of its own where that is allowed;
- other processes, programs and sockets: by a filter of system calls (seccomp);
- files but those of Python, and all writing: by Landlock, and by the limit on a file's size;
- memory, open files and time: by the kernel's limits.
"""

import contextlib
import ctypes
import json
import math
import os
import platform
import resource
import runpy
import struct
import sys
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
NOBODY = 65534
LONGEST_REASON = 300

CLONE_THREAD, CLONE_NEWUSER, CLONE_NEWNET = 0x00010000, 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SIGKILL = 9

SECCOMP_FILTER = 2
LOAD, EQUAL, AT_LEAST, HAS_BITS, GIVE = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
ALLOW, KILL, NOT_PERMITTED, NOT_THERE = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
FOREIGN_NUMBERS = 0x40000000
"""The calls of x86-64's 32-bit sibling begin here."""
CALLS: dict[str, dict[str, Any]] = {
    "x86_64": {
        "architecture": 0xC000003E,
        "clone": 56,
        "clone3": 435,
        "prlimit64": 302,
        # fork, vfork, execve, kill, tkill, rt_sigqueueinfo, rt_tgsigqueueinfo, ptrace, socket, process_vm_readv and
        # _writev, execveat, pidfd_send_signal, io_uring_setup, pidfd_open, pidfd_getfd, unshare, setns, mount, bpf
        "refused": [57, 58, 59, 62, 200, 129, 297, 101, 41, 310, 311, 322, 424, 425, 434, 438, 272, 308, 165, 321],
    },
    "aarch64": {
        "architecture": 0xC00000B7,
        "clone": 220,
        "clone3": 435,
        "prlimit64": 261,
        # The same; this architecture has neither fork nor vfork.
        "refused": [221, 129, 130, 138, 240, 117, 198, 270, 271, 281, 424, 425, 434, 438, 97, 268, 40, 280],
    },
}

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
LANDLOCK_VERSION, LANDLOCK_BENEATH = 1, 1
ACCESSES_OF_VERSION = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many kinds of access to files each version knows; all versions after these know 16."""
READ_FILE, READ_FOLDER = 1 << 2, 1 << 3
READABLE = ("/usr", "/lib", "/lib64", "/dev/null", "/dev/urandom")


def main(program: str, limits: dict[str, Any]) -> None:
    requests, answers = os.fdopen(os.dup(0), "r", encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    _close_standard_streams()
    # The folders of imports: what Python runs from, its environment, and the program's own.
    readable = [*READABLE, sys.prefix, sys.base_prefix, *sys.path, os.path.dirname(program)]
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    guards = {"network": _leave_namespaces()}
    if os.geteuid() == 0:
        _tell(answers, error="the rights of root cannot be given up here; run the server as an ordinary user")
        return
    _set_limits(limits)
    guards["files"] = _close_files(readable)
    guards["processes"] = _filter_calls()
    # The filter refuses sockets too.
    guards["network"] |= guards["processes"]
    try:
        grade = runpy.run_path(program)["grade"]
        assert callable(grade), "grade is no function"
    except BaseException as error:  # noqa: BLE001 - the program is a stranger's: whatever it raises is its answer
        _tell(answers, error=_reason(error))
        return
    _tell(answers, ready=True, guards=guards)
    for line in requests:
        _allow_seconds(limits["cpu_seconds"])
        _tell(answers, **_graded(grade, **json.loads(line)))


def _graded(grade: Any, sample: Any, item: Any) -> dict[str, Any]:
    try:
        score = grade(sample, item)
    except BaseException as error:  # noqa: BLE001 - as above
        return {"error": _reason(error)}
    # numpy's numbers are floats or know how to become one; True and text are no scores.
    if isinstance(score, bool | str | bytes) or score is None:
        return {"error": f"grade gave {type(score).__name__}, not a number"}
    try:
        number = float(score)
    except BaseException as error:  # noqa: BLE001 - a stranger's object may raise anything
        return {"error": f"grade gave no number: {_reason(error)}"}
    return {"score": number} if math.isfinite(number) else {"error": "grade gave a number that is not finite"}


def _tell(answers: Any, **answer: Any) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _reason(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:LONGEST_REASON]
    except BaseException:  # noqa: BLE001 - even an error's own words may fail
        return type(error).__name__[:LONGEST_REASON]


def _close_standard_streams() -> None:
    """What the program prints or reads must not be taken for an answer or a request."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _leave_namespaces() -> bool:
    """Into namespaces where there is no network, and where root is nobody. True when the network is cut off."""
    cut_off = LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0
    if not cut_off and os.geteuid() == 0:
        cut_off = LIBC.unshare(CLONE_NEWNET) == 0
        with contextlib.suppress(PermissionError):
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
    # Whoever watches this process may die; set after a change of user, which forgets it.
    LIBC.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    return cut_off


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
    """Leave these to be read, and nothing to be written. False on a kernel without Landlock."""
    version = LIBC.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), LANDLOCK_VERSION)
    if version < 1:
        return False
    accesses = ctypes.c_uint64((1 << ACCESSES_OF_VERSION.get(version, 16)) - 1)
    rules = LIBC.syscall(LANDLOCK_CREATE, ctypes.byref(accesses), ctypes.c_size_t(8), 0)
    if rules < 0:
        return False
    for path in filter(os.path.exists, dict.fromkeys(readable)):
        reading = READ_FILE | READ_FOLDER if os.path.isdir(path) else READ_FILE
        place = os.open(path, os.O_PATH)
        rule = struct.pack("=Qi", reading, place)
        LIBC.syscall(LANDLOCK_ADD, rules, LANDLOCK_BENEATH, rule, 0)
        os.close(place)
    restricted = LIBC.syscall(LANDLOCK_RESTRICT, rules, 0) == 0
    os.close(rules)
    return restricted


def _filter_calls() -> bool:
    """False on a processor whose calls are not listed, and on a kernel without filters."""
    calls = CALLS.get(platform.machine())
    if calls is None:
        return False
    steps = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, calls["architecture"]),
        (GIVE, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 0, 1, FOREIGN_NUMBERS),
        (GIVE, 0, 0, KILL),
    ]
    for number in calls["refused"]:
        steps += [(EQUAL, 0, 1, number), (GIVE, 0, 0, NOT_PERMITTED)]
    # The C library asks for a thread by clone when there is no clone3, whose arguments no filter can read.
    steps += [(EQUAL, 0, 1, calls["clone3"]), (GIVE, 0, 0, NOT_THERE)]
    steps += _only_with(calls["clone"], (HAS_BITS, 1, 0, CLONE_THREAD))
    steps += _only_with(calls["prlimit64"], (EQUAL, 1, 0, 0))
    steps.append((GIVE, 0, 0, ALLOW))
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(buffer))
    return LIBC.prctl(PR_SET_SECCOMP, SECCOMP_FILTER, program, 0, 0) == 0


def _only_with(call: int, condition: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    """A call that is allowed only when its first argument meets the condition."""
    return [
        (EQUAL, 0, 4, call),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        condition,
        (GIVE, 0, 0, NOT_PERMITTED),
        (GIVE, 0, 0, ALLOW),
    ]


def _allow_seconds(seconds: int) -> None:
    """From now on. The hard limit stays as it was: the program could raise this one, but the clock runs elsewhere."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    wanted = math.ceil(usage.ru_utime + usage.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (wanted, hard))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(sys.argv[1], json.loads(sys.argv[2]))
