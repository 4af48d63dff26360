import io
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len

from finery.cli.output import age, duration, hanging, local_time, number, print_table, printable, rounded, size

NAME = "미세조정" * 20


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown_on_terminal(columns: int, *, wide: bool = False) -> list[str]:
    """Returns the lines of a table with one row, an id and a name of 160 columns."""
    screen = Screen()
    with pytest.MonkeyPatch.context() as here:
        here.setenv("COLUMNS", str(columns))
        here.setenv("TERM", "dumb")
        here.setattr(sys, "stdout", screen)
        print_table(("ID", "NAME"), [("ftjob-0123456789abcdef0123", NAME)], empty="none", wide=wide)
    return screen.getvalue().splitlines()


class TestAge:
    @pytest.mark.parametrize(("seconds", "text"), [(5, "5 s ago"), (190, "3 min ago"), (90_000, "1 d ago")])
    def test_one_unit(self, seconds: float, text: str) -> None:
        assert age(datetime.now(UTC) - timedelta(seconds=seconds)) == text


class TestHanging:
    TEXT = "one two three four"

    def test_is_wrapped_at_words_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "20")
        monkeypatch.setattr(sys, "stdout", Screen())
        assert hanging("name      ", self.TEXT) == "name      one two\n          three four"

    def test_a_pipe_gets_one_line(self) -> None:
        assert hanging("name  ", f"{self.TEXT}\x1b") == f"name  {self.TEXT}�"


class TestPrintTable:
    def test_wide_letters_take_two_columns(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_table(("NAME", "X"), [("中文", "1"), ("abcd", "2"), ("한국", "3")], empty="none")
        lines = capsys.readouterr().out.splitlines()

        assert [line.rstrip() for line in lines] == ["NAME  X", "中文  1", "abcd  2", "한국  3"]

    def test_a_pipe_gets_all_of_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_table(("NAME",), [("x" * 500,)], empty="none")

        assert "x" * 500 in capsys.readouterr().out

    def test_brackets_are_no_markup(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_table(("NAME",), [("[red]a[/red] :smile:",)], empty="none")

        assert "[red]a[/red] :smile:" in capsys.readouterr().out

    def test_no_id_is_cut_on_a_terminal(self) -> None:
        _, _, first, *others = shown_on_terminal(60)
        assert first.startswith("ftjob-0123456789abcdef0123 ")
        assert len(others) > 2
        assert "".join(line[26:].strip() for line in (first, *others)) == NAME

    def test_rows_are_blocks_where_the_terminal_is_too_narrow(self) -> None:
        lines = shown_on_terminal(30)
        assert lines == ["id    ftjob-0123456789abcdef0123", f"name  {NAME}"]

    def test_an_empty_column_is_left_out_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdout", Screen())
        print_table(("ID", "NAME", "LOSS"), [("a", "", "1"), ("b", "", "")], empty="none")
        shown = sys.stdout.getvalue()  # type: ignore[attr-defined]
        assert "NAME" not in shown
        assert "LOSS" in shown

    def test_no_line_is_longer_than_the_terminal(self) -> None:
        assert max(map(cell_len, shown_on_terminal(60))) <= 60

    def test_a_wide_one_wraps_nothing(self) -> None:
        assert NAME in shown_on_terminal(40, wide=True)[2]

    def test_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_table(("NAME",), [], empty="No runs.")

        assert capsys.readouterr().out == "No runs.\n"


class TestLocalTime:
    @pytest.mark.parametrize(
        ("zone", "text"),
        [("Asia/Seoul", "2026-11-30 05:34:08 +09:00"), ("America/Caracas", "2026-11-29 16:34:08 -04:00")],
    )
    def test_this_machines_and_said(self, monkeypatch: pytest.MonkeyPatch, zone: str, text: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        try:
            assert local_time(datetime(2026, 11, 29, 20, 34, 8, 999, tzinfo=UTC)) == text
        finally:
            monkeypatch.undo()
            time.tzset()

    def test_none(self) -> None:
        assert local_time(None) is None


class TestNumber:
    @pytest.mark.parametrize(
        ("value", "text"),
        [(0.123456, "0.1235"), (2.302585, "2.303"), (1.23e-5, "1.23e-05"), (123456.7, "123,457"), (0.0, "0")],
    )
    def test_digits_that_count(self, value: float, text: str) -> None:
        assert number(value) == text


class TestRounded:
    def test_numbers_in_json(self) -> None:
        assert rounded({"loss": [2.3025850929940455, 3, True, "x"]}) == {"loss": [2.30259, 3, True, "x"]}


class TestDuration:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0, "0 s"), (-5, "0 s"), (59.9, "59 s"), (190, "3 min 10 s"), (7500, "2 h 5 min"), (90_000, "1 d 1 h")],
    )
    def test_two_units(self, seconds: float, text: str) -> None:
        assert duration(timedelta(seconds=seconds)) == text


class TestSize:
    @pytest.mark.parametrize(
        ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2.5e9, "2.5 GB"), (3e15, "3000.0 TB")]
    )
    def test_units(self, count: float, text: str) -> None:
        assert size(count) == text


class TestPrintable:
    def test_controls_are_shown_not_obeyed(self) -> None:
        assert printable("a\x1b]0;title\x07\tb 中") == "a�]0;title�\tb 中"
