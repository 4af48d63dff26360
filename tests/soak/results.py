"""The file of results: one JSON line for each round that came to its end."""

import subprocess
from pathlib import Path

from pydantic import BaseModel, ConfigDict

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results.jsonl")
UNCOMMITTED = "+"
"""At the end of a commit's hash: what ran was something else."""


class Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    database: str
    number: int
    seed: int
    commit: str
    at: str
    """When it began, UTC."""
    seconds: float
    done: int
    """How often the round did what its kind is about."""
    kills: dict[str, int]
    """By victim, also `stop server` for SIGSTOP and the like."""
    accepted: int
    """Runs that clients were promised."""
    ends: dict[str, int]
    """Runs by how they ended."""
    started_again: int
    """Restartable runs whose program was started more than once, as it may be."""
    broken: dict[str, int]
    """Each promise, and how often it was broken."""
    mended: str | None = None
    """The commit that mended what the round found; it counts no more, and is listed apart. Written by hand."""

    @property
    def counts(self) -> bool:
        return self.mended is None and not self.commit.endswith(UNCOMMITTED)

    @property
    def is_broken(self) -> bool:
        return any(self.broken.values())


def read(path: Path) -> list[Result]:
    """A torn last line, left by a kill, is no result."""
    if not path.exists():
        return []
    *lines, _ = path.read_text().split("\n")
    return [Result.model_validate_json(line) for line in lines if line]


def append(path: Path, result: Result) -> None:
    text = path.read_text() if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    with path.open("a") as file:
        file.write(result.model_dump_json() + "\n")


def commit() -> str:
    """What is checked out, with a mark when the product or the soak differ from it."""
    head = _git("rev-parse", "--short=12", "HEAD").strip()
    changed = _git("status", "--porcelain", "--", "src", "tests/soak", f":!{RESULTS.relative_to(ROOT)}")
    return head + (UNCOMMITTED if changed.strip() else "")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout
