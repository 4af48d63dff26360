"""Following a run on a terminal, and what Ctrl-C asks there."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from finery.cli.exit_codes import ExitCode
from finery.cli.run_following import track
from finery.client import FineryClient
from finery.contracts.events import Event
from finery.contracts.status import RunStatus
from tests.cli.command import Keyboard
from tests.cli.terminal import CTRL_C, Terminal
from tests.servers import RunningServer

QUESTION = "[d]etach, [c]ancel the run, or [g]o on?"


def train(live: RunningServer, script: str) -> Terminal:
    return Terminal(live.url, "train", "command", f"argv={json.dumps(['sh', '-c', script])}")


class TestOnATerminal:
    def test_detach_with_a_second_ctrl_c(self, live: RunningServer, api: FineryClient) -> None:
        with train(live, "sleep 60") as terminal:
            terminal.expect("running")
            terminal.type(CTRL_C)
            terminal.expect(QUESTION)
            terminal.type(CTRL_C)
            terminal.expect("finery runs monitor")
            assert terminal.ended() == 130
        assert len(api.list_runs(status=RunStatus.RUNNING).runs) == 1

    def test_cancel(self, live: RunningServer, api: FineryClient) -> None:
        with train(live, "sleep 60") as terminal:
            terminal.expect("running")
            terminal.type(CTRL_C)
            terminal.expect(QUESTION)
            terminal.type("c\n")
            terminal.expect("is cancelled")
            assert terminal.ended() == 4
        assert api.list_runs(status=RunStatus.RUNNING).runs == []

    def test_go_on_to_the_end(self, live: RunningServer, api: FineryClient, tmp_path: Path) -> None:
        end = tmp_path / "end"
        with train(live, f"until [ -e {end} ]; do sleep 0.05; done") as terminal:
            terminal.expect("running")
            terminal.type(CTRL_C)
            terminal.expect(QUESTION)
            terminal.type("what?\n")
            terminal.expect(QUESTION)
            terminal.type("g\n")
            end.touch()
            terminal.expect("succeeded after")
            assert terminal.ended() == 0


class Interrupted:
    """A client that Ctrl-C always takes from its stream."""

    def follow(self, run_id: str, *, after: int) -> Iterator[Event]:
        raise KeyboardInterrupt


class TestTrack:
    @pytest.mark.parametrize("typed", ["d\n", "D\n", ""], ids=["d", "D", "end of the input"])
    def test_detach(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str) -> None:
        monkeypatch.setattr(sys, "stdin", Keyboard(typed))
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        code = track(cast("FineryClient", Interrupted()), "ab12cd34", as_json=True)
        err = capsys.readouterr().err

        assert code == ExitCode.INTERRUPTED
        assert err == f"\n{QUESTION} Run ab12cd34 goes on; come back with `finery runs monitor ab12cd34`\n"
