from typing import Any

import pytest

from finery.engines.vllm.engine import VllmEngine
from finery.engines.wire import RequestRefused

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
USER = [{"role": "user", "content": "hi"}]
LINK = {"url": "http://169.254.169.254/"}
TEXT = {"type": "text", "text": "hi"}


def refused(path: str, **fields: Any) -> str | None:
    with pytest.raises(RequestRefused) as caught:
        VllmEngine.found().check_request(path, fields)
    assert caught.value.status == 400
    return caught.value.param


class TestCheckRequest:
    @pytest.mark.parametrize(
        "fields",
        [
            {"temperature": 0.5, "top_k": 4, "repetition_penalty": 1.1, "n": 2, "logprobs": True, "top_logprobs": 3},
            {"min_p": 0.1, "min_tokens": 2, "stop_token_ids": [1], "bad_words": ["x"], "logit_bias": {"1": -2}},
            {"structured_outputs": {"json": {"type": "object"}}},
            {"structured_outputs": {"choice": ["a", "b"]}},
            {"chat_template_kwargs": {"enable_thinking": False}, "continue_final_message": True},
            {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
            {"messages": [{"role": "user", "content": [TEXT]}]},
            {"messages": [*USER, {"role": "assistant", "content": "a", "reasoning": "b", "tool_calls": []}, *USER]},
        ],
        ids=lambda fields: ",".join(fields),
    )
    def test_what_vllm_honours_passes(self, fields: dict[str, Any]) -> None:
        VllmEngine.found().check_request(CHAT, {"model": "m", "messages": USER, **fields})

    def test_completions(self) -> None:
        VllmEngine.found().check_request(COMPLETIONS, {"prompt": "x", "echo": True, "min_p": 0.1, "logprobs": 2})
        assert refused(COMPLETIONS, prompt="x", suffix="y") == "suffix"
        assert refused(COMPLETIONS, prompt="x", prompt_embeds="AAAA") == "prompt_embeds"
        assert refused(COMPLETIONS, prompt="x", chat_template_kwargs={}) == "chat_template_kwargs"

    @pytest.mark.parametrize(
        "name",
        [
            "temprature",
            "guided_json",
            "best_of",
            "service_tier",
            "chat_template",
            "priority",
            "vllm_xargs",
            "kv_transfer_params",
            "mm_processor_kwargs",
        ],
    )
    def test_what_it_would_pass_over_is_named(self, name: str) -> None:
        assert refused(CHAT, messages=USER, **{name: "x"}) == name

    def test_the_older_form_of_tools_is_named(self) -> None:
        assert refused(CHAT, messages=USER, functions=[{"name": "forge"}]) == "functions"

    @pytest.mark.parametrize("name", ["chat_template", "tokenize"])
    def test_settings_of_a_template_replace_nothing(self, name: str) -> None:
        assert refused(CHAT, messages=USER, chat_template_kwargs={name: "x"}) == "chat_template_kwargs"

    @pytest.mark.parametrize("kind", ["image_url", "video_url", "audio_url", "input_audio", "image_embeds"])
    @pytest.mark.parametrize("role", ["system", "user", "assistant"])
    def test_content_is_text(self, kind: str, role: str) -> None:
        content = [TEXT, {"type": kind, kind: LINK}]
        name = refused(CHAT, messages=[{"role": role, "content": content}])
        assert name is not None
        assert name.startswith("messages[0].content[1]")

    def test_a_link_in_any_guise(self) -> None:
        for part in ({"type": "text", "text": "x", "image_url": LINK}, {"image_url": LINK}, LINK["url"]):
            assert refused(CHAT, messages=[{"role": "user", "content": [part]}]) is not None
