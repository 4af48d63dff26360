import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from finery.engines.transformers.answers import Choice, Piece, choice_pieces
from finery.engines.transformers.output_constraints import OutputConstraints
from finery.engines.transformers.prompts import Job, prompts_of
from finery.engines.transformers.response_bodies import ChatBodyFormat
from finery.engines.transformers.sampling import Matcher, SampledToken, Sampling
from finery.engines.transformers.tool_calls import find_form
from finery.engines.transformers.vocabulary import Vocabulary
from tests.engines.tiny import CHAT_TEMPLATE, make_tokenizer
from tests.engines.transformers.templates import TAGGED

TOKENIZER = make_tokenizer(CHAT_TEMPLATE)
END = TOKENIZER.convert_tokens_to_ids("<|end|>")
USER = TOKENIZER.convert_tokens_to_ids("<|user|>")
CALL = '<tool_call>\n{"name": "forge", "arguments": {}}\n</tool_call>'


class Spoken:
    """Says given tokens, whatever is asked."""

    end_tokens = frozenset({END})

    def __init__(self, tokens: list[int]) -> None:
        self._tokens = tokens

    async def stream(
        self, prompt: list[int], sampling: Sampling, *, max_tokens: int, matcher: Matcher | None = None
    ) -> AsyncGenerator[SampledToken]:
        for token in self._tokens:
            yield SampledToken(token, -0.5)


def pieces(
    tokens: list[int], *, stops: list[str] | None = None, constraints: OutputConstraints | None = None
) -> list[Piece]:
    job = Job(index=0, prompt=[1], sampling=Sampling(), max_tokens=99, stops=stops or [], counts_prompt=True)

    async def collect() -> list[Piece]:
        made = choice_pieces(Spoken(tokens), Vocabulary(TOKENIZER), job, constraints or OutputConstraints())
        async with aclosing(made) as found:
            return [piece async for piece in found]

    return asyncio.run(collect())


def whole(tokens: list[int], **options: Any) -> Choice:
    choice = Choice(0)
    for piece in pieces(tokens, **options):
        choice.add(piece)
    return choice


def shown(choice: Choice) -> str:
    """What the log-probabilities tell of, put together."""
    body = ChatBodyFormat(Vocabulary(TOKENIZER)).whole(choice)["logprobs"]
    if body is None:
        return ""
    return bytes(byte for entry in body["content"] for byte in entry["bytes"]).decode(errors="replace")


def encoded(text: str) -> list[int]:
    return list(TOKENIZER(text)["input_ids"])


class TestTokensOfThePieces:
    @pytest.mark.parametrize("text", ["The smith kept the fire.", "锻铁炉 and 🔥", "x"])
    def test_are_those_of_the_text_without_the_end(self, text: str) -> None:
        choice = whole([*encoded(text), END])
        assert (choice.text, shown(choice), choice.finish_reason) == (text, text, "stop")
        assert choice.generated == len(encoded(text)) + 1

    def test_end_where_a_stop_string_begins(self) -> None:
        tokens = [token for part in ("The smith", " kept", " the", " fire") for token in encoded(part)]
        choice = whole(tokens, stops=[" the fire"])
        assert (choice.text, shown(choice)) == ("The smith kept", "The smith kept")
        assert choice.generated == len(tokens)

    def test_come_with_the_text_that_they_begin_in(self) -> None:
        """What may yet become a stop string is held back, and its tokens with it."""
        tokens = [token for part in ("iron", " the", " smith", " fire") for token in encoded(part)]
        found = pieces(tokens, stops=[" the fire"])
        assert "".join(piece.text for piece in found) == "iron the smith fire"
        text, told = "", ""
        for piece in found:
            text += piece.text
            told += TOKENIZER.decode([sampled.token for sampled in piece.tokens])
            assert told.startswith(text)
        assert told == text

    def test_are_none_that_the_text_leaves_out(self) -> None:
        choice = whole([*encoded("iron"), USER, *encoded(" fire"), END])
        assert (choice.text, shown(choice)) == ("iron fire", "iron fire")

    def test_show_an_unfinished_character(self) -> None:
        choice = whole(encoded("🔥")[:1])
        assert (choice.text, len(choice.tokens)) == ("\ufffd", 1)

    def test_end_where_a_call_begins(self) -> None:
        form = find_form(prompts_of(make_tokenizer(TAGGED)))
        tokens = [*encoded("I will."), *encoded("\n" + CALL), END]
        choice = whole(tokens, constraints=OutputConstraints(form=form))
        assert [call.name for call in choice.calls] == ["forge"]
        assert shown(choice) == choice.text == "I will."
        assert choice.generated == len(tokens)
