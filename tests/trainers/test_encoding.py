"""What is learned is exact to the token, whatever the template."""

from pathlib import Path
from typing import Literal

import pytest
from tokenizers import Tokenizer
from tokenizers.decoders import Metaspace as MetaspaceDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.trainers import BpeTrainer
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from finery.contracts.chat_prompts import FALLBACK_CHAT_TEMPLATE
from finery.contracts.datasets import Assistant, Conversation, Message, Text, Tool, User
from finery.trainers.encoding import MASKED, Encoder
from finery.trainers.rendering import RowNotEncodable

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
ENDLESS = (
    "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
STOP_OUTSIDE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] }}{% endgeneration %}{% else %}{{ m['content'] }}"
    "{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
FORGETFUL = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{{ m['content'] if loop.last or m['role'] != 'assistant' else '(said before)' }}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPACED = (
    "{% for m in messages %}{{ m['role'] + ':' + '\n\n' + m['content'] + eos_token + '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' + '\n\n' }}{% endif %}"
)


@pytest.fixture
def tokenizer(tiny_llama: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_llama)


def user(text: str) -> User:
    return User(text)


def assistant(text: str, *, weight: Literal[0, 1] | None = None) -> Assistant:
    return Assistant(text, weight=weight)


def conversation(*messages: Message) -> Conversation:
    return Conversation.of(list(messages))


def learned_text(tokenizer: PreTrainedTokenizerBase, row: dict[str, list[int]]) -> str:
    return str(tokenizer.decode([label for label in row["labels"] if label != MASKED]))


class TestConversation:
    @pytest.mark.parametrize(
        ("template", "end"),
        [
            (None, "<|im_end|>"),
            (FALLBACK_CHAT_TEMPLATE, "<|im_end|>"),
            (CHATML, "<|im_end|>"),
            (ENDLESS, "<|im_end|>"),
            (STOP_OUTSIDE, "<|im_end|>"),
            (SPACED, "<|im_end|>"),
        ],
        ids=["own", "fallback", "chatml", "endless", "stop outside", "spaced"],
    )
    def test_learns_the_answer_and_its_end_only(
        self, tokenizer: PreTrainedTokenizerBase, template: str | None, end: str
    ) -> None:
        if template is not None:
            tokenizer.chat_template = template
        (row,) = Encoder(tokenizer).conversation(
            conversation(user("Who are you?"), assistant("I am Finery.")), completion_only=True
        )
        assert learned_text(tokenizer, row) == "I am Finery." + end
        question = [user("Who are you?").as_dict()]
        asked = tokenizer.apply_chat_template(question, tokenize=False, add_generation_prompt=True)
        prompt = tokenizer(asked, add_special_tokens=False)["input_ids"]
        assert row["input_ids"][: len(prompt)] == prompt
        assert row["labels"][: len(prompt)] == [MASKED] * len(prompt)
        assert row["labels"][len(prompt)] != MASKED

    @pytest.mark.parametrize("template", [None, CHATML, FALLBACK_CHAT_TEMPLATE], ids=["own", "chatml", "fallback"])
    def test_learns_every_turn_but_those_of_weight_0(
        self, tokenizer: PreTrainedTokenizerBase, template: str | None
    ) -> None:
        if template is not None:
            tokenizer.chat_template = template
        turns = [user("a"), assistant("One."), user("b"), assistant("Two.", weight=0), user("c"), assistant("Three.")]
        (row,) = Encoder(tokenizer).conversation(conversation(*turns), completion_only=True)
        assert learned_text(tokenizer, row) == "One.<|im_end|>Three.<|im_end|>"

    def test_a_template_that_rewrites_earlier_turns_gives_a_row_for_each(
        self, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        tokenizer.chat_template = FORGETFUL
        turns = [user("a"), assistant("One."), user("b"), assistant("Two.")]
        rows = Encoder(tokenizer).conversation(conversation(*turns), completion_only=True)
        assert [learned_text(tokenizer, row) for row in rows] == ["One.<|im_end|>", "Two.<|im_end|>"]
        assert "(said before)" in tokenizer.decode(rows[1]["input_ids"])

    def test_learns_all_on_request(self, tokenizer: PreTrainedTokenizerBase) -> None:
        (row,) = Encoder(tokenizer).conversation(conversation(user("a"), assistant("b")), completion_only=False)
        assert row["labels"] == row["input_ids"]

    def test_a_template_that_refuses_is_named(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokenizer.chat_template = FALLBACK_CHAT_TEMPLATE
        turns = [user("a"), assistant("b"), Tool("x"), assistant("c")]
        with pytest.raises(RowNotEncodable, match="knows the roles"):
            Encoder(tokenizer).conversation(conversation(*turns), completion_only=True)

    @pytest.mark.parametrize("template", [CHATML, ENDLESS], ids=["on a token's border", "within a token"])
    def test_a_tokenizer_that_puts_a_space_before_every_text(self, template: str) -> None:
        spaced = Tokenizer(BPE())
        spaced.pre_tokenizer = Metaspace(prepend_scheme="always")
        spaced.decoder = MetaspaceDecoder(prepend_scheme="always")
        marks = ["</s>", "<|im_start|>", "<|im_end|>"]
        spaced.train_from_iterator(["user assistant user: assistant: Question: ab\n"], BpeTrainer(special_tokens=marks))
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=spaced, eos_token="</s>", chat_template=template)
        row = conversation(user("ab"), assistant("ab"))
        if template == ENDLESS:
            with pytest.raises(RowNotEncodable, match="joins the end of the prompt"):
                Encoder(tokenizer).conversation(row, completion_only=True)
        else:
            (encoded,) = Encoder(tokenizer).conversation(row, completion_only=True)
            assert learned_text(tokenizer, encoded) == "ab<|im_end|>"

    def test_names_what_ends_an_answer(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokenizer.eos_token = "<|endoftext|>"
        encoder = Encoder(tokenizer)
        encoder.conversation(conversation(user("a"), assistant("b")), completion_only=True)
        ends = tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|im_end|>"])
        assert encoder.stop_tokens == set(ends)


class TestText:
    def test_ends_once(self, tokenizer: PreTrainedTokenizerBase) -> None:
        ids = Encoder(tokenizer).text(Text("iron"))
        assert tokenizer.decode(ids) == "iron<|im_end|>"
        assert tokenizer.decode(Encoder(tokenizer).text(Text("iron<|im_end|>"))) == "iron<|im_end|>"


class TestAnswer:
    @pytest.mark.parametrize(
        "template", [None, CHATML, ENDLESS, FALLBACK_CHAT_TEMPLATE], ids=["own", "chatml", "endless", "fallback"]
    )
    def test_parts_prompt_and_answer(self, tokenizer: PreTrainedTokenizerBase, template: str | None) -> None:
        if template is not None:
            tokenizer.chat_template = template
        prompt, answer = Encoder(tokenizer).answer([user("Who?")], [assistant("Finery.")], None)
        assert tokenizer.decode(answer) == "Finery.<|im_end|>"
        asked = tokenizer.apply_chat_template([user("Who?").as_dict()], tokenize=False, add_generation_prompt=True)
        assert prompt == tokenizer(asked, add_special_tokens=False)["input_ids"]


class TestScored:
    """A row of a reward model is what the template makes of it, whole: there it is asked, too."""

    @pytest.mark.parametrize("template", [CHATML, ENDLESS, STOP_OUTSIDE, SPACED, FALLBACK_CHAT_TEMPLATE])
    def test_ends_where_the_template_ends(self, tokenizer: PreTrainedTokenizerBase, template: str) -> None:
        tokenizer.chat_template = template
        messages: list[Message] = [user("Who are you?"), assistant("I am Finery.")]
        prompt, answer = Encoder(tokenizer).scored(messages[:1], messages[1:], None)
        whole = tokenizer.apply_chat_template([message.as_dict() for message in messages], tokenize=False)
        asked = tokenizer.apply_chat_template([messages[0].as_dict()], tokenize=False, add_generation_prompt=True)
        assert tokenizer.decode([*prompt, *answer]) == whole
        assert tokenizer.decode(prompt) == asked

    def test_of_several_messages(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokenizer.chat_template = CHATML
        answer: list[Message] = [assistant("One."), user("And?"), assistant("Two.")]
        _, tokens = Encoder(tokenizer).scored([user("Count.")], answer, None)
        assert tokenizer.decode(tokens).endswith("Two.<|im_end|>\n")
