"""Trains the built-in models' tokenizer, a byte-level BPE, on the samples that Finery ships."""

import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

VOCABULARY_SIZE = 4096
MAX_LENGTH = 2048
PAD, END_OF_TEXT, TURN_START, TURN_END = "<|pad|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS = [PAD, END_OF_TEXT, TURN_START, TURN_END]

CHAT_TEMPLATE = """\
{%- if tools -%}
    {{- '<|im_start|>tools' -}}
    {%- for tool in tools -%}
        {{- '\\n' + (tool | tojson) -}}
    {%- endfor -%}
    {{- '<|im_end|>\\n' -}}
{%- endif -%}
{%- for message in messages -%}
    {{- '<|im_start|>' + message['role'] + '\\n' -}}
    {%- if message['role'] == 'assistant' -%}
        {%- generation -%}
            {{- message['content'] or '' -}}
            {%- for call in message['tool_calls'] or [] -%}
                {{- '\\n' if message['content'] or not loop.first else '' -}}
                {{- '<tool_call>{"name": ' + (call['function']['name'] | tojson) -}}
                {{- ', "arguments": ' + (call['function']['arguments'] | tojson) + '}</tool_call>' -}}
            {%- endfor -%}
            {{- '<|im_end|>' -}}
        {%- endgeneration -%}
    {%- else -%}
        {{- message['content'] + '<|im_end|>' -}}
    {%- endif -%}
    {{- '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""

SAMPLES = Path(__file__).parents[2] / "samples"
SAMPLE_FILES = ("instructions.jsonl", "preferences.jsonl", "feedback.jsonl", "corpus.jsonl")


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Returns the same tokenizer each time: files and rows are read in a fixed order."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=sorted(ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_sample_texts(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END_OF_TEXT,
        eos_token=TURN_END,
        pad_token=PAD,
        additional_special_tokens=[TURN_START],
        chat_template=CHAT_TEMPLATE,
        model_max_length=MAX_LENGTH,
        clean_up_tokenization_spaces=False,
    )


def _sample_texts() -> Iterator[str]:
    for name in SAMPLE_FILES:
        for line in (SAMPLES / name).read_text(encoding="utf-8").splitlines():
            yield from _strings_of(json.loads(line))


def _strings_of(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings_of(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings_of(item)
