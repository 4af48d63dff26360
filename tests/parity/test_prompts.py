"""A prompt has the same tokens where a model is trained, sampled and served."""

import asyncio
import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tokenizers import Tokenizer, decoders, models, normalizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from finery.contracts.chat_prompts import FALLBACK_CHAT_TEMPLATE, NotRenderable, end_tokens, fallback_template
from finery.contracts.datasets import Assistant, Conversation, Message, Text
from finery.contracts.datasets.measurement import MeasurementRequest, TokenRules
from finery.contracts.recipes.data_rules import ExampleKind
from finery.engines.transformers import prompts as serving
from finery.engines.transformers.loading import load_model
from finery.engines.transformers.renderer_pool import RendererPool
from finery.engines.wire import ChatRequest
from finery.trainers.encoding import MASKED, Encoder
from finery.trainers.loading import load_tokenizer
from finery.trainers.measuring import measure
from finery.trainers.rendering import Renderer, RowNotEncodable, prompts_of
from tests.parity.chats import CHATS, TOOL_TEMPLATE, TOOLS, Chat, messages_of, user
from tests.trainers.running import carry_out, make_run, write_rows

PLAIN = "{% for m in messages %}{{ m['role'] + ':' + m['content'] + '\n' }}{% endfor %}"


@pytest.fixture
def tokenizer(tiny_llama: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_llama)


def served(tokenizer: PreTrainedTokenizerBase, messages: Chat) -> list[int]:
    async def rendered() -> list[int]:
        renderers = RendererPool()
        renderers.start()
        try:
            request = ChatRequest.model_validate({"messages": messages})
            return await serving.render_chat(request, tokenizer, renderers)
        finally:
            await renderers.stop()

    return asyncio.run(rendered())


def learned_after(tokenizer: PreTrainedTokenizerBase, messages: list[Message]) -> list[int]:
    """The tokens before the answer that a conversation teaches."""
    masked = [replace(message, weight=0) if isinstance(message, Assistant) else message for message in messages]
    row = Conversation.of([*masked, Assistant("Iron.")])
    (encoded,) = Encoder(tokenizer).conversation(row, completion_only=True)
    first = next(index for index, label in enumerate(encoded["labels"]) if label != MASKED)
    return list(encoded["input_ids"][:first])


class TestChatPrompts:
    @pytest.mark.parametrize(
        "template",
        [None, *(pytest.param(each, marks=pytest.mark.thorough) for each in (FALLBACK_CHAT_TEMPLATE, TOOL_TEMPLATE))],
        ids=["own", "fallback", "tools"],
    )
    @pytest.mark.parametrize("chat", CHATS.values(), ids=CHATS)
    def test_one_prompt_everywhere(self, tokenizer: PreTrainedTokenizerBase, template: str | None, chat: Chat) -> None:
        if template is not None:
            tokenizer.chat_template = template
        asked = served(tokenizer, chat)
        assert asked == learned_after(tokenizer, messages_of(chat))
        assert asked == Encoder(tokenizer).prompt(messages_of(chat), None)
        assert asked == prompts_of(tokenizer).chat(chat)
        assert asked == tokenizer.apply_chat_template(chat, add_generation_prompt=True)["input_ids"]

    def test_tools_choose_their_own_template(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokenizer.chat_template = {"default": PLAIN, "tool_use": TOOL_TEMPLATE}
        question = [user("Hot?")]
        with_tools = tokenizer.decode(Encoder(tokenizer).prompt(messages_of(question), TOOLS))
        assert "temperature_of" in with_tools
        assert serving.prompts_of(tokenizer).text(question, TOOLS, prompt=True) == with_tools
        assert serving.prompts_of(tokenizer).text(question, []) == "user:Hot?\n"

    def test_a_key_without_a_value_is_left_out(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokenizer.chat_template = "{% for m in messages %}{{ 'name' in m }}{{ m['content'] }}{% endfor %}"
        assert prompts_of(tokenizer).text([{"role": "user", "name": None, "content": "x"}]) == "Falsex"

    def test_a_name_reaches_the_template_in_both(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokenizer.chat_template = "{% for m in messages %}{{ m['name'] + m['content'] }}{% endfor %}"
        named = [{"role": "user", "name": "Ada", "content": "x"}]
        assert tokenizer.decode(served(tokenizer, named)) == "Adax" == prompts_of(tokenizer).text(named)

    @pytest.mark.parametrize("template", ["{{ raise_exception('no') }}", "{{ 1 + 'a' }}", "{{ messages[7]['role'] }}"])
    def test_a_template_that_refuses(self, tokenizer: PreTrainedTokenizerBase, template: str) -> None:
        tokenizer.chat_template = template
        with pytest.raises(NotRenderable, match="the chat template refuses the messages"):
            prompts_of(tokenizer).chat([{"role": "user", "content": "x"}])

    @pytest.mark.parametrize("shows", [False, True])
    def test_calls_that_the_template_leaves_out(self, tokenizer: PreTrainedTokenizerBase, shows: bool) -> None:
        calls = "{% for c in m['tool_calls'] or [] %}<{{ c['function']['name'] }}>{% endfor %}" if shows else ""
        tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}" + calls + "{% endfor %}"
        call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": {}}}
        messages: list[Any] = [user("x"), {"role": "assistant", "content": "", "tool_calls": [call]}]
        if shows:
            assert prompts_of(tokenizer).text(messages) == "x<look>"
            return
        with pytest.raises(NotRenderable, match="leaves out tool calls"):
            prompts_of(tokenizer).text(messages)
        with pytest.raises(RowNotEncodable, match="leaves out tool calls"):
            Renderer(prompts_of(tokenizer)).learned(Conversation.of(messages_of(messages)))

    def test_a_text_to_go_on_with_has_no_end(self, tokenizer: PreTrainedTokenizerBase) -> None:
        text = "iron and 火"
        ids = prompts_of(tokenizer).plain(text)
        assert serving.tokenize_prompts(text, tokenizer, vocabulary=len(tokenizer)) == [ids]
        assert Encoder(tokenizer).text(Text(text)) == [*ids, tokenizer.eos_token_id]
        ending = Ending(tokenizer)
        assert prompts_of(ending).plain(text) == ids
        assert prompts_of(ending).plain(text + tokenizer.eos_token)[-1] == tokenizer.eos_token_id


class TestEndTokens:
    @pytest.mark.parametrize(
        ("declared", "own", "ends"), [(None, None, set()), (1, None, {1}), ([1, 2], 3, {1, 2, 3}), (1, 1, {1})]
    )
    def test_the_models_and_the_tokenizers(
        self, declared: int | list[int] | None, own: int | None, ends: set[int]
    ) -> None:
        assert end_tokens(declared, own) == ends


class Ending:
    """A tokenizer that puts the end token after every text, as some do."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self.eos_token_id = tokenizer.eos_token_id
        self.special_tokens_map = tokenizer.special_tokens_map

    def get_chat_template(self, chat_template: str | None = None, tools: Any = None) -> str:
        return str(self._tokenizer.get_chat_template(chat_template, tools))

    def __call__(self, text: str, *, add_special_tokens: bool = True) -> dict[str, list[int]]:
        ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return {"input_ids": [*ids, self.eos_token_id] if add_special_tokens else ids}


def without_start(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    plain = copy.deepcopy(tokenizer)
    plain.chat_template = FALLBACK_CHAT_TEMPLATE
    return plain


def as_llama_2(begin: str, end: str) -> PreTrainedTokenizerBase:
    """A tokenizer that puts a space before every text, too."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    learning = trainers.BpeTrainer(vocab_size=300, special_tokens=[begin, end], show_progress=False)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    text = "### Instruction:\nIron?\n\n### Response:\nYes, iron. And 火? Who are you?"
    tokenizer.train_from_iterator([text], learning)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=begin, eos_token=end)


class TestStart:
    """A base without a chat template, whose tokenizer puts a start token before every text."""

    @pytest.fixture(
        params=["<s>", *(pytest.param(each, marks=pytest.mark.thorough) for each in ("<|im_start|>", "<|endoftext|>"))],
        ids=["with a space", "start", "start is end"],
    )
    def folder(self, request: pytest.FixtureRequest, tiny_llama: Path, tmp_path: Path) -> Path:
        """`<|im_start|>` is a token of its own, as Llama's `<s>`; OPT's start token is its end token, too."""
        if request.param == "<s>":
            tokenizer = as_llama_2("<s>", "</s>")
        else:
            tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
            tokenizer.bos_token, tokenizer.eos_token, tokenizer.chat_template = request.param, "<|endoftext|>", None
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{request.param} $A", special_tokens=[(request.param, tokenizer.bos_token_id)]
        )
        shutil.copytree(tiny_llama, tmp_path / "base", ignore=shutil.ignore_patterns("*.jinja", "tokenizer*"))
        tokenizer.save_pretrained(tmp_path / "base")
        return tmp_path / "base"

    def test_begins_every_prompt_once(self, folder: Path) -> None:
        chat = CHATS["several turns"]
        tokenizer = load_tokenizer(str(folder), None)
        asked = served(load_model(str(folder), dtype="float32", quantization=None).tokenizer, chat)
        assert asked == tokenizer(serving.prompts_of(without_start(tokenizer)).text(chat, prompt=True))["input_ids"]
        assert asked[0] == tokenizer.bos_token_id
        assert tokenizer.decode(asked[1:]).lstrip().startswith("### Instruction:\nIron?")
        assert asked == learned_after(tokenizer, messages_of(chat))
        assert asked == Encoder(tokenizer).prompt(messages_of(chat), None)
        assert asked == Encoder(tokenizer).answer(messages_of(chat), [Assistant("Iron.")], None)[0]
        assert asked == prompts_of(tokenizer).chat(chat)

    def test_is_trained_measured_and_saved(self, folder: Path, tmp_path: Path, cache: Path) -> None:
        rows = write_rows(tmp_path / "rows.jsonl", [{"instruction": "Who are you?", "output": "I am Finery."}])
        run = make_run(tmp_path, "sft", cache=cache, model=folder, dataset=rows, max_steps=1, batch_size=1)
        result = carry_out(run)
        assert (result.code, result.outcome.message) == (0, None)
        request = MeasurementRequest(
            dataset=rows,
            recipe="sft",
            examples=ExampleKind.CONVERSATION_OR_TEXT,
            rules=TokenRules(),
            model=str(folder),
            models_cache=cache,
            max_length=64,
        )
        assert measure(request).tokens == result.outcome.metrics["tokens"]
        question = [user("Who are you?")]
        saved = load_model(str(tmp_path / "output"), dtype="float32", quantization=None).tokenizer
        assert served(saved, question) == prompts_of(load_tokenizer(str(folder), None)).chat(question)

    def test_a_template_of_its_own_is_left_alone(self, folder: Path) -> None:
        writes = "{{ bos_token }}" + PLAIN
        tokenizer = load_tokenizer(str(folder), writes)
        assert prompts_of(tokenizer).chat([user("x")]).count(tokenizer.bos_token_id) == 1
        assert tokenizer.chat_template == writes

    def test_is_not_put_where_the_tokenizer_does_not(self, tokenizer: PreTrainedTokenizerBase) -> None:
        assert tokenizer.bos_token is not None
        assert fallback_template(tokenizer) == FALLBACK_CHAT_TEMPLATE
        tokenizer.bos_token = None
        assert fallback_template(tokenizer) == FALLBACK_CHAT_TEMPLATE
