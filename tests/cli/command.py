"""The command `finery`, in this process or in one of its own."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from finery.cli.main import main
from tests.ports import free_port
from tests.servers import ROOT

PASSWORD = "correct horse 電池"
"""Of every user."""
PROGRAM = [sys.executable, "-m", "finery.cli.main"]


def environment(url: str | None = None) -> dict[str, str]:
    """Without a server, an address where none is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FINERY_", "HF_"))}
    url = url or f"http://127.0.0.1:{free_port()}"
    return {**kept, "PYTHONPATH": str(ROOT / "src"), "FINERY_URL": url, "COLUMNS": "100", "TERM": "dumb"}


def configured(folder: Path) -> dict[str, str]:
    """Logged in nowhere but where a test did, in this folder."""
    return {"XDG_CONFIG_HOME": str(folder / "config")}


ALWAYS_READY = os.open(os.devnull, os.O_RDONLY)


class Keyboard(io.TextIOWrapper):
    """What is typed, as if on a terminal."""

    def __init__(self, typed: str = "") -> None:
        super().__init__(io.BytesIO(typed.encode()), "utf-8")

    def fileno(self) -> int:
        """A descriptor on which there is always something to read, as the kernel sees it."""
        return ALWAYS_READY

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Finery:
    """Runs `finery` with the given words against the server at `url`, logged in as `folder` holds it."""

    url: str | None
    folder: Path
    key: str = ""

    @property
    def environment(self) -> dict[str, str]:
        key = {"FINERY_API_KEY": self.key} if self.key else {}
        return {**environment(self.url), **configured(self.folder), **key}

    def __call__(
        self,
        *words: str,
        input: str = "",
        at_keyboard: bool = False,
        encoding: str = "utf-8",
        variables: Mapping[str, str] | None = None,
    ) -> Ended:
        """In this process, which is left as it was. What escapes the command is raised here.

        `at_keyboard`: the input is taken for a terminal's.
        """
        stdin = Keyboard(input) if at_keyboard else io.TextIOWrapper(io.BytesIO(input.encode()), "utf-8")
        stdout, stderr = (io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2))
        with pytest.MonkeyPatch.context() as here:
            _change_environment(here, {**self.environment, **(variables or {})})
            here.chdir(self.folder)
            here.setattr(sys, "argv", ["finery", *words])
            # By which Click would tell that the program is `python -m pytest`.
            here.setattr(sys.modules["__main__"], "__package__", None)
            # Typer puts one of its own in its place.
            here.setattr(sys, "excepthook", sys.excepthook)
            here.setattr(sys, "stdin", stdin)
            here.setattr(sys, "stdout", stdout)
            here.setattr(sys, "stderr", stderr)
            with pytest.raises(SystemExit) as ended:
                main()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, _written(stdout), _written(stderr))

    def apart(self, *words: str, seconds: float = 120.0) -> Ended:
        """In a process of its own."""
        done = subprocess.run(
            [*PROGRAM, *words],
            cwd=self.folder,
            env=self.environment,
            input="",
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)


def _change_environment(here: pytest.MonkeyPatch, wanted: Mapping[str, str]) -> None:
    for name in os.environ.keys() - wanted.keys():
        here.delenv(name)
    for name, value in wanted.items():
        here.setenv(name, value)


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode(stream.encoding)
