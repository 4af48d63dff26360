"""What a real training leaves is served by our own engine under its name, while the training goes on and after it."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from finery.contracts.model_names import fine_tuned_name
from tests import builders
from tests.servers import RunningServer

BASE = "finery/tiny-llama"
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
TRAINING = {"model_name": BASE, "dataset_path": "rows.jsonl", "max_steps": 4, "save_steps": 2, "max_length": 64}
MANY = {"max_steps": 100_000, "save_steps": 200, "save_total_limit": 20}
"""Each checkpoint lies there for long enough to be asked for."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home")
    shutil.copy(builders.SAMPLES / "instructions.jsonl", home / "rows.jsonl")
    entry = f'{{model: {BASE}, max_context: 128, chat_template: "{TEMPLATE}"}}'
    (home / "models.yaml").write_text(f"models:\n  my-chat: {entry}\n")
    with RunningServer(home, FINERY_CPU_SLOTS="1") as server:
        yield server


@pytest.fixture(scope="module")
def sdk(server: RunningServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", timeout=180) as client:
        yield client
        while live := [one for one in deployments(client) if one["finished_at"] is None]:
            for one in live:
                client.delete(f"/../api/v1/deployments/{one['id']}", cast_to=dict[str, Any])
            time.sleep(0.1)


def deployments(client: OpenAI) -> list[dict[str, Any]]:
    return list(client.get("/../api/v1/deployments", cast_to=dict[str, Any])["deployments"])


def submit(sdk: OpenAI, **config: Any) -> str:
    body = {"recipe": "sft", "config": {**TRAINING, **config}}
    return str(sdk.post("/../api/v1/runs", body=body, cast_to=dict[str, Any])["id"])


def wait(sdk: OpenAI, run_id: str, *, until: Any) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while not until(run := sdk.get(f"/../api/v1/runs/{run_id}", cast_to=dict[str, Any])):
        assert time.monotonic() < deadline, run
        time.sleep(0.2)
    return run


def ask(sdk: OpenAI, name: str) -> str:
    answer = sdk.chat.completions.create(
        model=name, messages=[{"role": "user", "content": "Who are you?"}], max_tokens=8, temperature=0
    )
    assert answer.model == name
    return str(answer.choices[0].message.content)


class TestNames:
    @pytest.mark.thorough
    def test_an_alias_with_its_template_and_context(self, sdk: OpenAI) -> None:
        messages: Any = [{"role": "user", "content": "w " * 20}]
        answer = sdk.chat.completions.create(model="my-chat", messages=messages, max_tokens=1)
        plain = sdk.completions.create(model=BASE, prompt="w " * 20, max_tokens=1)
        assert answer.usage is not None
        assert plain.usage is not None
        assert answer.usage.prompt_tokens == plain.usage.prompt_tokens
        assert (answer.model, plain.model) == ("my-chat", BASE)
        long: Any = [{"role": "user", "content": "w " * 200}]
        with pytest.raises(Exception, match="context is 128 tokens"):
            sdk.chat.completions.create(model="my-chat", messages=long)

    @pytest.mark.thorough
    @pytest.mark.parametrize("lora", [False, True])
    def test_a_finished_model_and_its_checkpoints(self, sdk: OpenAI, lora: bool) -> None:
        run_id = submit(sdk, use_lora=lora, output_dir=f"outputs/{lora}", learning_rate=1e-2)
        wait(sdk, run_id, until=lambda run: run["status"] == "succeeded")
        finished = ask(sdk, fine_tuned_name(BASE, None, run_id))
        # The last step's checkpoint is what was learned at the end.
        assert ask(sdk, fine_tuned_name(BASE, None, run_id, step=4)) == finished
        assert ask(sdk, f"outputs/{lora}") == finished
        listed = {model.id for model in sdk.models.list()}
        assert fine_tuned_name(BASE, None, run_id) in listed

    @pytest.mark.thorough
    def test_a_checkpoint_of_a_run_that_goes_on(self, sdk: OpenAI, server: RunningServer) -> None:
        run_id = submit(sdk, use_lora=True, output_dir="outputs/on", **MANY)
        folder = server.home / "runs" / run_id / "checkpoints"
        try:
            wait(sdk, run_id, until=lambda _: steps(folder))
            step = max(steps(folder))
            assert isinstance(ask(sdk, fine_tuned_name(BASE, None, run_id, step=step)), str)
            assert wait(sdk, run_id, until=lambda _: True)["status"] == "running"
        finally:
            sdk.post(f"/../api/v1/runs/{run_id}/cancel", cast_to=dict[str, Any])


def steps(folder: Path) -> list[int]:
    """Of the checkpoints that are whole."""
    return [int(path.name.removeprefix("checkpoint-")) for path in folder.glob("checkpoint-*")]
