"""The command `finery` in a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.servers import ROOT

PROGRAM = [sys.executable, "-m", "finery.cli.main"]


def environment(url: str | None = None) -> dict[str, str]:
    """Without a server, an address where none is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FINERY_", "HF_"))}
    url = url or f"http://127.0.0.1:{free_port()}"
    return {**kept, "PYTHONPATH": str(ROOT / "src"), "FINERY_URL": url, "COLUMNS": "100", "TERM": "dumb"}


def configured(folder: Path) -> dict[str, str]:
    """Logged in nowhere but where a test did, in this folder."""
    return {"XDG_CONFIG_HOME": str(folder / "config")}


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

    def __call__(self, *words: str, input: str = "", seconds: float = 120.0) -> Ended:
        key = {"FINERY_API_KEY": self.key} if self.key else {}
        done = subprocess.run(
            [*PROGRAM, *words],
            cwd=self.folder,
            env={**environment(self.url), **configured(self.folder), **key},
            input=input,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)
