from datetime import timedelta

import pytest

from finery.cli.output import duration, print_table, printable, size


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

    def test_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_table(("NAME",), [], empty="No runs.")

        assert capsys.readouterr().out == "No runs.\n"


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
