"""The requests of two programs whose clients the jobs dialect serves, carried out as they stand in `documents/`.

Changed are only host and port, the length of waits, and what is left open there: an id that an earlier answer gave, and
the data.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import RunningServer

DOCUMENTS = Path(__file__).parent / "documents"
GUIDE = DOCUMENTS / "training_guide.md"
REGISTRY = DOCUMENTS / "registry.md"
ADDRESS = re.compile(r"http://(?:localhost|127\.0\.0\.1):800[01]")
JOB_OF_GUIDE = "a1b2c3d4"
STEP_SECONDS = 240

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def blocks(document: Path, language: str) -> list[str]:
    """The fenced blocks of a language, without their indentation."""
    found = re.findall(rf"^([ ]*)```{language}\n(.*?)^[ ]*```$", document.read_text(), re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def curls(document: Path) -> list[str]:
    """Each curl command, its continued lines with it."""
    commands = []
    for block in blocks(document, "bash"):
        for command in re.findall(r"^curl .*?(?=^curl |^#|\Z)", block, re.DOTALL | re.MULTILINE):
            commands.append(command.strip())
    return commands


def programs() -> list[str]:
    return blocks(GUIDE, "python")


def make_gpt2(folder: Path) -> None:
    """A GPT-2 that is small enough to be trained in a test, under the name that the guide uses."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate([*letters, "<|endoftext|>"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>", model_max_length=256
    )
    end = vocabulary["<|endoftext|>"]
    config = GPT2Config(
        vocab_size=len(vocabulary), n_positions=256, n_embd=32, n_layer=2, n_head=2, bos_token_id=end, eos_token_id=end
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)


@pytest.fixture(scope="module")
def hub_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the hub's client, which has fetched `gpt2` already."""
    cache = tmp_path_factory.mktemp("hub")
    folder = cache / "models--gpt2"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0a1b")
    make_gpt2(folder / "snapshots" / "0a1b")
    return cache


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What the guide takes for granted: data, and a folder for outputs."""
    home = tmp_path / "home"
    (home / "data").mkdir(parents=True)
    rows = [{"instruction": f"Say {number}", "input": "", "output": f"It is {number}."} for number in range(4)]
    pairs = [{"prompt": f"Say {number}", "chosen": f"{number}", "rejected": "no"} for number in range(4)]
    (home / "data" / "train.json").write_text(json.dumps(rows))
    (home / "data" / "my_dataset.json").write_text(json.dumps(rows))
    (home / "data" / "preference_train.json").write_text(json.dumps(pairs))
    (home / "outputs").mkdir()
    return home


@pytest.fixture
def server(home: Path, hub_cache: Path) -> Iterator[RunningServer]:
    with RunningServer(home, HF_HUB_CACHE=str(hub_cache), HF_HUB_OFFLINE="1") as server:
        yield server


def curl(server: RunningServer, command: str, **replaced: str) -> Any:
    """What the command prints, parsed; it fails unless the server answers with a success."""
    for old, new in replaced.items():
        command = command.replace(old, new)
    command = ADDRESS.sub(server.url, command)
    result = subprocess.run(
        ["bash", "-c", command.replace("curl ", "curl --silent --show-error --fail-with-body ", 1)],
        cwd=server.home,
        capture_output=True,
        text=True,
        timeout=STEP_SECONDS,
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return json.loads(result.stdout) if result.stdout else None


def python(server: RunningServer, program: str) -> str:
    program = ADDRESS.sub(server.url, program)
    program = re.sub(r"time\.sleep\(\d+\)", "time.sleep(0.2)", program)
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=server.home, capture_output=True, text=True, timeout=3 * STEP_SECONDS
    )
    assert result.returncode == 0, f"{program}\n{result.stdout}\n{result.stderr}\n{server.log.read_text()[-3000:]}"
    return result.stdout


def finished(server: RunningServer, job_id: str) -> dict[str, Any]:
    output = python(server, programs()[0].replace(JOB_OF_GUIDE, job_id))
    assert "최종 로그" in output
    job: dict[str, Any] = httpx.get(f"{server.url}/jobs/{job_id}").json()
    return job


class TestRegistry:
    def test_every_curl_in_order(self, server: RunningServer) -> None:
        create, list_all, get, report, delete = curls(REGISTRY)
        created = curl(server, create)
        example = json.loads(blocks(REGISTRY, "json")[0])
        assert example.keys() <= created.keys()
        same = example.keys() - {"created_at", "updated_at"}
        assert {key: created[key] for key in same} == {key: example[key] for key in same}
        assert curl(server, list_all) == [created]
        assert curl(server, get) == created
        assert curl(server, report)["status"] == "running"
        assert curl(server, delete) is None
        assert curl(server, list_all) == []


class TestGuide:
    @pytest.mark.thorough
    def test_every_curl(self, server: RunningServer) -> None:
        sft, dpo, list_all, get, tail, whole, cancel, upload, load, chat = curls(GUIDE)
        started = curl(server, sft)
        assert started.keys() == json.loads(blocks(GUIDE, "json")[0]).keys()
        assert started["status"] == "pending"
        known = {JOB_OF_GUIDE: started["job_id"]}
        assert curl(server, list_all)[0]["job_id"] == started["job_id"]
        assert curl(server, get, **known)["training_type"] == "sft"
        job = finished(server, started["job_id"])
        assert job["status"] == "completed", (job, curl(server, whole, **known))
        assert len(curl(server, tail, **known)["logs"]) <= 50
        logs = curl(server, whole, **known)
        assert len(logs["logs"]) == logs["total_lines"] > 0
        assert curl(server, upload)["filename"] == "my_dataset.json"

        second = curl(server, dpo, **{"outputs/sft_model": "outputs/my_model"})
        curl(server, cancel, **{JOB_OF_GUIDE: second["job_id"]})
        assert finished(server, second["job_id"])["status"] == "cancelled"

        assert curl(server, load)["model_name"] == "outputs/my_model"
        assert curl(server, chat)["instruction"] == "테스트 질문"

    @pytest.mark.thorough
    def test_whole_pipeline(self, server: RunningServer) -> None:
        output = python(server, programs()[1])
        assert "완료" in output
        assert (server.home / "outputs" / "dpo_model").is_dir()

    def test_several_at_once(self, server: RunningServer) -> None:
        output = python(server, programs()[2])
        assert len(output.split()) == 3
        jobs = httpx.get(f"{server.url}/jobs").json()
        assert sorted(job["config"]["learning_rate"] for job in jobs) == [1e-5, 2e-5, 5e-5]
        for job in jobs:
            httpx.post(f"{server.url}/jobs/{job['job_id']}/cancel")
