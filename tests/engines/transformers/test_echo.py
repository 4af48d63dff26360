"""`echo` of `/v1/completions`, as OpenAI's package and evaluation harnesses ask for it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from finery.engines.transformers.echoes import located
from finery.engines.transformers.prompts import Job
from finery.engines.transformers.sampling import Sampling
from finery.engines.transformers.vocabulary import Vocabulary
from tests.engines.conftest import Engine
from tests.engines.tiny import CONTEXT, make_tokenizer

TEXTS = ["The smith keeps the fire", "锻铁炉是把生铁炼成熟铁的地方", "iron"]


@pytest.fixture
def client(engine: Engine) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{engine.url}/v1", api_key="any", max_retries=0) as sdk:
        yield sdk


@pytest.fixture(scope="module")
def tokenizer(model_folder: Path) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(model_folder)


@pytest.fixture(scope="module")
def model(model_folder: Path) -> LlamaForCausalLM:
    return LlamaForCausalLM.from_pretrained(model_folder).eval()


def plain_scores(model: LlamaForCausalLM, ids: list[int]) -> torch.Tensor:
    """Log-probabilities of all tokens at each position, by one forward pass."""
    with torch.inference_mode():
        return model(torch.tensor([ids])).logits[0].float().log_softmax(dim=-1)


class TestEcho:
    @pytest.mark.parametrize("max_tokens", [0, 1])
    @pytest.mark.parametrize("as_ids", [False, True])
    def test_equals_a_plain_forward_pass(
        self,
        client: openai.OpenAI,
        tokenizer: PreTrainedTokenizerFast,
        model: LlamaForCausalLM,
        max_tokens: int,
        as_ids: bool,
    ) -> None:
        prompts: list[list[int]] = [tokenizer(text)["input_ids"] for text in TEXTS]
        body = client.completions.create(
            model="tiny",
            prompt=prompts if as_ids else TEXTS,
            max_tokens=max_tokens,
            echo=True,
            logprobs=3,
            temperature=0,
            seed=1234,
        )
        assert [choice.index for choice in body.choices] == [0, 1, 2]
        for choice, ids, text in zip(body.choices, prompts, TEXTS, strict=True):
            plain = plain_scores(model, ids)
            told = choice.logprobs
            assert told is not None
            assert told.token_logprobs
            assert told.top_logprobs
            assert told.text_offset
            answer = [int(plain[-1].argmax())] * max_tokens
            assert told.tokens == [tokenizer.decode([token]) for token in ids + answer]
            assert told.token_logprobs[0] is told.top_logprobs[0] is None
            own = [float(plain[place, token]) for place, token in enumerate(ids[1:] + answer)]
            assert told.token_logprobs[1:] == pytest.approx(own, abs=1e-4)
            for place, entry in enumerate(told.top_logprobs[1:]):
                assert max(entry.values()) == pytest.approx(float(plain[place].max()), abs=1e-4)
            assert choice.text == text + tokenizer.decode(answer, skip_special_tokens=True)
            assert told.text_offset[0] == 0
            assert choice.finish_reason == "length"
        assert body.usage is not None
        assert body.usage.prompt_tokens == sum(len(ids) for ids in prompts)
        assert body.usage.completion_tokens == 3 * max_tokens

    def test_one_list_of_ids_is_one_prompt_and_a_stream_tells_the_same(self, engine: Engine) -> None:
        body = {"prompt": [20, 21, 22], "max_tokens": 1, "echo": True, "logprobs": 1, "temperature": 0}
        (whole,) = engine.complete(**body)["choices"]
        response = engine.post("completions", **body, stream=True, stream_options={"include_usage": True})
        first, last, end = response.text.strip().split("\n\n")
        chunk = event_of(first)
        assert chunk["choices"] == [whole]
        assert chunk["usage"] is None
        assert event_of(last)["usage"]["total_tokens"] == 4
        assert end == "data: [DONE]"

    def test_without_logprobs_it_is_the_text_alone(self, engine: Engine) -> None:
        (choice,) = engine.complete("The smith", max_tokens=0, echo=True)["choices"]
        assert (choice["text"], choice["logprobs"]) == ("The smith", None)

    def test_a_prompt_may_fill_the_context_where_no_answer_is_asked(self, engine: Engine) -> None:
        body = {"prompt": [5] * CONTEXT, "echo": True, "logprobs": 0}
        (choice,) = engine.complete(**body, max_tokens=0)["choices"]
        assert len(choice["logprobs"]["tokens"]) == CONTEXT
        refused = engine.post("completions", **body, max_tokens=1)
        assert refused.json()["error"]["code"] == "context_length_exceeded"

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({}, "max_tokens"),
            ({"max_tokens": 2}, "max_tokens"),
            ({"max_tokens": 1, "n": 2}, "n"),
            ({"max_tokens": 1, "stop": "x"}, "stop"),
            ({"max_tokens": 1, "response_format": {"type": "json_object"}}, "response_format"),
            ({"max_tokens": 0, "echo": False}, "max_tokens"),
            ({"max_tokens": 0, "prompt": [[5] * 100] * 1400}, "prompt"),
        ],
    )
    def test_what_it_cannot_do_is_refused_by_name(self, engine: Engine, body: dict[str, Any], param: str) -> None:
        response = engine.post("completions", **{"prompt": "x", "echo": True, "logprobs": 1, **body})
        assert response.status_code == 400, response.text
        assert response.json()["error"]["param"] == param

    def test_chats_have_none(self, engine: Engine) -> None:
        response = engine.post("chat/completions", messages=[{"role": "user", "content": "x"}], echo=True)
        assert (response.status_code, response.json()["error"]["param"]) == (400, "echo")


def event_of(line: str) -> dict[str, Any]:
    return dict(json.loads(line.removeprefix("data: ")))


class TestLocated:
    def located(self, text: str | None, ids: list[int], answer: list[int]) -> tuple[str, list[int]]:
        vocabulary = Vocabulary(make_tokenizer(None))
        sampling = Sampling(logprobs=1)
        job = Job(
            index=0, prompt=ids, sampling=sampling, max_tokens=len(answer), stops=[], counts_prompt=True, text=text
        )
        return located(vocabulary, ids + answer, job)

    def test_each_token_begins_where_its_text_does(self) -> None:
        tokenizer = make_tokenizer(None)
        text = "The smith 锻 x"
        ids = tokenizer(text)["input_ids"]
        found, offsets = self.located(text, ids, tokenizer(" y")["input_ids"])
        assert found == text + " y"
        assert offsets[: len(ids)] == [
            start for start, _ in tokenizer(text, return_offsets_mapping=True).offset_mapping
        ]
        assert offsets[len(ids)] == len(text)

    def test_a_start_token_takes_no_room_in_a_text_but_does_among_ids(self) -> None:
        tokenizer = make_tokenizer(None)
        start, end = tokenizer.convert_tokens_to_ids(["<|user|>", "<|end|>"])
        ids = [start, *tokenizer("iron")["input_ids"]]
        text, offsets = self.located("iron", ids, [end])
        assert text == "iron"
        assert (offsets[:2], offsets[-1]) == ([0, 0], 4)
        assert self.located(None, ids, [end])[0] == "<|user|>iron"

    def test_an_end_token_is_named_though_the_text_does_not_show_it(self) -> None:
        tokenizer = make_tokenizer(None)
        ids, end = tokenizer("iron")["input_ids"], tokenizer.eos_token_id
        text, offsets = self.located("iron", ids, [end])
        assert (text, len(offsets)) == ("iron", len(ids) + 1)

    def test_what_is_no_character_stands_once(self) -> None:
        ids = make_tokenizer(None)("a\ufffd")["input_ids"]
        assert self.located("a\ufffd", ids, [])[0] == "a\ufffd"
