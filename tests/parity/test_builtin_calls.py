"""The built-in models' template writes tools and calls, and the engine reads these calls back."""

import json
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from finery.contracts.datasets import Conversation
from finery.contracts.datasets.message_reader import read_messages
from finery.engines.transformers.prompts import prompts_of
from finery.engines.transformers.tool_calls import CallReader, find_form, shows_tools
from finery.trainers.builtin.tokenizer import train_tokenizer
from finery.trainers.encoding import MASKED, Encoder
from tests.parity.chats import TOOLS

QUESTION = {"role": "user", "content": "Hot?"}


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return train_tokenizer()


def calling(*named: tuple[str, dict[str, Any]], content: str = "") -> dict[str, Any]:
    calls = [{"type": "function", "function": {"name": name, "arguments": arguments}} for name, arguments in named]
    return {"role": "assistant", "content": content, "tool_calls": calls}


class TestTemplate:
    def test_tells_of_tools(self, tokenizer: PreTrainedTokenizerBase) -> None:
        prompts = prompts_of(tokenizer)
        assert shows_tools(prompts)
        assert "tools" not in prompts.left_out(TOOLS)
        assert prompts.text([QUESTION], TOOLS, prompt=True).endswith(prompts.text([QUESTION], prompt=True))

    def test_is_as_before_without_them(self, tokenizer: PreTrainedTokenizerBase) -> None:
        answer = {"role": "assistant", "content": "Yes."}
        expected = "<|im_start|>user\nHot?<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>\n"
        assert prompts_of(tokenizer).text([QUESTION, answer]) == expected

    @pytest.mark.parametrize("content", ["", "Let me look."])
    @pytest.mark.parametrize(
        "calls",
        [
            [("temperature_of", {"place": "炉", "unit": "°C"})],
            [("a", {}), ("b", {"deep": {"list": [1, "</tool_call>"]}, "quote": '"\n'})],
        ],
    )
    def test_its_calls_are_read_back(
        self, tokenizer: PreTrainedTokenizerBase, calls: list[tuple[str, dict[str, Any]]], content: str
    ) -> None:
        prompts = prompts_of(tokenizer)
        form = find_form(prompts)
        assert form is not None
        asked = prompts.text([QUESTION], TOOLS, prompt=True)
        answered = prompts.text([QUESTION, calling(*calls, content=content)], TOOLS)
        reader = CallReader(form, max_calls=None)
        said, made = reader.push(answered.removeprefix(asked).removesuffix("<|im_end|>\n"))
        assert said + reader.flush() == content
        assert [(call.name, json.loads(call.arguments)) for call in made] == calls

    def test_calls_are_learned(self, tokenizer: PreTrainedTokenizerBase) -> None:
        messages = read_messages([QUESTION, calling(("temperature_of", {"place": "x"}))], "messages")
        conversation = Conversation.of(messages, tools=TOOLS)
        (row,) = Encoder(tokenizer).conversation(conversation, completion_only=True)
        learned = [token for token, label in zip(row["input_ids"], row["labels"], strict=True) if label != MASKED]
        expected = '<tool_call>{"name": "temperature_of", "arguments": {"place": "x"}}</tool_call><|im_end|>'
        assert tokenizer.decode(learned) == expected
