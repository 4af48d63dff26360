"""Instructor gets pydantic models out of our server's chats, in each of its ways to ask for them."""

import asyncio
import os
from typing import Literal

import instructor
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

MODEL = os.environ["MODEL"]
ASK = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "The app freezes."}],
    "temperature": 0,
    "max_tokens": 320,
    # The first answer has to do: a second question would hide that the server let a wrong one through.
    "max_retries": 0,
}
MODES = (instructor.Mode.TOOLS, instructor.Mode.TOOLS_STRICT, instructor.Mode.JSON_SCHEMA)


class Ticket(BaseModel):
    queue: Literal["billing", "crash"]
    urgent: bool


def main() -> None:
    for mode in MODES:
        client = instructor.from_openai(OpenAI(), mode=mode)
        ticket, whole = client.chat.completions.create_with_completion(response_model=Ticket, **ASK)
        assert isinstance(ticket, Ticket), mode
        assert whole.usage.completion_tokens, mode
    client = instructor.from_openai(OpenAI(), mode=instructor.Mode.TOOLS)
    partial = list(client.chat.completions.create_partial(response_model=Ticket, **ASK))
    assert partial[-1].queue in ("billing", "crash")
    asyncio.run(alone())


async def alone() -> None:
    client = instructor.from_openai(AsyncOpenAI(), mode=instructor.Mode.JSON_SCHEMA)
    assert isinstance(await client.chat.completions.create(response_model=Ticket, **ASK), Ticket)


if __name__ == "__main__":
    main()
