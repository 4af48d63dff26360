"""The file of results: one JSON line for each cell that was carried out; of a cell's lines, the last one counts."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

RESULTS = Path(__file__).with_name("results.jsonl")
EXACT, PLAIN, REFUSED, WRONG = "exact", "plain", "refused", "wrong"


class Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: str
    architecture: str
    family: str
    method: str
    trained: str
    """EXACT, REFUSED or WRONG."""
    served: str
    """The same, or PLAIN: right, but not by continuous batching."""
    told: list[str]
    """What is wrong, or why it was refused."""
    seconds: float
    commit: str

    @property
    def is_wrong(self) -> bool:
        return WRONG in (self.trained, self.served)


def read(path: Path = RESULTS) -> dict[str, Result]:
    """Returns the results by cell. A torn last line, left by a kill, is no result."""
    if not path.exists():
        return {}
    *lines, _ = path.read_text(encoding="utf-8").split("\n")
    results = (Result.model_validate_json(line) for line in lines if line)
    return {result.cell: result for result in results}


def append(path: Path, result: Result) -> None:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        file.write(result.model_dump_json() + "\n")
