"""Decodes tokens into text, and single tokens into the text and bytes that logprobs report."""

import json
import re

from transformers import PreTrainedTokenizerBase
from transformers.convert_slow_tokenizer import bytes_to_unicode

BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")


class Vocabulary:
    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._special = frozenset(token for token, added in tokenizer.added_tokens_decoder.items() if added.special)
        self._bytes_of_letters: dict[str, int] = {}
        decoder = json.loads(tokenizer.backend_tokenizer.to_str())["decoder"] if tokenizer.is_fast else None
        if '"ByteLevel"' in json.dumps(decoder):
            self._bytes_of_letters = {letter: byte for byte, letter in bytes_to_unicode().items()}

    def decode(self, tokens: list[int], *, kept: frozenset[int] = frozenset()) -> str:
        """Returns the text without special tokens, but for the `kept` ones."""
        if kept:
            tokens = [token for token in tokens if token in kept or token not in self._special]
        # Cleaning up spaces would make a text depend on where it was cut.
        text = self._tokenizer.decode(tokens, skip_special_tokens=not kept, clean_up_tokenization_spaces=False)
        return str(text)

    def decode_all(self, tokens: list[int]) -> str:
        """Returns the text with special tokens."""
        return str(self._tokenizer.decode(tokens, clean_up_tokenization_spaces=False))

    def count_added(self, tokens: list[int], text: str) -> int:
        """Returns how many special tokens stand before those of the text that these are the tokens of."""
        return next(
            (
                place
                for place, token in enumerate(tokens)
                if token not in self._special or text.startswith(self.text(token))
            ),
            len(tokens),
        )

    def is_shown(self, token: int, *, kept: frozenset[int] = frozenset()) -> bool:
        """Returns whether `decode` shows the token."""
        return token in kept or token not in self._special

    def text(self, token: int) -> str:
        return self.decode_all([token])

    def bytes(self, token: int) -> list[int]:
        """Returns the bytes that a token stands for, which may be a part of a character."""
        piece = self._tokenizer.convert_ids_to_tokens(token)
        if not isinstance(piece, str):
            return []
        if single := BYTE_TOKEN.fullmatch(piece):
            return [int(single[1], 16)]
        if self._bytes_of_letters and all(letter in self._bytes_of_letters for letter in piece):
            return [self._bytes_of_letters[letter] for letter in piece]
        return list(self.text(token).encode())
