"""What is asked in both places."""

from typing import Any

from finery.contracts.datasets import Message
from finery.contracts.datasets.message_reader import read_messages

Chat = list[dict[str, str]]


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def messages_of(chat: Chat) -> list[Message]:
    """As a dataset has them."""
    return read_messages(chat, "messages")


CHATS: dict[str, Chat] = {
    "english": [user("What is Finery?")],
    "chinese": [user("Finery 是什么？")],
    "japanese": [user("Finery とは何ですか？")],
    "korean": [user("Finery는 무엇인가요?")],
    "several turns": [user("Iron?"), {"role": "assistant", "content": "Yes, iron."}, user("And 火?")],
    "a system message": [{"role": "system", "content": "Be brief."}, user("Who are you?")],
}

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {"name": "temperature_of", "parameters": {"type": "object", "properties": {"what": {}}}},
    }
]

TOOL_TEMPLATE = """\
{%- if tools -%}
    {{- '<|im_start|>system\n' + tools | tojson + '<|im_end|>\n' -}}
{%- endif -%}
{%- for message in messages -%}
    {{- '<|im_start|>' + message['role'] + '\n' -}}
    {%- if message['role'] == 'assistant' -%}
        {%- generation -%}{{- message['content'] + '<|im_end|>' -}}{%- endgeneration -%}
    {%- else -%}
        {{- message['content'] + '<|im_end|>' -}}
    {%- endif -%}
    {{- '\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\n' -}}
{%- endif -%}
"""
