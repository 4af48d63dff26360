"""Tokenizers of the hub's families, each trained on a few sentences: they cut, start, end and pad texts differently."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from finery.trainers.builtin.tokenizer import SAMPLES

VOCABULARY = 400
WORDS = 150
CHATML = (
    "{% for message in messages %}{{ '' if loop.first else '\\n' }}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{{ message['content'] + '<|im_end|>' }}{% endfor %}{{ '\\n<|im_start|>assistant\\n' if add_generation_prompt }}"
)
"""Qwen's, with the line break before a turn. After it, TRL would learn the break too, and Finery, by design, not."""
BRACKETS = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}[INST] {{ message['content'] }} "
    "[/INST]{% else %} {{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
NAMES = (
    "{{ bos_token }}{% for message in messages %}{{ message['role'] }} : {{ message['content'] }}{{ eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}assistant : {% endif %}"
)


@dataclass(frozen=True)
class Family:
    name: str
    traits: str
    make: Callable[[], PreTrainedTokenizerBase]


def texts() -> Iterator[str]:
    """Yields the English samples: not every family has a token for each Chinese character."""
    for line in (SAMPLES / "instructions.jsonl").read_text(encoding="utf-8").splitlines():
        yield from (message["content"] for message in json.loads(line)["messages"] if message["content"].isascii())


def byte_level(*special: str) -> Tokenizer:
    """Returns a BPE of bytes, as GPT-2, Llama 3 and Qwen have it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    return tokenizer


def qwen() -> PreTrainedTokenizerBase:
    return PreTrainedTokenizerFast(
        tokenizer_object=byte_level("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=CHATML,
    )


def gpt2() -> PreTrainedTokenizerBase:
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(tokenizer_object=byte_level(end), bos_token=end, eos_token=end, unk_token=end)


def llama2() -> PreTrainedTokenizerBase:
    """A base model's: SentencePiece's BPE with a token for each byte, and a start token before every text."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=["<unk>", "<s>", "</s>"], max_token_length=8, show_progress=False
    )
    tokenizer.train_from_iterator(texts(), trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    pieces = [*sorted(learned["vocab"], key=learned["vocab"].__getitem__), *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.model = models.BPE(
        vocab={piece: number for number, piece in enumerate(pieces)},
        merges=[tuple(pair) for pair in learned["merges"]],
        unk_token="<unk>",
        fuse_unk=True,
        byte_fallback=True,
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def unigram() -> PreTrainedTokenizerBase:
    """SentencePiece's unigram model, whose template begins with the start token, as an instructed Mistral's does."""
    characters, words = _pieces()
    scored = [(piece, -8.0) for piece in ["▁", *characters]] + [(f"▁{word}", -4.0) for word in words]
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *scored], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", chat_template=BRACKETS
    )


def wordpiece() -> PreTrainedTokenizerBase:
    """BERT's, which puts a token before and one after every text."""
    characters, words = _pieces()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *characters, *(f"##{one}" for one in characters), *words]
    tokenizer = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="[CLS]",
        eos_token="[SEP]",
        unk_token="[UNK]",
        pad_token="[PAD]",
        chat_template=NAMES,
    )


def _pieces() -> tuple[list[str], list[str]]:
    """Returns all characters of text, and the most frequent words: their trainers' order is another at each run."""
    words = Counter(word for text in texts() for word in text.split() if word.isalpha() and len(word) > 1)
    characters = list(map(chr, range(33, 127)))
    return characters, sorted(words, key=lambda word: (-words[word], word))[:WORDS]


FAMILIES: tuple[Family, ...] = (
    Family("qwen", "byte-level BPE, ChatML, pad", qwen),
    Family("llama2", "SentencePiece BPE, BOS before every text, no template, no pad", llama2),
    Family("wordpiece", "WordPiece, `[CLS]` and `[SEP]` around every text, template, pad", wordpiece),
    Family("unigram", "SentencePiece unigram, BOS before every text and in the `[INST]` template, no pad", unigram),
    Family("gpt2", "byte-level BPE, no template, no pad", gpt2),
)
PAIRED = FAMILIES[:3]
"""One of each kind, which every architecture meets in `make test-thorough`; the others in the whole matrix."""
