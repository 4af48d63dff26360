"""Following a run on a terminal, and what Ctrl-C asks there."""

import json

import pytest

from finery.client import FineryClient
from finery.contracts.status import RunStatus
from tests.cli.terminal import CTRL_C, CTRL_D, Terminal
from tests.servers import RunningServer

QUESTION = "[d]etach, [c]ancel the run, or [g]o on?"


def train(live: RunningServer, script: str) -> Terminal:
    return Terminal(live.url, "train", "command", f"argv={json.dumps(['sh', '-c', script])}")


class TestTrack:
    def test_to_the_end(self, live: RunningServer, api: FineryClient) -> None:
        with train(live, "true") as terminal:
            terminal.expect("succeeded after")
            assert terminal.ended() == 0

    @pytest.mark.parametrize("keys", ["d\n", "D\n", CTRL_C, CTRL_D])
    def test_detach(self, live: RunningServer, api: FineryClient, keys: str) -> None:
        with train(live, "sleep 60") as terminal:
            terminal.expect("running")
            terminal.type(CTRL_C)
            terminal.expect(QUESTION)
            terminal.type(keys)
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

    def test_go_on(self, live: RunningServer, api: FineryClient) -> None:
        with train(live, "sleep 3") as terminal:
            terminal.expect("running")
            terminal.type(CTRL_C)
            terminal.expect(QUESTION)
            terminal.type("what?\n")
            terminal.expect(QUESTION)
            terminal.type("g\n")
            terminal.expect("succeeded after")
            assert terminal.ended() == 0
