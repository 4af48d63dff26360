"""Runs a program once: passes it standard input, returns its standard output, ends it at a time limit."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

PASSED = frozenset(
    {
        *("PATH", "HOME", "LANG", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "XDG_CACHE_HOME"),
        *("HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    }
)
"""Environment variables that the program inherits: paths, proxies and locale, but no secrets."""

ENDS: Mapping[int, str] = {
    signal.SIGXCPU: "it took more time of the processor than it may",
    signal.SIGABRT: "it was ended by signal SIGABRT, mostly for want of memory",
    signal.SIGKILL: "it was ended by signal SIGKILL, mostly for want of memory",
}


class ProgramFailed(RuntimeError):
    """The program ended with another code than 0; the message is the last line of its standard error.

    If a signal ended it, the message says which: our own programs end so at their limits.
    """

    def __init__(self, code: int, last_line: str) -> None:
        super().__init__(last_line if code > 0 and last_line else describe_exit(code))
        self.code = code


class ProgramTooSlow(RuntimeError):
    """The program exceeded its time limit; it and its children were killed."""


def run_program(
    argv: Sequence[str], question: bytes, *, seconds: float, environment: Mapping[str, str] | None = None
) -> bytes:
    """Runs the program and returns its output. Raises ProgramFailed, ProgramTooSlow, and OSError if it cannot start."""
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=passed_environment() | dict(environment or {}),
        start_new_session=True,
    ) as process:
        try:
            answer, words = process.communicate(question, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise ProgramTooSlow(f"it was not done after {seconds:g} seconds") from error
        finally:
            if process.returncode is None:
                # Its children are in its session, and so in its process group.
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
    if process.returncode != 0:
        lines = words.decode(errors="replace").strip().splitlines()
        raise ProgramFailed(process.returncode, lines[-1][:500] if lines else "")
    return answer


def describe_exit(code: int) -> str:
    """Returns a message for a process without one of its own. `code` is negative for a signal."""
    return ENDS.get(-code, f"it ended with code {code}")


def passed_environment() -> dict[str, str]:
    """Returns the part of our environment that a program inherits (PASSED)."""
    return {name: value for name, value in os.environ.items() if name in PASSED or name.startswith("LC_")}
