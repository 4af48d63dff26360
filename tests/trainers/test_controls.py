"""Requests between steps, and what a run is worth after each."""

import os
import signal
from pathlib import Path

import pytest

from finery.contracts.layout import RunDirectory
from tests.trainers.running import Ended, carry_out, ended, make_run, read_events, start, wait_until

STEPS = 40


def make(folder: Path, cache: Path) -> RunDirectory:
    """A run whose every part that can be random is: shuffled rows, dropout, a split."""
    return make_run(
        folder,
        "sft",
        cache=cache,
        learning_rate=3e-3,
        lr_scheduler="cosine",
        batch_size=8,
        gradient_accumulation_steps=2,
        max_steps=STEPS,
        save_steps=5,
        eval_split=0.1,
        eval_steps=20,
        use_lora=True,
        lora_dropout=0.1,
    )


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Ended:
    return carry_out(make(tmp_path_factory.mktemp("unbroken"), cache))


def request_control(run: RunDirectory, name: str) -> None:
    run.control.mkdir(exist_ok=True)
    (run.control / name).touch()


def same_end(broken: Ended, unbroken: Ended) -> None:
    """Not close: equal. On one thread of one machine the same operations come in the same order."""
    assert broken.outcome.reason == "completed"
    for step in range(STEPS - 5, STEPS + 1):
        assert broken.losses()[step] == unbroken.losses()[step]
    for figure in ("train_loss", "eval_loss", "final_loss", "steps", "tokens"):
        assert broken.outcome.metrics[figure] == pytest.approx(unbroken.outcome.metrics[figure], rel=1e-9), figure


class TestResume:
    @pytest.mark.slow
    @pytest.mark.parametrize("sent", [pytest.param(signal.SIGTERM, marks=pytest.mark.thorough), signal.SIGKILL])
    def test_ends_at_the_loss_of_an_unbroken_run(
        self, sent: signal.Signals, tmp_path: Path, cache: Path, unbroken: Ended
    ) -> None:
        run = make(tmp_path, cache)
        process = start(run)
        wait_until(lambda: sum(event["type"] == "progress" for event in read_events(run)) >= 13)
        os.kill(process.pid, sent)
        code = process.wait(timeout=60)
        if sent is signal.SIGTERM:
            broken = ended(run, code)
            assert (code, broken.outcome.reason) == (0, "paused")
            last = broken.of("checkpoint")[-1]
            assert last["step"] == max(broken.losses())
        else:
            assert code == -signal.SIGKILL
            (run.checkpoints / ".partial" / "checkpoint-99").mkdir(parents=True)
        assert not (tmp_path / "output").exists()
        if run.events.read_bytes()[-1:] != b"\n":
            with run.events.open("ab") as events:
                events.write(b"\n")
        same_end(carry_out(run), unbroken)
        assert not (run.checkpoints / ".partial").exists()

    @pytest.mark.thorough
    def test_pause_then_resume(self, tmp_path: Path, cache: Path, unbroken: Ended) -> None:
        run = make(tmp_path, cache)
        request_control(run, "checkpoint")
        first = _pause_at_first_step(run)
        assert (first.code, first.outcome.reason) == (0, "paused")
        assert not list(run.control.iterdir())
        same_end(carry_out(run), unbroken)


class TestControls:
    def test_stop_saves_the_model(self, tmp_path: Path, cache: Path) -> None:
        run = make_run(tmp_path, "sft", cache=cache, batch_size=8)
        request_control(run, "stop")
        result = carry_out(run)
        assert (result.code, result.outcome.reason, result.outcome.metrics["steps"]) == (0, "stopped", 1.0)
        assert (tmp_path / "output" / "model.safetensors").exists()

    def test_checkpoint_and_validate_on_request(self, tmp_path: Path, cache: Path) -> None:
        run = make_run(tmp_path, "sft", cache=cache, batch_size=8, max_steps=3, eval_split=0.1)
        request_control(run, "checkpoint")
        request_control(run, "validate")
        result = carry_out(run)
        assert [data["step"] for data in result.of("checkpoint")] == [1]
        assert result.of("evaluation")[0]["step"] == 1
        assert Path(result.of("checkpoint")[0]["path"]) == run.checkpoints / "checkpoint-1"

    def test_validate_without_rows_is_told(self, tmp_path: Path, cache: Path) -> None:
        run = make_run(tmp_path, "sft", cache=cache, batch_size=8, max_steps=1)
        request_control(run, "validate")
        assert [data["code"] for data in carry_out(run).of("notice")] == ["no_evaluation_rows"]

    def test_keeps_the_last_checkpoints_only(self, tmp_path: Path, cache: Path) -> None:
        run = make_run(tmp_path, "sft", cache=cache, batch_size=8, max_steps=4, save_steps=1, save_total_limit=2)
        result = carry_out(run)
        assert [data["step"] for data in result.of("checkpoint")] == [1, 2, 3, 4]
        assert sorted(path.name for path in run.checkpoints.glob("c*")) == ["checkpoint-3", "checkpoint-4"]


def _pause_at_first_step(run: RunDirectory) -> Ended:
    """A pause that is there before the first step ends the run before it; this one comes at the first boundary."""
    from finery.trainers.callbacks import StepCallback

    class PausingCallback(StepCallback):
        def on_train_begin(self, *arguments: object, **context: object) -> None:
            super().on_train_begin(*arguments, **context)
            request_control(run, "pause")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("finery.trainers.training_loop.StepCallback", PausingCallback)
        return carry_out(run)
