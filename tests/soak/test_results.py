from pathlib import Path
from typing import Any

from tests.soak import results
from tests.soak.results import RESULTS, Result


def result(**fields: Any) -> Result:
    defaults: dict[str, Any] = {
        "kind": "server",
        "database": "sqlite",
        "number": 1,
        "seed": 7,
        "commit": "abc",
        "at": "2026-11-28T00:00:00Z",
        "seconds": 40.0,
        "done": 20,
        "kills": {"server": 20},
        "accepted": 60,
        "ends": {"succeeded": 60},
        "started_again": 0,
        "broken": {"carried out twice": 0},
    }
    return Result(**{**defaults, **fields})


class TestFile:
    def test_keeps_what_was_appended(self, tmp_path: Path) -> None:
        path = tmp_path / "results.jsonl"
        assert results.read(path) == []
        for number in (1, 2):
            results.append(path, result(number=number))
        assert results.read(path) == [result(number=1), result(number=2)]

    def test_a_line_that_a_kill_tore_is_forgotten(self, tmp_path: Path) -> None:
        path = tmp_path / "results.jsonl"
        results.append(path, result(number=1))
        path.write_text(path.read_text() + '{"kind": "serv')
        assert results.read(path) == [result(number=1)]
        results.append(path, result(number=2))
        assert results.read(path) == [result(number=1), result(number=2)]

    def test_ours_can_be_read_and_ran_what_was_committed(self) -> None:
        assert all(not one.commit.endswith(results.UNCOMMITTED) for one in results.read(RESULTS))


class TestCounts:
    def test_what_ran_as_committed(self) -> None:
        assert result().counts
        assert not result(commit="abc+").counts
        assert not result(mended="def").counts
