"""Templates are programs of their users: what they may take has a bound."""

import resource

import pytest
from transformers import PreTrainedTokenizerBase

from finery.trainers import rendering
from finery.trainers.rendering import Renderer, RowNotEncodable, TemplateRefused, prompts_of

MESSAGES = [{"role": "user", "content": "Who keeps the fire?"}]
BOMBS = [
    "{{ 'a' * 2000000000 }}",
    "{{ messages[0]['content'] * 10**8 }}",
    "{{ 'x'.ljust(3 * 10**9) }}",
    "{{ '%2000000000d'|format(1) }}",
    "{{ 'x'|center(2 * 10**9) }}",
    "{% set n = namespace(a='a' * 999) %}{% for i in range(40) %}{% set n.a = n.a + n.a %}{% endfor %}{{ n.a }}",
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    from finery.trainers.builtin.tokenizer import train_tokenizer

    return train_tokenizer()


@pytest.fixture
def renderer(tokenizer: PreTrainedTokenizerBase) -> Renderer:
    return Renderer(prompts_of(tokenizer))


class TestBounds:
    @pytest.mark.parametrize("template", BOMBS)
    def test_memory(self, tokenizer: PreTrainedTokenizerBase, renderer: Renderer, template: str) -> None:
        tokenizer.chat_template = template
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(TemplateRefused, match="takes more than 1 GiB of memory; choose another chat_template"):
            renderer.text(MESSAGES, None)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1.2 * 2**20

    def test_time(self, tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rendering, "CPU_SECONDS", 0.5)
        renderer = Renderer(prompts_of(tokenizer))
        endless = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
        tokenizer.chat_template = endless
        with pytest.raises(TemplateRefused, match=r"takes more than 0\.5 seconds"):
            renderer.text(MESSAGES, None)

    def test_length(self, tokenizer: PreTrainedTokenizerBase, renderer: Renderer) -> None:
        """A text of a gigabyte would fit; its tokens would not."""
        tokenizer.chat_template = "{{ 'a' * 3000000 }}"
        with pytest.raises(TemplateRefused, match=r"makes 3,000,000 characters of messages with \d+; choose"):
            renderer.text(MESSAGES, None)

    def test_long_messages_are_no_bomb(self, tokenizer: PreTrainedTokenizerBase, renderer: Renderer) -> None:
        tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
        assert len(renderer.text([{"role": "user", "content": "é" * 3_000_000}], None)) == 3_000_000


class TestErrors:
    @pytest.mark.parametrize(
        "template",
        [
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "{{ 1 / 0 }}",
            "{{ 2.0 ** 9999 }}",
            "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
            "{{ messages.nothing.at.all }}",
        ],
    )
    def test_of_the_template_are_its_refusal(
        self, tokenizer: PreTrainedTokenizerBase, renderer: Renderer, template: str
    ) -> None:
        tokenizer.chat_template = template
        with pytest.raises(RowNotEncodable, match="the chat template refuses the messages"):
            renderer.text(MESSAGES, None)
