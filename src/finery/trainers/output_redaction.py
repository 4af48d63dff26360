"""Redacts secrets from what Python prints in a trainer's process.

What native code or a user's program writes to the log is not redacted.
"""

import io
import logging
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import TextIO, cast

from finery.contracts.recipes.environment_variables import CREDENTIALS
from finery.kit.redaction import Redactor

LONGEST_LINE = 1 << 16


def redactor_of_environment(names: Iterable[str]) -> Redactor:
    """Returns a redactor of the values of the variables `names` and of the hub's and trackers' credentials."""
    return Redactor(os.environ[name] for name in {*names, *CREDENTIALS} if name in os.environ)


def redact_output(redact: Redactor) -> None:
    """Redacts standard output and error from now on, also for the loggers that write there already."""
    streams = {
        id(stream): redacting
        for pair, redacting in (
            ((sys.stdout, sys.__stdout__), _redacted(sys.stdout, redact)),
            ((sys.stderr, sys.__stderr__), _redacted(sys.stderr, redact)),
        )
        for stream in pair
    }
    for handler in _stream_handlers():
        if id(handler.stream) in streams:
            handler.setStream(streams[id(handler.stream)])
    sys.stdout, sys.stderr = streams[id(sys.stdout)], streams[id(sys.stderr)]


class RedactingStream(io.TextIOBase):
    """Passes on redacted lines: whole ones, and unfinished ones when flushed or longer than LONGEST_LINE."""

    def __init__(self, stream: TextIO, redact: Redactor) -> None:
        self._stream = stream
        self._redact = redact
        self._unfinished = _Unfinished()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def buffer(self) -> io.BufferedIOBase:
        return cast(io.BufferedIOBase, self._stream.buffer)

    def write(self, text: str) -> int:
        lines, newline, rest = (self._unfinished.line + text).rpartition("\n")
        self._unfinished.line = rest
        if newline:
            self._stream.write(self._redact(lines + newline))
        if len(rest) > LONGEST_LINE:
            self._pass_on()
        return len(text)

    def flush(self) -> None:
        self._pass_on()
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True

    def _pass_on(self) -> None:
        if self._unfinished.line:
            self._stream.write(self._redact(self._unfinished.line))
            self._unfinished.line = ""


class _Unfinished(threading.local):
    """Each thread has its own unfinished line, so that lines written at once are not mixed."""

    line = ""


def _redacted(stream: TextIO, redact: Redactor) -> TextIO:
    return cast(TextIO, RedactingStream(stream, redact))


def _stream_handlers() -> Iterator["logging.StreamHandler[TextIO]"]:
    for logger in (logging.root, *logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            yield from (handler for handler in logger.handlers if isinstance(handler, logging.StreamHandler))
