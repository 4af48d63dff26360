"""How fast a dataset is checked, beside plain `json` and pydantic doing the same, and how much memory it takes."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.check_data import KINDS, write_chats
from bench.check_peers import PEERS
from bench.tables import show

SIZE = 100 * 10**6
LARGE = 10
"""Times the size, to see whether memory grows with it."""


def main() -> None:
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            path = Path(folder) / f"{kind}.jsonl"
            write_chats(path, kind, SIZE)
            found = {name: measure(name, path) for name in PEERS}
            assert len({json.dumps(each["counts"]) for each in found.values()}) == 1, found
            rows.append([kind, path.stat().st_size // each_row(found["finery"]), *speeds(path, found)])
            if kind == "mixed":
                large = repeated(path)
                memory = [[name, found[name]["grown_mib"], measure(name, large)["grown_mib"]] for name in PEERS]
                large.unlink()
            path.unlink()
    header = ["rows", "bytes a row", *(f"{name}, MB/s per core" for name in PEERS), "ours ÷ json", "ours ÷ pydantic"]
    show("Check of chat JSON Lines; must reach ≥ 150 MB/s", header, rows)
    header = ["", f"{SIZE // 10**6} MB, MiB", f"{SIZE * LARGE // 10**6} MB, MiB"]
    show("Peak memory above the start (mixed)", header, memory)


def measure(name: str, path: Path) -> dict[str, Any]:
    """The best of three, in a process of its own."""
    command = [sys.executable, "-m", "bench.check_peers", name, str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])}
    answer: dict[str, Any] = json.loads(subprocess.check_output(command, env=environment))
    return answer


def speeds(path: Path, found: dict[str, dict[str, Any]]) -> list[object]:
    megabytes = path.stat().st_size / 10**6
    speed = {name: megabytes / each["seconds"] for name, each in found.items()}
    ratios = [speed["finery"] / speed[name] for name in PEERS if name != "finery"]
    return [*(round(value) for value in speed.values()), *(f"{ratio:.1f} ×" for ratio in ratios)]


def each_row(found: dict[str, Any]) -> int:
    rows: int = found["counts"]["rows"]
    return rows


def repeated(path: Path) -> Path:
    """The rows again and again, each time with other words, so that none is a duplicate."""
    large = path.with_name("large.jsonl")
    content = path.read_text(encoding="utf-8")
    with large.open("w", encoding="utf-8") as file:
        for number in range(LARGE):
            file.write(content.replace('"content": "', f'"content": "{number} '))
    return large


if __name__ == "__main__":
    main()
