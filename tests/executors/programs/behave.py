"""The program that executor tests start: does what its last argument says, in its working directory."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SLEEP_SECONDS = 60


def main(behaviour: str) -> None:
    name, _, detail = behaviour.partition(":")
    if name == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if name == "saves":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    if name in ("stray", "orphan", "forked", "family"):
        _beget(name)
    if name == "look":
        seen = {
            "environment": dict(os.environ),
            "argv": sys.argv,
            "directory": os.getcwd(),
            "descriptors": sorted(os.listdir("/proc/self/fd")),
            "pid": os.getpid(),
            "group": os.getpgid(0),
            "session": os.getsid(0),
            "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            "stack_is_loaded": "behave_preload" in sys.modules,
        }
        Path("seen.json").write_text(json.dumps(seen))
    if name == "outcome":
        _attempt_directory().joinpath("outcome.json").write_text(detail)
    print(f"this is {behaviour}")
    with Path("started").open("a") as file:
        file.write("once\n")
    if name in ("sleep", "stubborn", "saves", "stray", "orphan", "forked", "family"):
        time.sleep(0 if detail == "leaves" else SLEEP_SECONDS)
    if name == "raise":
        raise RuntimeError("as asked")
    if name == "exit":
        sys.exit(int(detail))
    if name == "says":
        sys.exit(detail)


def _beget(name: str) -> None:
    """Leave a process behind: in a session of its own, without a parent too, without exec too, or in the own group."""
    if name == "family":
        script = "trap 'echo asked > asked; exit' TERM; touch child; while :; do sleep 0.01; done"
        child = subprocess.Popen(["sh", "-c", script]).pid
        while not Path("child").exists():
            time.sleep(0.005)
    elif name == "stray":
        child = subprocess.Popen(["sleep", str(SLEEP_SECONDS)], start_new_session=True).pid
    else:
        child = _fork_twice(["sleep", str(SLEEP_SECONDS)] if name == "orphan" else None)
    Path("child.pid").write_text(str(child))


def _fork_twice(argv: list[str] | None) -> int:
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        pid = os.fork()
        if pid == 0:
            if argv is not None:
                os.execvp(argv[0], argv)
            time.sleep(SLEEP_SECONDS)
            os._exit(0)
        os.write(write, str(pid).encode())
        os._exit(0)
    os.wait()
    return int(os.read(read, 20))


def _attempt_directory() -> Path:
    return Path("attempts") / os.environ["FINERY_PROCESS_MARK"].rpartition("/")[2]


if __name__ == "__main__":
    main(sys.argv[-1])
