"""What is said of words that the command line does not take: one line, in our own words."""

import pytest

from tests.cli.command import Finery


class TestRun:
    @pytest.mark.parametrize(
        ("words", "line"),
        [
            ("runs list --limit 0", "--limit: 0 is too small: give 1 or more (see `finery runs list -h`)"),
            ("runs list -n 1001", "--limit: 1001 is too large: give 1000 or less (see `finery runs list -h`)"),
            ("runs list --limit x", "--limit: 'x' is no whole number (see `finery runs list -h`)"),
            ("train sft --time-limit soon", "--time-limit: 'soon' is no number (see `finery train -h`)"),
            ("runs list --nosuch", "no such option: --nosuch (see `finery runs list -h`)"),
            ("runs show", "missing argument 'ID' (see `finery runs show -h`)"),
            ("runs showw", "no such command 'showw'. Did you mean 'show'? (see `finery runs -h`)"),
        ],
    )
    def test_one_line(self, alone: Finery, words: str, line: str) -> None:
        ended = alone(*words.split())
        assert (ended.code, ended.out, ended.err) == (2, "", f"finery: {line}\n")

    def test_a_choice(self, alone: Finery) -> None:
        ended = alone("runs", "list", "--status", "foo")
        assert ended.code == 2
        assert ended.err.startswith("finery: --status: 'foo' is not one of 'queued', 'starting', ")
        assert "Value error" not in ended.err
        assert ended.err.count("\n") == 1

    def test_a_group_without_a_command_prints_its_help(self, alone: Finery) -> None:
        ended = alone("runs")
        assert (ended.code, "Usage: finery runs" in ended.out + ended.err) == (2, True)
        assert "finery: " not in ended.err
