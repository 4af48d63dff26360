"""What is said of words that the command line does not take: one line, in our own words."""

import pytest

from finery.cli.usage import readable
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

    def test_of_the_server(self, alone: Finery) -> None:
        ended = alone.apart("server", "--prt", "8002")
        line = "finery server: unrecognized arguments: --prt 8002 (see `finery server -h`)"
        assert (ended.code, ended.out, ended.err) == (2, "", f"{line}\n")

    def test_the_help_shows_no_type_behind_a_flag(self, alone: Finery) -> None:
        line = next(line for line in alone("train", "-h").out.splitlines() if "--detach" in line)
        assert "bool" not in line

    def test_a_choice(self, alone: Finery) -> None:
        ended = alone("runs", "list", "--status", "foo")
        assert ended.code == 2
        assert ended.err.startswith("finery: --status: 'foo' is not one of 'queued', 'starting', ")
        assert "Value error" not in ended.err
        assert ended.err.count("\n") == 1

    @pytest.mark.parametrize("word", ["what is 微调?", "two\nlines"])
    def test_words_that_the_locale_does_not_know_are_utf_8(self, word: str) -> None:
        assert readable(word.encode().decode("ascii", "surrogateescape")) == word

    def test_a_word_in_another_encoding(self, alone: Finery) -> None:
        ended = alone("chat", "m", "--prompt", "가".encode("euc-kr").decode("ascii", "surrogateescape"))
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert "is not UTF-8" in ended.err

    def test_a_group_without_a_command_prints_its_help(self, alone: Finery) -> None:
        ended = alone("runs")
        assert (ended.code, "Usage: finery runs" in ended.out + ended.err) == (2, True)
        assert "finery: " not in ended.err
