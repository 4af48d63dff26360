import asyncio

import pytest
from transformers import GenerationConfig

from finery.contracts.chat_prompts import FALLBACK_CHAT_TEMPLATE, alpaca_prompt
from finery.engines.transformers.prompts import ModelLimits, chat_jobs, sampling_of, seed_of
from finery.engines.transformers.renderer_pool import RendererPool
from finery.engines.wire import ChatRequest, RequestRefused
from tests.engines.tiny import make_tokenizer

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": alpaca_prompt("Translate.", "火")}
ASSISTANT = {"role": "assistant", "content": "fire"}


class TestFallbackChatTemplate:
    def test_writes_the_prompt_style_of_the_guide(self) -> None:
        text = make_tokenizer(FALLBACK_CHAT_TEMPLATE).apply_chat_template(
            [SYSTEM, USER, ASSISTANT, {"role": "user", "content": "More?"}], tokenize=False, add_generation_prompt=True
        )
        assert text == (
            "Be brief.\n\n### Instruction:\nTranslate.\n\n### Input:\n火\n\n### Response:\nfire<|end|>\n\n"
            "### Instruction:\nMore?\n\n### Response:\n"
        )

    def test_trains_on_the_answer_and_its_end_alone(self) -> None:
        tokenizer = make_tokenizer(FALLBACK_CHAT_TEMPLATE)
        rendered = tokenizer.apply_chat_template([USER, ASSISTANT], return_assistant_tokens_mask=True)
        pairs = zip(rendered["input_ids"], rendered["assistant_masks"], strict=True)
        assert tokenizer.decode([token for token, trained in pairs if trained]) == "fire<|end|>"

    def test_the_prompt_for_an_answer_begins_like_the_training_text(self) -> None:
        tokenizer = make_tokenizer(FALLBACK_CHAT_TEMPLATE)
        asked = tokenizer.apply_chat_template([USER], tokenize=False, add_generation_prompt=True)
        trained = tokenizer.apply_chat_template([USER, ASSISTANT], tokenize=False)
        assert str(trained).startswith(str(asked))


class TestAlpacaPrompt:
    def test_leaves_out_an_empty_input(self) -> None:
        assert alpaca_prompt("Do.", "") == "Do."


class TestChatJobs:
    def test_what_the_template_raises_is_a_refusal(self) -> None:
        tokenizer = make_tokenizer("{{ raise_exception('no system turn, please') }}")
        request = ChatRequest.model_validate({"messages": [SYSTEM]})
        limits = ModelLimits(context=64, vocabulary=400, defaults=GenerationConfig())

        async def jobs() -> None:
            renderers = RendererPool()
            renderers.start()
            try:
                await chat_jobs(request, tokenizer, limits, renderers)
            finally:
                await renderers.stop()

        with pytest.raises(RequestRefused, match="no system turn, please"):
            asyncio.run(jobs())


class TestSamplingOf:
    def test_the_models_own_settings_stand_in_for_what_is_left_out(self) -> None:
        defaults = GenerationConfig(do_sample=True, temperature=0.6, top_k=20, repetition_penalty=1.1)
        request = ChatRequest.model_validate({"messages": [USER], "top_k": 0, "seed": 2**63 - 1})
        sampling = sampling_of(request, defaults, choice=1, logprobs=None)
        assert (sampling.temperature, sampling.top_k, sampling.top_p) == (0.6, 0, 1.0)
        assert (sampling.repetition_penalty, sampling.seed) == (1.1, seed_of(2**63 - 1, 1))

    def test_no_choice_has_the_seed_of_another_request(self) -> None:
        """As it would if a choice's number were added: choice 1 of seed 5 would be choice 0 of seed 6."""
        seeds = [*range(20), -1, -(2**63), 2**63 - 1]
        drawn = {(seed, choice): seed_of(seed, choice) for seed in seeds for choice in range(20)}
        assert len(set(drawn.values())) == len(drawn)
        assert all(0 <= seed < 2**63 for seed in drawn.values())
        assert drawn[5, 1] == 8895076263916537985
