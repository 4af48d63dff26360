"""Another program asked one question: its standard input in, its standard output back."""

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
"""What such a program gets of our environment: where things are, and no secret."""

ENDS: Mapping[int, str] = {
    signal.SIGXCPU: "it took more time of the processor than it may",
    signal.SIGABRT: "it was ended by signal SIGABRT, mostly for want of memory",
    signal.SIGKILL: "it was ended by signal SIGKILL, mostly for want of memory",
}


class ProgramFailed(RuntimeError):
    """It ended with another code than 0; the message is the last line that it wrote to its standard error.

    By a signal it says nothing: of our own programs, those with bounds end so when they come to them.
    """

    def __init__(self, code: int, last_words: str) -> None:
        super().__init__(last_words if code > 0 and last_words else words_of_end(code))
        self.code = code


class ProgramTooSlow(RuntimeError):
    """Its time was over; it and all that it had started were ended."""


def ask_program(
    argv: Sequence[str], question: bytes, *, seconds: float, environment: Mapping[str, str] | None = None
) -> bytes:
    """What it printed. Raises ProgramFailed, ProgramTooSlow, and OSError where it cannot be started."""
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
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
    if process.returncode != 0:
        lines = words.decode(errors="replace").strip().splitlines()
        raise ProgramFailed(process.returncode, lines[-1][:500] if lines else "")
    return answer


def words_of_end(code: int) -> str:
    """Of a process that said nothing itself; `code` is negative for a signal."""
    return ENDS.get(-code, f"it ended with code {code}")


def passed_environment() -> dict[str, str]:
    """Where things are, and no secret."""
    return {name: value for name, value in os.environ.items() if name in PASSED or name.startswith("LC_")}
