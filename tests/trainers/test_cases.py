"""What becomes of the inputs in tests/cases as tokens: their right values."""

from pathlib import Path

import pytest
from datasets import Dataset
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from finery.contracts.datasets import Assistant, Conversation, Message, Text, User, iter_conversations
from finery.contracts.datasets.measurement import MeasurementRequest, TokenRules
from finery.contracts.datasets.report import WarningKind
from finery.contracts.recipes.data_rules import ExampleKind
from finery.trainers.encoding import MASKED, Encoder
from finery.trainers.measuring import measure
from finery.trainers.rendering import RowNotEncodable

CASES = Path(__file__).parents[1] / "cases"
ASKING = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
LAST_REASONS = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ m['content'] + '<|im_end|>\n' }}{% endfor %}" + ASKING
)
JOINS_ARGUMENTS = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] }}"
    "{% for c in m['tool_calls'] or [] %}{{ '<call>' + c['function']['name'] + '\n' + c['function']['arguments'] }}"
    "{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}" + ASKING
)
OPENS_REASONING = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}"
)


@pytest.fixture
def tokenizer(tiny_llama: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_llama)


def rows(name: str) -> list[Conversation]:
    return [row for row in iter_conversations(CASES / name) if isinstance(row, Conversation)]


def learned(encoder: Encoder, tokenizer: PreTrainedTokenizerBase, row: Conversation) -> list[str]:
    encoded = encoder.conversation(row, completion_only=True)
    return [tokenizer.decode([label for label in one["labels"] if label != MASKED]) for one in encoded]


class TestText:
    def test_has_one_beginning_and_one_end(self, tokenizer: PreTrainedTokenizerBase) -> None:
        begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", begin)]
        )
        encoder = Encoder(tokenizer)
        for row in iter_conversations(CASES / "text_bos.jsonl"):
            assert isinstance(row, Text)
            ids = encoder.text(row)
            assert (ids[0], ids[-1], ids.count(begin), ids.count(end)) == (begin, end, 1, 1), row.text

    def test_a_beginning_that_was_written_twice_stays(self, tokenizer: PreTrainedTokenizerBase) -> None:
        ids = Encoder(tokenizer).text(Text("<|endoftext|><|endoftext|>a"))
        assert ids.count(tokenizer.bos_token_id) == 2


class TestWeightFirst:
    def test_is_cut_after_each_learned_answer(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokenizer.chat_template = LAST_REASONS
        encoder = Encoder(tokenizer)
        found = [learned(encoder, tokenizer, row) for row in rows("weight_first.jsonl")]
        thought = "<think>\n\n</think>\n\n"
        one, two = f"{thought}A1<|im_end|>", f"{thought}A2<|im_end|>"
        assert found == [[one], [one], [one, two]]
        assert encoder.left_out == 0


class TestArguments:
    def test_are_text_where_the_template_joins_them(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokenizer.chat_template = JOINS_ARGUMENTS
        (row,) = rows("ds_args.jsonl")
        (found,) = learned(Encoder(tokenizer), tokenizer, row)
        assert found == '<call>get_weather\n{"city": "Zürich"}<|im_end|>12 degrees<|im_end|>'


class TestOpenedReasoning:
    def test_is_named_with_its_remedy(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokenizer.chat_template = OPENS_REASONING
        with pytest.raises(
            RowNotEncodable, match=r"asks the model with <think> already written.* name a chat_template"
        ):
            learned(Encoder(tokenizer), tokenizer, rows("weight_first.jsonl")[2])


class TestLeftOut:
    """A template without tools or reasoning, and one with both."""

    WRITES = (
        "{{ tools | tojson if tools else '' }}{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
        "{{ (m['reasoning_content'] or '') + m['content'] + '<|im_end|>\n' }}{% endfor %}" + ASKING
    )
    PLAIN = (
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
        "{{ m['content'].split('</think>')[-1] + '<|im_end|>\n' }}{% endfor %}" + ASKING
    )

    def warnings(self, tokenizer: PreTrainedTokenizerBase, template: str, name: str) -> list[set[WarningKind]]:
        tokenizer.chat_template = template
        encoder = Encoder(tokenizer)
        return [encoder.warnings(row, row.tools) for row in rows(name)]

    def test_tools(self, tokenizer: PreTrainedTokenizerBase) -> None:
        assert self.warnings(tokenizer, self.PLAIN, "tools_no_calls.jsonl") == [{WarningKind.TOOLS_LEFT_OUT}]
        assert self.warnings(tokenizer, self.WRITES, "tools_no_calls.jsonl") == [set()]

    def test_reasoning(self, tokenizer: PreTrainedTokenizerBase) -> None:
        assert self.warnings(tokenizer, self.PLAIN, "reasoning.jsonl") == [{WarningKind.REASONING_LEFT_OUT}] * 3
        assert self.warnings(tokenizer, self.WRITES, "reasoning.jsonl") == [set()] * 3

    def test_is_told_of_a_file(self, tokenizer: PreTrainedTokenizerBase, tiny_llama: Path, cache: Path) -> None:
        request = MeasurementRequest(
            dataset=CASES / "tools_no_calls.jsonl",
            recipe="sft",
            examples=ExampleKind.CONVERSATION_OR_TEXT,
            rules=TokenRules(chat_template=self.PLAIN),
            model=str(tiny_llama),
            models_cache=cache,
            max_length=64,
        )
        (warning,) = measure(request).warnings
        assert (warning.kind, warning.count, warning.places[0].line) == (WarningKind.TOOLS_LEFT_OUT, 1, 1)


class TestControlTokens:
    @pytest.mark.parametrize(
        "messages", [[User("a <|im_end|> b"), Assistant("c")], [User("a"), Assistant("<|im_start|>")]]
    )
    def test_in_a_text_are_pointed_out(self, tokenizer: PreTrainedTokenizerBase, messages: list[Message]) -> None:
        encoder = Encoder(tokenizer)
        assert encoder.warnings(Conversation.of(messages), None) == {WarningKind.CONTROL_TOKENS}
        assert encoder.warnings(Conversation.of([User("im_end"), Assistant("<|x|>")]), None) == set()

    def test_are_text_on_request(self, tokenizer: PreTrainedTokenizerBase) -> None:
        row = Conversation.of([User("a <|im_end|> b"), Assistant("<|im_start|>!")])
        encoder = Encoder(tokenizer, split_special_tokens=True)
        (split,) = encoder.conversation(row, completion_only=True)
        (control,) = Encoder(tokenizer).conversation(row, completion_only=True)
        assert tokenizer.decode(split["input_ids"]) == tokenizer.decode(control["input_ids"])
        ends = [ids["input_ids"].count(tokenizer.eos_token_id) for ids in (split, control)]
        assert ends == [2, 3], "the template's own stay"
        assert encoder.warnings(row, None) == set()
        prompt, answer = encoder.answer(row.messages[:1], row.messages[1:], None)
        assert [*prompt, *answer] == split["input_ids"][: len(prompt) + len(answer)]
        assert encoder.parity_prompts[0].messages == [{"role": "user", "content": "a <|im_end|> b"}]


class TestUnion:
    def test_all_files_give_equal_tokens(self, tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
        tokenizer.chat_template = (
            "{{ tools | tojson }}{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] }}"
            "{% for c in m['tool_calls'] or [] %}{{ c | tojson }}{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}" + ASKING
        )
        encoder = Encoder(tokenizer)
        Dataset.from_parquet(str(CASES / "tools_union.parquet"), cache_dir=str(tmp_path)).save_to_disk(
            tmp_path / "saved"
        )
        (own,) = (tmp_path / "saved").glob("*.arrow")
        lines, columns, stream = (
            [encoder.conversation(row, completion_only=True) for row in rows(path)]
            for path in ("tools_union.jsonl", "tools_union.parquet", str(own))
        )
        assert lines == columns == stream
