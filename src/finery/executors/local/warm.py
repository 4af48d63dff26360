"""The warm parent, a process that imports the training stack once and forks shims with trainers that have it loaded.

    python -m finery.executors.local.warm --preload MODULE

Standard input is a socket to the server: a request a line, an answer a line. It ends when the server does.
Its only work is to import: it never runs what it imported, so that a fork of it equals a fresh process.
"""

import argparse
import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, TextIO

from finery.contracts.layout import MARK_VARIABLE, AttemptDirectory, shim_mark
from finery.executors.local import prctl
from finery.executors.local.channel import read_line, write_line
from finery.executors.local.shim import run_attempt

CUDA_DEVICE = "/dev/nvidia-uvm"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--preload", required=True, help="the module that imports what is to be warm")
    preload = parser.parse_args().preload
    channel = socket.socket(fileno=os.dup(0))
    # What is forked later must not hold the channel as its standard input.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    prctl.set_name("finery-warm")
    reason = _import(preload) or reason_not_to_fork()
    if reason is not None:
        write_line(channel, {"unavailable": reason})
        return
    # Frozen objects are not looked at by the children's collector, so their pages stay shared.
    gc.collect()
    gc.freeze()
    # The kernel then reaps ended shims by itself.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    write_line(channel, {"ready": True})
    _serve(channel)


def reason_not_to_fork() -> str | None:
    """Returns why this process must not fork: a fork copies one thread alone, and no use of a device."""
    threads = os.listdir("/proc/self/task")
    if len(threads) > 1:
        names = ", ".join(Path(f"/proc/self/task/{thread}/comm").read_text().strip() for thread in threads)
        return f"the warm parent has {len(threads)} threads ({names})"
    cuda = sys.modules.get("torch.cuda")
    if cuda is not None and cuda.is_initialized():
        return "CUDA is initialised in the warm parent"
    # Merely counting devices initialises the driver, and torch does not say so.
    if any(file.startswith(CUDA_DEVICE) for file in _open_files()):
        return "the CUDA driver is in use in the warm parent"
    return None


def run_module(launch: dict[str, Any], environment: dict[str, str], errors: int) -> NoReturn:
    """Make the forked child what a fresh `python -m warm_entry` would be, and run that: the warm start."""
    os.environ.clear()
    os.environ.update(environment)
    _show_mark(f"{MARK_VARIABLE}={environment[MARK_VARIABLE]}")
    prctl.set_name("finery-trainer")
    sys.argv = [launch["warm_entry"], *launch["argv"][-1:]]
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0, closefd=False), _text(1), _text(2)
    os.close(errors)
    code = _run(launch["warm_entry"])
    # What the interpreter does at the end of a main program. The frames above are the shim's: returning through them
    # would run its code here.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _open_files() -> Iterator[str]:
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(f"/proc/self/fd/{descriptor}")


def _text(descriptor: int) -> TextIO:
    return os.fdopen(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _import(module: str) -> str | None:
    """Returns why the module cannot be imported; None when it is."""
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - the edge of the process: whatever fails in there, there is no warm start
        return f"{module} cannot be imported: {type(error).__name__}: {error}"
    return None


def _serve(channel: socket.socket) -> None:
    while request := read_line(channel):
        reason = reason_not_to_fork()
        if reason is not None:
            write_line(channel, {"refused": reason})
            return
        pid = _fork_shim(AttemptDirectory(Path(request["attempt_directory"])), channel)
        write_line(channel, {"pid": pid})


def _fork_shim(attempt: AttemptDirectory, channel: socket.socket) -> int:
    pid = os.fork()
    if pid != 0:
        return pid
    try:
        channel.close()
        os.setsid()
        os.chdir("/")
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _show_mark(shim_mark(json.loads(attempt.launch.read_bytes())["mark"]))
        run_attempt(attempt, run_module)
    finally:
        os._exit(0)


def _show_mark(shown: str) -> None:
    """Put `NAME=value` in place of the mark in /proc/self/environ, which shows the environment at the parent's start.

    The trainer's mark is shorter than its shim's, which it finds there.
    """
    # A process is killed by its mark alone, and a fork begins with its parent's. Nothing else that could carry a mark
    # lasts: a process that becomes a daemon closes its files, and the kernel keeps 15 bytes of its name.
    name, _, mark = shown.partition("=")
    environ = Path("/proc/self/environ").read_bytes()
    begin = environ.index(f"{name}=".encode()) + len(name) + 1
    room = environ.index(b"\0", begin) - begin
    if len(mark.encode()) > room:
        raise ValueError(f"the mark {mark!r} is longer than {room} bytes")
    # Field 50 of stat (proc(5)): where in memory the environment begins.
    env_start = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[47])
    prctl.overwrite(env_start + begin, mark.encode().ljust(room, b"\0"))


def _run(module: str) -> int:
    """Run the module as the interpreter runs a main program; return its exit code."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as leaving:
        return _exit_code(leaving.code)
    except BaseException:  # noqa: BLE001 - the edge of the process, as in the interpreter
        traceback.print_exc()
        return 1
    return 0


def _exit_code(code: str | int | None) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


if __name__ == "__main__":
    main()
