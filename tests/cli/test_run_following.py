"""Following a run on a terminal, and what Ctrl-C asks there."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from finery.cli.exit_codes import ExitCode
from finery.cli.run_following import track
from finery.client import FineryClient
from finery.contracts.events import Event, EventType, event_of
from finery.contracts.run import Progress, Resources, Run, RunWarning
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


class Falling:
    """A client of a run whose loss falls."""

    def __init__(self) -> None:
        self.get_run = Succeeded().get_run

    def follow(self, run_id: str, *, after: int) -> Iterator[Event]:
        for step, loss in enumerate((2.5, 1.5, 0.5), 1):
            yield event_of(
                EventType.PROGRESS, {"step": step, "loss": loss}, run_id=run_id, sequence=step, at=1.0, attempt=1
            )


class Interrupted:
    """A client that Ctrl-C always takes from its stream."""

    def follow(self, run_id: str, *, after: int) -> Iterator[Event]:
        raise KeyboardInterrupt


class Succeeded:
    """A client of a run that taught nothing."""

    def follow(self, run_id: str, *, after: int) -> Iterator[Event]:
        return iter(())

    def get_run(self, run_id: str) -> Run:
        warning = RunWarning(code="loss_did_not_fall", message="the loss did not fall: try a higher learning_rate")
        now = datetime(2026, 1, 1, tzinfo=UTC)
        return Run(
            id=run_id,
            uid=run_id,
            number=1,
            owner_id=None,
            shared=False,
            source="native",
            recipe="sft",
            name=None,
            labels={},
            config={},
            requested={},
            resources=Resources(),
            priority=0,
            time_limit_seconds=None,
            status=RunStatus.SUCCEEDED,
            intent=None,
            reason=None,
            error=None,
            attempt=1,
            progress=Progress(),
            model_name="m",
            dataset="d",
            output_dir="outputs/a",
            log_file=None,
            created_at=now,
            updated_at=now,
            started_at=now,
            finished_at=now,
            last_sequence=1,
            warnings=[warning],
        )


class TestTrack:
    def test_the_first_loss_and_the_last_one_are_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        track(cast("FineryClient", Falling()), "ab12cd34", as_json=False)
        assert "loss 2.5 → 0.5" in capsys.readouterr().out.splitlines()

    def test_a_runs_warnings_are_among_the_last_lines(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert track(cast("FineryClient", Succeeded()), "ab12cd34", as_json=False) == ExitCode.SUCCEEDED
        *_, warning, ended, _ = capsys.readouterr().out.splitlines()
        assert warning == "warning (loss_did_not_fall): the loss did not fall: try a higher learning_rate"
        assert ended.startswith("Run ab12cd34 succeeded")
        track(cast("FineryClient", Succeeded()), "ab12cd34", as_json=True)
        assert json.loads(capsys.readouterr().out)["warnings"][0]["code"] == "loss_did_not_fall"

    @pytest.mark.parametrize("typed", ["d\n", "D\n", ""], ids=["d", "D", "end of the input"])
    def test_detach(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str) -> None:
        monkeypatch.setattr(sys, "stdin", Keyboard(typed))
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        code = track(cast("FineryClient", Interrupted()), "ab12cd34", as_json=True)
        err = capsys.readouterr().err

        assert code == ExitCode.INTERRUPTED
        assert err == f"\n{QUESTION} Run ab12cd34 goes on; come back with `finery runs monitor ab12cd34`\n"
