"""LiteLLM as a library: chats, completions and fine-tuning jobs, with our server as one more OpenAI."""

import asyncio
import json
import os
from typing import Literal

import litellm
from pydantic import BaseModel

MODEL, BASE, TRAINING_FILE = (os.environ[name] for name in ("MODEL", "BASE", "TRAINING_FILE"))
OURS = {"api_base": os.environ["OPENAI_BASE_URL"], "api_key": os.environ["OPENAI_API_KEY"]}
ASK = {
    **OURS,
    "model": f"openai/{MODEL}",
    "messages": [{"role": "user", "content": "The app freezes."}],
    "temperature": 0,
}
PARAMETERS = {"type": "object", "properties": {"queue": {"enum": ["billing", "crash"]}}, "required": ["queue"]}
TOOL = {"type": "function", "function": {"name": "route", "parameters": PARAMETERS}}


class Ticket(BaseModel):
    queue: Literal["billing", "crash"]
    urgent: bool


def main() -> None:
    plain = litellm.completion(**ASK, max_tokens=8)
    assert plain.choices[0].message.content == "crash"
    assert plain.usage.total_tokens == plain.usage.prompt_tokens + plain.usage.completion_tokens
    chunks = list(litellm.completion(**ASK, max_tokens=8, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "crash"
    assert litellm.stream_chunk_builder(chunks).usage.completion_tokens
    formed = litellm.completion(**ASK, max_tokens=320, response_format=Ticket)
    Ticket.model_validate_json(formed.choices[0].message.content)
    calling = litellm.completion(**ASK, max_tokens=320, tools=[TOOL], tool_choice="required")
    (call,) = calling.choices[0].message.tool_calls
    assert json.loads(call.function.arguments)["queue"] in ("billing", "crash")
    text = litellm.text_completion(
        **OURS, model=f"text-completion-openai/{MODEL}", prompt="The app", max_tokens=4, temperature=0
    )
    assert text.usage.completion_tokens <= 4
    asyncio.run(several())
    refusals()
    job()


async def several() -> None:
    found = await asyncio.gather(*(litellm.acompletion(**ASK, max_tokens=8) for _ in range(3)))
    assert [answer.choices[0].message.content for answer in found] == ["crash"] * 3


def refusals() -> None:
    """Ours are told apart as OpenAI's own are."""
    for change, kind in (
        ({"model": "openai/gpt-0"}, litellm.NotFoundError),
        ({"temperature": 9}, litellm.BadRequestError),
    ):
        try:
            litellm.completion(**{**ASK, **change})
        except kind:
            continue
        raise AssertionError(f"{kind.__name__} was not raised")


def job() -> None:
    ours = {**OURS, "custom_llm_provider": "openai"}
    row = {"messages": [{"role": "user", "content": "It hums."}, {"role": "assistant", "content": "noise"}]}
    file = litellm.create_file(file=("rows.jsonl", (json.dumps(row) + "\n").encode() * 12), purpose="fine-tune", **ours)
    assert file.id in [found.id for found in litellm.file_list(**ours)]
    made = litellm.create_fine_tuning_job(model=BASE, training_file=file.id, suffix="lite", **ours)
    assert made.model == BASE
    assert made.id in [found.id for found in litellm.list_fine_tuning_jobs(limit=5, **ours)]
    assert litellm.cancel_fine_tuning_job(fine_tuning_job_id=made.id, **ours).id == made.id
    assert litellm.retrieve_fine_tuning_job(fine_tuning_job_id=made.id, **ours).id == made.id


if __name__ == "__main__":
    main()
