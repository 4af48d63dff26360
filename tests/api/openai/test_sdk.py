"""The whole way with the unmodified SDK: a real server, a real training, a real engine."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.fine_tuning import FineTuningJob

from tests.api.openai.conftest import jsonl
from tests.servers import RunningServer

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("openai-sdk")]

TICKETS = Path(__file__).resolve().parents[3] / "examples" / "openai"
MODEL = "house-model"
TABLE = "models:\n  house-model: finery/tiny-llama\n"
WAIT_SECONDS = 240.0
ENDED = ("succeeded", "failed", "cancelled")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home")
    (home / "models.yaml").write_text(TABLE)
    with RunningServer(home) as server:
        yield server


@pytest.fixture(scope="module")
def sdk(server: RunningServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key="any", _strict_response_validation=True) as client:
        yield client


@pytest.fixture(scope="module")
def held_out() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (TICKETS / "tickets_held_out.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def trained(sdk: OpenAI, held_out: list[dict[str, Any]]) -> FineTuningJob:
    """Paused on its way, and resumed."""
    with (TICKETS / "tickets_train.jsonl").open("rb") as file:
        training = sdk.files.create(file=file, purpose="fine-tune")
    validation = sdk.files.create(file=("held_out.jsonl", jsonl(held_out)), purpose="fine-tune")
    job = sdk.fine_tuning.jobs.create(
        model=MODEL,
        training_file=training.id,
        validation_file=validation.id,
        suffix="tickets",
        metadata={"test": "sdk"},
    )
    wait(sdk, job.id, lambda: any(event.type == "metrics" for event in sdk.fine_tuning.jobs.list_events(job.id)))
    pause(sdk, job.id)
    sdk.fine_tuning.jobs.resume(job.id)
    wait(sdk, job.id, lambda: sdk.fine_tuning.jobs.retrieve(job.id).status in ENDED)
    return sdk.fine_tuning.jobs.retrieve(job.id)


@pytest.fixture(scope="module")
def model(trained: FineTuningJob) -> str:
    assert trained.fine_tuned_model is not None
    return trained.fine_tuned_model


@pytest.fixture(scope="module")
def ask(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "the app freezes"}], "temperature": 0}


def pause(sdk: OpenAI, job_id: str) -> None:
    """`pausing` and `paused` are no words of the SDK's model, so its strict validation is passed by."""
    words = [sdk.fine_tuning.jobs.with_raw_response.pause(job_id).http_response.json()["status"]]
    while words[-1] != "paused":
        time.sleep(0.1)
        words.append(sdk.fine_tuning.jobs.with_raw_response.retrieve(job_id).http_response.json()["status"])
    assert set(words) <= {"pausing", "paused"}


def wait(sdk: OpenAI, job_id: str, until: Any) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not until():
        assert time.monotonic() < deadline, sdk.fine_tuning.jobs.with_raw_response.retrieve(job_id).text
        time.sleep(0.2)


def share_right(sdk: OpenAI, model: str, rows: list[dict[str, Any]]) -> float:
    answers = [
        sdk.chat.completions.create(
            model=model, messages=row["messages"][:-1], max_completion_tokens=8, temperature=0
        ).choices[0]
        for row in rows
    ]
    wanted = [row["messages"][-1]["content"] for row in rows]
    pairs = zip(answers, wanted, strict=True)
    return sum((answer.message.content or "").strip() == want for answer, want in pairs) / len(rows)


class TestTraining:
    def test_it_succeeded_and_tells_all(self, sdk: OpenAI, trained: FineTuningJob) -> None:
        assert trained.status == "succeeded", trained.error
        assert trained.fine_tuned_model == f"ft:{MODEL}:finery:tickets:{trained.id.removeprefix('ftjob-')}"
        assert trained.trained_tokens is not None
        assert trained.trained_tokens > 1000
        assert trained.hyperparameters.n_epochs == 3
        (result,) = trained.result_files
        lines = sdk.files.content(result).text.splitlines()
        assert lines[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
        steps = [int(line.partition(",")[0]) for line in lines[1:]]
        assert steps == list(range(1, 241))
        assert [job.id for job in sdk.fine_tuning.jobs.list(metadata={"test": "sdk"})] == [trained.id]

    def test_its_events(self, sdk: OpenAI, trained: FineTuningJob) -> None:
        events = list(sdk.fine_tuning.jobs.list_events(trained.id, limit=50))
        messages = [event.message for event in events]
        assert any("paused" in message for message in messages)
        told = [event.data["step"] for event in events if event.message.startswith("Step ")]  # type: ignore[index]
        assert sorted(set(told)) == list(range(1, 241))
        assert len({event.id for event in events}) == len(events)

    def test_held_out_tickets_are_answered_better_than_before(
        self, sdk: OpenAI, trained: FineTuningJob, held_out: list[dict[str, Any]]
    ) -> None:
        assert trained.fine_tuned_model is not None
        before, after = (share_right(sdk, model, held_out) for model in (MODEL, trained.fine_tuned_model))
        print(f"right queue, of {len(held_out)} tickets never seen: {before:.0%} before, {after:.0%} after")
        assert before < 0.1
        assert after > 0.8

    def test_a_checkpoint_answers_too(
        self, sdk: OpenAI, trained: FineTuningJob, held_out: list[dict[str, Any]]
    ) -> None:
        checkpoints = list(sdk.fine_tuning.jobs.checkpoints.list(trained.id))
        assert [checkpoint.step_number for checkpoint in checkpoints] == [240, 160, 80]
        assert checkpoints[0].metrics.train_loss is not None
        assert checkpoints[0].metrics.valid_loss is not None
        assert share_right(sdk, checkpoints[0].fine_tuned_model_checkpoint, held_out[:8]) > 0.5

    def test_the_model_is_listed(self, sdk: OpenAI, trained: FineTuningJob) -> None:
        assert trained.fine_tuned_model is not None
        names = [model.id for model in sdk.models.list()]
        assert {MODEL, "finery/tiny-llama", trained.fine_tuned_model} <= set(names)
        assert sdk.models.retrieve(trained.fine_tuned_model).created >= trained.created_at
        with pytest.raises(NotFoundError):
            sdk.models.retrieve("ft:nothing:finery::none")


class TestToolCalls:
    ROOMS = ("kitchen", "garage", "garden", "cellar")
    TOOLS: tuple[dict[str, Any], ...] = (
        {
            "type": "function",
            "function": {
                "name": "switch_light",
                "parameters": {"type": "object", "properties": {"room": {"type": "string"}}},
            },
        },
    )

    def rows(self) -> Iterator[dict[str, Any]]:
        for room in self.ROOMS:
            function = {"name": "switch_light", "arguments": json.dumps({"room": room})}
            call = {"id": "call_1", "type": "function", "function": function}
            answer = {"role": "assistant", "content": None, "tool_calls": [call]}
            question = {"role": "user", "content": f"Light in the {room}, please."}
            yield {"messages": [question, answer], "tools": self.TOOLS}

    def test_are_learned_and_parsed(self, sdk: OpenAI) -> None:
        rows = list(self.rows())
        training = sdk.files.create(file=("calls.jsonl", jsonl(rows * 8)), purpose="fine-tune")
        job = sdk.fine_tuning.jobs.create(
            model="finery/tiny-llama",
            training_file=training.id,
            method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 25, "batch_size": 8}}},
        )
        wait(sdk, job.id, lambda: sdk.fine_tuning.jobs.retrieve(job.id).status in ENDED)
        trained = sdk.fine_tuning.jobs.retrieve(job.id)
        assert trained.status == "succeeded", trained.error
        assert trained.fine_tuned_model is not None
        for row in rows:
            question, taught = row["messages"]
            answer = sdk.chat.completions.create(
                model=trained.fine_tuned_model, messages=[question], tools=self.TOOLS, temperature=0
            )
            (choice,) = answer.choices
            assert choice.finish_reason == "tool_calls"
            assert choice.message.tool_calls is not None
            (call,) = choice.message.tool_calls
            assert call.type == "function"
            wanted = taught["tool_calls"][0]["function"]
            assert (call.function.name, json.loads(call.function.arguments)) == (
                wanted["name"], json.loads(wanted["arguments"]),
            )  # fmt: skip


class TestChat:
    def test_plain(self, sdk: OpenAI, ask: dict[str, Any], model: str) -> None:
        answer = sdk.chat.completions.create(**ask, max_completion_tokens=8)
        assert answer.model == model
        assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("crash", "stop")
        assert answer.usage is not None
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens

    def test_streamed(self, sdk: OpenAI, ask: dict[str, Any], model: str) -> None:
        options: Any = {"include_usage": True, "include_obfuscation": False}
        chunks = list(sdk.chat.completions.create(**ask, stream=True, stream_options=options))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text == "crash"
        assert chunks[-1].usage is not None
        assert {chunk.model for chunk in chunks} == {model}

    def test_several(self, sdk: OpenAI, ask: dict[str, Any]) -> None:
        answer = sdk.chat.completions.create(**{**ask, "temperature": 1.5}, n=3, seed=5, max_completion_tokens=8)
        assert [choice.index for choice in answer.choices] == [0, 1, 2]

    def test_of_the_smallest_nucleus(self, sdk: OpenAI, ask: dict[str, Any]) -> None:
        answer = sdk.chat.completions.create(**{**ask, "temperature": 2, "top_p": 0})
        assert answer.choices[0].message.content == "crash"

    def test_stop(self, sdk: OpenAI, ask: dict[str, Any]) -> None:
        answer = sdk.chat.completions.create(**ask, stop=["a"])
        assert answer.choices[0].message.content == "cr"

    def test_logprobs(self, sdk: OpenAI, ask: dict[str, Any]) -> None:
        answer = sdk.chat.completions.create(**ask, logprobs=True, top_logprobs=2)
        assert answer.choices[0].logprobs is not None
        content = answer.choices[0].logprobs.content
        assert content
        assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in content)
        assert "".join(token.token for token in content) == answer.choices[0].message.content == "crash"

    def test_response_format(self, sdk: OpenAI, ask: dict[str, Any]) -> None:
        schema = {
            "type": "object",
            "properties": {"queue": {"enum": ["billing", "crash"]}, "urgent": {"type": "boolean"}},
            "required": ["queue", "urgent"],
            "additionalProperties": False,
        }
        answer = sdk.chat.completions.create(
            **ask,
            max_completion_tokens=500,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "ticket", "schema": schema, "strict": True},
            },
        )
        found = json.loads(answer.choices[0].message.content or "")
        assert found["queue"] in ("billing", "crash")
        assert isinstance(found["urgent"], bool)

    def test_completions(self, sdk: OpenAI, model: str) -> None:
        answer = sdk.completions.create(model=model, prompt="the app", max_tokens=4, temperature=0)
        assert answer.usage is not None
        assert answer.usage.completion_tokens <= 4

    @pytest.mark.parametrize("name", ["ft:nothing:finery::none", "gpt-4o", "some-hub/model", ""])
    def test_unknown_models(self, sdk: OpenAI, ask: dict[str, Any], name: str) -> None:
        with pytest.raises(Exception) as refused:  # noqa: PT011 - 404, or 400 for no name
            sdk.chat.completions.create(**{**ask, "model": name})
        assert refused.value.param == "model"  # type: ignore[attr-defined]

    @pytest.mark.parametrize(
        ("changes", "param", "code"),
        [
            ({"temperature": 9}, "temperature", "invalid_value"),
            ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
            ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
            ({"extra_body": {"temprature": 1}}, "temprature", "unknown_parameter"),
            ({"audio": {"voice": "alloy", "format": "wav"}}, "audio", "unsupported_parameter"),
        ],
    )
    def test_what_cannot_be_honoured(
        self, sdk: OpenAI, ask: dict[str, Any], changes: dict[str, Any], param: str, code: str
    ) -> None:
        with pytest.raises(BadRequestError) as refused:
            sdk.chat.completions.create(**{**ask, **changes})
        assert (refused.value.param, refused.value.code) == (param, code)


class TestDelete:
    def test_last_of_all_the_model_goes(self, sdk: OpenAI, trained: FineTuningJob, server: RunningServer) -> None:
        assert trained.fine_tuned_model is not None
        folder = server.home / "outputs" / trained.id
        assert folder.is_dir()
        assert sdk.models.delete(trained.fine_tuned_model).deleted
        assert not folder.exists()
        with pytest.raises(NotFoundError):
            sdk.models.retrieve(trained.fine_tuned_model)
        assert sdk.fine_tuning.jobs.retrieve(trained.id).status == "succeeded"
        assert sdk.files.delete(trained.training_file).deleted
