"""LangChain's chat model and completion model over our server: answers, streams, batches, tools, structured outputs."""

import asyncio
import os
from typing import Literal

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import BaseModel

MODEL = os.environ["MODEL"]


class Ticket(BaseModel):
    """Where a ticket goes."""

    queue: Literal["billing", "crash"]
    urgent: bool


@tool
def route(queue: Literal["billing", "crash"]) -> str:
    """Puts the ticket into a queue."""
    return f"It is in {queue}."


def main() -> None:
    chat = ChatOpenAI(model=MODEL, temperature=0, max_tokens=8)
    answer = chat.invoke("The app freezes.")
    assert answer.content == "crash"
    assert answer.usage_metadata["output_tokens"]
    assert answer.response_metadata["finish_reason"] == "stop"
    chunks = list(chat.stream("The app freezes."))
    assert "".join(chunk.content for chunk in chunks) == "crash"
    chain = ChatPromptTemplate.from_messages([("human", "{ticket}")]) | chat
    found = chain.batch([{"ticket": "The app freezes."}, {"ticket": "My parcel is late."}])
    assert [answer.content for answer in found] == ["crash", "delivery"]
    asyncio.run(alone(chat))

    roomy = ChatOpenAI(model=MODEL, temperature=0, max_tokens=320)
    for method in ("json_schema", "function_calling"):
        assert isinstance(roomy.with_structured_output(Ticket, method=method).invoke("The app freezes."), Ticket)
    question = HumanMessage("The app freezes.")
    calling = roomy.bind_tools([route], tool_choice="required").invoke([question])
    (call,) = calling.tool_calls
    assert call["name"] == "route"
    told = route.invoke(call)
    assert isinstance(told, ToolMessage)
    assert roomy.bind_tools([route]).invoke([question, calling, told]).response_metadata["finish_reason"]

    assert isinstance(OpenAI(model=MODEL, temperature=0, max_tokens=4).invoke("The app"), str)


async def alone(chat: ChatOpenAI) -> None:
    assert (await chat.ainvoke("The app freezes.")).content == "crash"
    assert "".join([chunk.content async for chunk in chat.astream("The app freezes.")]) == "crash"


if __name__ == "__main__":
    main()
