from pathlib import Path

import pytest

from tests.soak import table
from tests.soak.plan import GOALS, Goal
from tests.soak.results import RESULTS, read
from tests.soak.test_results import result

GOAL = Goal("server", "sqlite", wanted=500, each_round=20)


class TestUpperBound:
    @pytest.mark.parametrize(
        ("broken", "tries", "bound"),
        [
            (0, 500, 1 - 0.05 ** (1 / 500)),
            (0, 100, 0.029513),
            (0, 1, 0.95),
            # Clopper and Pearson's, from tables of the beta distribution.
            (1, 100, 0.046558),
            (2, 10, 0.506901),
            (10, 10, 1.0),
            (0, 0, 1.0),
        ],
    )
    def test_is_exact(self, broken: int, tries: int, bound: float) -> None:
        assert table.upper_bound(broken, tries) == pytest.approx(bound, abs=2e-6)

    def test_of_500_kills_is_the_0_6_percent_that_is_promised(self) -> None:
        assert round(100 * table.upper_bound(0, 500), 1) == 0.6


class TestTables:
    def test_say_what_was_done_of_what_is_wanted(self) -> None:
        text = table.tables([GOAL], [result(number=1), result(number=2, done=19, accepted=40)])
        assert "| | SQLite | runs |\n" in text
        assert "| kills of the server | 39 of 500: 0 (≤ 7.4 %) | 100 |" in text
        assert "| carried out twice | 0 | 2 |" in text
        assert "120 succeeded" in text

    def test_hide_no_broken_promise(self) -> None:
        text = table.tables([GOAL], [result(broken={"lease left": 3}), result(number=2, broken={"lease left": 0})])
        assert "| 40 of 500: 3 (≤ 18 %) | 120 |" in text
        assert "| lease left | 3 | 2 |" in text

    def test_of_a_goal_without_a_round(self) -> None:
        other = Goal("shim", "mysql", wanted=100, each_round=20)
        text = table.tables([GOAL, other], [])
        assert "| kills of the server | 0 of 500 |  | 0 |" in text
        assert "| kills of a shim |  | 0 of 100 | 0 |" in text

    def test_count_only_what_counts_and_list_what_was_mended(self) -> None:
        mended = result(number=3, broken={"wrong end": 2, "lease left": 0}, mended="0123abc")
        text = table.tables([GOAL], [result(), result(number=2, commit="abc+"), mended])
        assert "| 20 of 500: 0 (≤ 14 %) | 60 |" in text
        assert "| server 3 | SQLite | abc | wrong end (2) | 0123abc |" in text


class TestDocument:
    def test_has_the_tables_of_the_file(self) -> None:
        """`python -m tests.soak --write` puts them there."""
        assert table.in_document(table.DOCUMENT) == table.tables(GOALS, read(RESULTS))

    def test_is_written_between_its_marks(self, tmp_path: Path) -> None:
        path = tmp_path / "document.md"
        path.write_text(f"before\n{table.BEGIN}old\n{table.END}after\n")
        table.write(path, "new\n")
        assert path.read_text() == f"before\n{table.BEGIN}new\n{table.END}after\n"
