"""The newest `openai` package, one client sync and one async, both holding each answer to the package's types."""

import asyncio
import json
import os
import time
from collections.abc import Callable
from typing import Literal

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

MODEL, BASE, JOB, TRAINING_FILE = (os.environ[name] for name in ("MODEL", "BASE", "JOB", "TRAINING_FILE"))
ASK = {"model": MODEL, "messages": [{"role": "user", "content": "The app freezes."}], "temperature": 0}
TOOL = {
    "type": "function",
    "function": {
        "name": "route",
        "parameters": {
            "type": "object",
            "properties": {"queue": {"enum": ["billing", "crash"]}},
            "required": ["queue"],
            "additionalProperties": False,
        },
    },
}
ROW = {"messages": [{"role": "user", "content": "It hums."}, {"role": "assistant", "content": "noise"}]}
ROWS = (json.dumps(ROW) + "\n").encode() * 12


class Ticket(BaseModel):
    queue: Literal["billing", "crash"]
    urgent: bool


def main() -> None:
    with OpenAI(_strict_response_validation=True) as client:
        files(client)
        jobs(client)
        answers(client)
        errors(client)
    asyncio.run(concurrently())


def files(client: OpenAI) -> None:
    made = client.files.create(file=("rows.jsonl", ROWS), purpose="fine-tune")
    assert (made.bytes, made.filename, made.purpose) == (len(ROWS), "rows.jsonl", "fine-tune")
    assert client.files.retrieve(made.id).id == made.id
    assert made.id in [file.id for file in client.files.list(purpose="fine-tune", limit=1)]
    assert client.files.content(made.id).read() == ROWS
    assert client.files.delete(made.id).deleted
    upload = client.uploads.upload_file_chunked(
        file=ROWS, filename="parts.jsonl", bytes=len(ROWS), mime_type="application/jsonl", purpose="fine-tune"
    )
    assert upload.status == "completed"
    assert upload.file is not None
    assert client.files.delete(upload.file.id).deleted


def jobs(client: OpenAI) -> None:
    trained = client.fine_tuning.jobs.retrieve(JOB)
    assert (trained.status, trained.fine_tuned_model) == ("succeeded", MODEL)
    assert trained.trained_tokens
    assert client.files.content(trained.result_files[0]).text.startswith("step,train_loss")
    assert any(event.type == "metrics" for event in client.fine_tuning.jobs.list_events(JOB, limit=5))
    checkpoints = list(client.fine_tuning.jobs.checkpoints.list(JOB))
    assert all(found.fine_tuned_model_checkpoint.startswith(MODEL) for found in checkpoints)
    assert checkpoints

    made = client.fine_tuning.jobs.create(
        model=BASE,
        training_file=TRAINING_FILE,
        metadata={"client": "openai"},
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 50}}},
    )
    found = list(client.fine_tuning.jobs.list(metadata={"client": "openai"}))
    assert found[0].id == made.id
    assert JOB not in [job.id for job in found]
    client.fine_tuning.jobs.cancel(made.id)
    deadline = time.monotonic() + 60
    while client.fine_tuning.jobs.retrieve(made.id).status != "cancelled":
        assert time.monotonic() < deadline
        time.sleep(0.2)


def answers(client: OpenAI) -> None:
    assert {MODEL, BASE} <= {model.id for model in client.models.list()}
    assert client.models.retrieve(MODEL).id == MODEL
    plain = client.chat.completions.create(**ASK, max_completion_tokens=8, logprobs=True, top_logprobs=2)
    assert plain.choices[0].message.content == "crash"
    assert plain.choices[0].logprobs is not None
    assert plain.usage is not None
    with client.chat.completions.stream(**ASK, max_completion_tokens=8, stream_options={"include_usage": True}) as live:
        assert "".join(event.delta for event in live if event.type == "content.delta") == "crash"
        assert live.get_final_completion().usage is not None
    parsed = client.chat.completions.parse(**ASK, response_format=Ticket, max_completion_tokens=320)
    assert isinstance(parsed.choices[0].message.parsed, Ticket)
    calling = client.chat.completions.create(**ASK, tools=[TOOL], tool_choice="required", max_completion_tokens=320)
    (call,) = calling.choices[0].message.tool_calls
    assert json.loads(call.function.arguments)["queue"] in ("billing", "crash")
    text = client.completions.create(model=MODEL, prompt=["The app", "My parcel"], max_tokens=4, temperature=0)
    assert [choice.index for choice in text.choices] == [0, 1]


def errors(client: OpenAI) -> None:
    lost = refusal(openai.NotFoundError, lambda: client.chat.completions.create(**{**ASK, "model": "gpt-0"}))
    assert lost.param == "model"
    hot = refusal(openai.BadRequestError, lambda: client.chat.completions.create(**{**ASK, "temperature": 9}))
    assert (hot.param, hot.code) == ("temperature", "invalid_value")
    refusal(openai.NotFoundError, lambda: client.fine_tuning.jobs.retrieve("ftjob-none"))


def refusal(kind: type[openai.APIStatusError], call: Callable[[], object]) -> openai.APIStatusError:
    try:
        call()
    except kind as refused:
        return refused
    raise AssertionError(f"{kind.__name__} was not raised")


async def concurrently() -> None:
    async with AsyncOpenAI(_strict_response_validation=True) as client:
        found = await asyncio.gather(
            *(client.chat.completions.create(**ASK, max_completion_tokens=8, seed=seed) for seed in range(4))
        )
        assert [answer.choices[0].message.content for answer in found] == ["crash"] * 4
        stream = await client.chat.completions.create(**ASK, max_completion_tokens=8, stream=True)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "crash"
        assert JOB in [job.id async for job in client.fine_tuning.jobs.list(limit=1)]
        assert [event async for event in client.fine_tuning.jobs.list_events(JOB, limit=5)]
        file = await client.files.create(file=("rows.jsonl", ROWS), purpose="fine-tune")
        assert (await client.files.delete(file.id)).deleted


if __name__ == "__main__":
    main()
