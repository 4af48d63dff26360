"""What the README promises about the command line."""

import re
from pathlib import Path

import pytest

from finery.cli.exit_codes import ExitCode
from tests.cli.command import Finery
from tests.servers import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"(?:`|^ {4})finery ([a-z]+(?: [a-z]+)?)", re.MULTILINE)
GROUPS = ("runs", "recipes", "models", "deployments", "users", "keys", "secrets", "webhooks", "audit")
QUICK_STARTS = sorted((ROOT / "docs").glob("quickstart.*.md"))
GUIDES = [*QUICK_STARTS, ROOT / "docs" / "accounts.md", ROOT / "docs" / "webhooks.md"]


class TestReadme:
    def test_every_exit_code_is_explained(self) -> None:
        assert {int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)} == {*ExitCode}

    def test_begins_with_the_two_commands(self) -> None:
        lines = [line.split("#")[0].strip() for line in TEXT.splitlines() if line]

        assert lines[1:3] == ["make demo", "make test"]

    @pytest.mark.parametrize("language", ["zh", "ja", "ko"])
    def test_links_to_the_quick_starts(self, language: str) -> None:
        assert f"docs/quickstart.{language}.md" in TEXT
        assert (ROOT / "docs" / f"quickstart.{language}.md") in QUICK_STARTS

    @pytest.mark.parametrize("path", QUICK_STARTS, ids=lambda path: path.name)
    def test_quick_starts_name_the_jobs_api(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        assert [
            route for route in ("/train/sft", "/train/dpo", "/jobs", "/load_model", "/chat") if route not in text
        ] == []

    @pytest.mark.parametrize(
        ("language", "term"),
        [("ja", "ファインチューニング"), ("ko", "분리(d)"), ("ko", "선호도 최적화"), ("zh", "继续跟踪")],
    )
    def test_terms_of_the_field(self, language: str, term: str) -> None:
        assert term in (ROOT / "docs" / f"quickstart.{language}.md").read_text(encoding="utf-8")

    @pytest.mark.parametrize("path", [ROOT / "README.md", *QUICK_STARTS], ids=lambda path: path.name)
    def test_every_run_says_how_long_and_how_fast_it_learns(self, path: Path) -> None:
        """A run with the defaults, which suit models of billions of parameters, teaches the tiny one nothing."""
        lines = path.read_text(encoding="utf-8").replace("\\\n", " ").split("\n\n")
        runs = [part for part in lines if "finery/tiny-llama" in part and ("-d '{" in part or "finery train" in part)]
        assert len(runs) >= 2
        for run in runs:
            assert all(name in run for name in ("num_epochs", "batch_size", "learning_rate")), run

    def test_every_command_is_known(self, alone: Finery) -> None:
        """Each `finery …` of the README and the guides, as far as its sub-command."""
        texts = [TEXT, *(path.read_text(encoding="utf-8") for path in GUIDES)]
        named = {match for text in texts for match in COMMAND.findall(text)}

        assert len(named) > 10
        for words in sorted(named):
            known = words.split() if words.split()[0] in GROUPS else words.split()[:1]
            # For the server the process becomes another.
            ask = alone.apart if known == ["server"] else alone
            assert ask(*known, "--help").code == 0, words
