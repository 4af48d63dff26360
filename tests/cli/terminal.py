"""The command `finery` on a terminal of its own, with somebody at the keys."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from types import TracebackType
from typing import Self

from tests.cli.command import PROGRAM, environment

CTRL_C = "\x03"
CTRL_D = "\x04"


class Terminal:
    def __init__(self, url: str, *words: str, **variables: str) -> None:
        self._words = words
        self._variables = variables
        self._url = url
        self.shown = ""

    def __enter__(self) -> Self:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self._process = subprocess.Popen(
            [*PROGRAM, *self._words],
            env={**environment(self._url), "TERM": "xterm", "COLUMNS": "120", **self._variables},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._master)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def expect(self, text: str, *, seconds: float = 30.0) -> None:
        """Read until `text` was shown since the last call."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            assert self._read(deadline), f"{text!r} was not shown; this was:\n{self.shown}"
        self.shown = self.shown.partition(text)[2]

    def ended(self, *, seconds: float = 30.0) -> int:
        """The exit code."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        return self._process.wait(seconds)

    def _read(self, deadline: float) -> bool:
        """False at the end, and when nothing more comes in time."""
        if not select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:
            # Linux says EIO when the last process at the other side has gone.
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)
