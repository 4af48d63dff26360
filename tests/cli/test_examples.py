"""The examples, as they stand, against a real server with the shipped samples."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from finery.cli.samples import write_samples
from finery.client import FineryClient
from finery.contracts.status import RunStatus
from tests.cli.command import Finery, environment
from tests.servers import ROOT, RunningServer

EXAMPLES = ROOT / "examples"
TRAINING_SECONDS = 600
TAUGHT = "Finery is a self-hosted server for fine-tuning language models."

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def samples(live: RunningServer) -> None:
    write_samples(live.home / "data")


def run_example(live: RunningServer, *words: str) -> str:
    done = subprocess.run(words, env=environment(live.url), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.usefixtures("samples")
class TestExamples:
    @pytest.mark.parametrize(
        ("recipe", "name"),
        [
            ("sft", "sft"),
            pytest.param("sft", "lora", marks=pytest.mark.thorough),
            pytest.param("dpo", "dpo", marks=pytest.mark.thorough),
        ],
    )
    def test_configurations(self, finery: Finery, recipe: str, name: str) -> None:
        """Shortened, since only the settings are in question; the instruct model is replaced by its base."""
        file = str(EXAMPLES / f"{name}.yaml")
        ended = finery("train", recipe, "--config", file, "max_steps=2", "model_name=finery/tiny-llama", "--json")

        assert ended.code == 0, ended.err
        assert ended.json["output_dir"] == f"outputs/{name}-example"

    @pytest.mark.thorough
    def test_python(self, live: RunningServer, api: FineryClient) -> None:
        shown = run_example(live, sys.executable, str(EXAMPLES / "train_and_chat.py"), "--epochs", "0.5")

        assert "step 2 of 2" in shown
        assert "What is Finery?" in shown

    @pytest.mark.thorough
    @pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
    def test_curl(self, live: RunningServer, api: FineryClient) -> None:
        assert os.access(EXAMPLES / "monitor.sh", os.X_OK)
        shown = run_example(live, "bash", str(EXAMPLES / "monitor.sh"))

        assert '"to":"succeeded"' in shown
        assert "total_lines" in shown

    @pytest.mark.timeout(2 * TRAINING_SECONDS)
    @pytest.mark.thorough
    @pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
    def test_the_jobs_api_of_the_readme_answers_as_taught(self, live: RunningServer, api: FineryClient) -> None:
        start, _, load, ask = readme_curls("/train/sft")
        job = json.loads(run_example(live, "bash", "-c", at(live, start)))["job_id"]
        assert api.wait(job, timeout=TRAINING_SECONDS).status is RunStatus.SUCCEEDED
        run_example(live, "bash", "-c", at(live, load))
        assert json.loads(run_example(live, "bash", "-c", at(live, ask)))["response"] == TAUGHT

    @pytest.mark.timeout(2 * TRAINING_SECONDS)
    @pytest.mark.thorough
    @pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
    def test_the_native_api_of_the_readme_learns(self, live: RunningServer, api: FineryClient) -> None:
        start = readme_curls("/api/v1/runs -H")[0]
        run = json.loads(run_example(live, "bash", "-c", at(live, start)))["id"]
        ended = api.wait(run, timeout=TRAINING_SECONDS)
        assert ended.status is RunStatus.SUCCEEDED
        assert ended.progress is not None
        assert ended.progress.loss is not None
        assert ended.progress.loss < 0.3


def readme_curls(beginning: str) -> list[str]:
    """The curl commands of the README's indented block that begins with a request to this address."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
    (block,) = [block for block in blocks if block.startswith(f"    curl http://127.0.0.1:8001{beginning}")]
    return re.findall(r"^    (curl .*(?:\n      .*|\n    }.*)*)", block, re.MULTILINE)


def at(live: RunningServer, command: str) -> str:
    return command.replace("http://127.0.0.1:8001", live.url).replace("curl ", "curl --silent --fail-with-body ", 1)
