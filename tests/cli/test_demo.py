import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import PROGRAM, Finery, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def processes_of(home: Path) -> list[str]:
    """The command lines of what still works in `home`."""
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if str(home) in line]


class TestDemo:
    def test_the_model_answers_as_taught(self, alone: Finery, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TRAINING_DB_URL", "sqlite:///somebody-elses.db")
        ended = alone("demo", "--home", str(home), "--json", seconds=500)
        assert ended.code == 0, ended.err
        told = ended.json

        assert [answer["is_right"] for answer in told["answers"]] == [True, True]
        assert told["rewards_margin"]["after"] > told["rewards_margin"]["before"]
        assert told["sft"]["status"] == told["dpo"]["status"] == "succeeded"
        assert (home / "outputs" / "demo-dpo" / "model.safetensors").is_file()
        assert (home / "training.db").is_file()
        assert processes_of(home) == []

    def test_an_interrupt_leaves_nothing_behind(self, home: Path) -> None:
        process = subprocess.Popen(
            [*PROGRAM, "demo", "--home", str(home)], env=environment(), stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for line in process.stdout:
            if "training" in line:
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

        assert process.returncode == 130
        assert processes_of(home) == []
