import pytest

from finery.cli.display import PlainView, describe, metrics
from finery.contracts.events import Event, EventType, ProgressData, event_of


def event(type: EventType, *, at: float = 1.0, **data: object) -> Event:
    return event_of(type, data, run_id="r", sequence=1, at=at, attempt=1)


class TestFigures:
    def test_those_that_there_are(self) -> None:
        data = ProgressData(loss=1.23456, learning_rate=5e-3, tokens_per_second=1234.5, eta_seconds=75.0)

        assert metrics(data) == "loss 1.235  lr 5.0e-03  1234 tokens/s  ETA 1 min 15 s"
        assert metrics(ProgressData(loss=None, step=3)) == ""
        assert metrics(ProgressData(loss=0.5, memory_bytes=1_500_000_000)) == "loss 0.5  1.5 GB"


class TestDescribe:
    @pytest.mark.parametrize(
        ("given", "line"),
        [
            (event(EventType.STATUS, to="failed", reason="oom", message="no memory"), "failed (oom): no memory"),
            (event(EventType.STATUS, to="queued"), "queued"),
            (event(EventType.STAGE, stage="loading_data"), "loading data"),
            (event(EventType.STAGE, stage="training", label="Training"), "Training"),
            (event(EventType.STAGE, stage="loading_data", label="Reading my_file"), "Reading my_file"),
            (event(EventType.NOTICE, level="warning", message="2 rows dropped"), "warning: 2 rows dropped"),
            (event(EventType.CHECKPOINT, step=4, path="/x"), "checkpoint at step 4"),
            (event(EventType.EVALUATION, step=4, loss=0.5), "evaluation at step 4: loss 0.5"),
            (event(EventType.INTENT, intent="cancel"), "asked to cancel"),
            (event(EventType.SAMPLE, step=4, prompt="你好", text="안녕"), "sample at step 4: 你好 -> 안녕"),
            (event(EventType.RESULT, loss=0.1), None),
        ],
    )
    def test_one_line(self, given: Event, line: str | None) -> None:
        assert describe(given) == line

    def test_a_terminal_is_not_steered(self) -> None:
        text = describe(event(EventType.NOTICE, message="a\x1b[2Jb\nc"))

        assert text is not None
        assert "\x1b" not in text
        assert "\n" not in text


class TestPlainView:
    def test_progress_is_thinned_but_its_end_is_told(self) -> None:
        lines: list[str] = []
        with PlainView(lines.append, interval=3600.0) as view:
            for step in range(1, 101):
                view.show(event(EventType.PROGRESS, step=step, total_steps=100, loss=1.0))
            view.show(event(EventType.STAGE, stage="saving"))

        assert lines == ["step 1/100  1%  loss 1", "step 100/100  100%  loss 1", "saving"]

    def test_time_and_loss_are_told(self) -> None:
        lines: list[str] = []
        with PlainView(lines.append, interval=0.0) as view:
            view.show(event(EventType.STATUS, at=1000.0, to="running"))
            view.show(event(EventType.PROGRESS, at=1042.0, step=1, total_steps=4, loss=2.5))
            view.show(event(EventType.PROGRESS, at=1190.0, step=4, total_steps=4, loss=0.5))

        assert lines[1:] == ["step 1/4  25%  loss 2.5  after 42 s", "step 4/4  100%  loss 0.5  after 3 min 10 s"]
        assert view.closing_words() == "loss 2.5 → 0.5"
