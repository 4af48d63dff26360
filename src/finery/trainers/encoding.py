"""Encodes rows as tokens and labels: exactly the answers' tokens are learned, everything else is masked."""

import re
from contextlib import suppress
from typing import Any

from msgspec.structs import replace
from transformers import PreTrainedTokenizerBase

from finery.contracts.chat_prompts import Span
from finery.contracts.datasets import Assistant, Conversation, Message, Text
from finery.contracts.datasets.conversation import Tools
from finery.contracts.datasets.report import WarningKind
from finery.contracts.parity import MOST_PROMPTS, Prompt
from finery.trainers.rendering import Renderer, RowNotEncodable, RowRefusedByTemplate, opened_reasoning, prompts_of

MASKED = -100
THOUGHT = re.compile(r"<think>.*\S.*</think>", re.DOTALL)
CUT = "\ue000"
"""A character for private use; the parts of a text before and after it are tokenized apart, and it is gone."""
PROBE = "Question:\n"
PIECES = ("Answer", " answer", "\nanswer", "1", ".", "答", "é")
LONGEST_PROMPT = 1000
"""Characters of a prompt that is kept for the parity check."""

Encoded = dict[str, Any]
"""One row for the trainer: columns of token ids and whatever else the recipe needs."""


class Encoder:
    """Turns rows into the tokens that the model will meet when it is served."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, split_special_tokens: bool = False) -> None:
        """`split_special_tokens`: those that a message's text spells are text."""
        self._tokenizer = tokenizer
        self._splits = split_special_tokens
        self._prompts = prompts_of(tokenizer)
        self._renderer = Renderer(self._prompts)
        added = tokenizer.added_tokens_decoder
        self._specials = frozenset(
            {*tokenizer.all_special_ids, *(token for token, text in added.items() if text.special)}
        )
        texts = {*tokenizer.all_special_tokens, *(token.content for token in added.values() if token.special)}
        self._spelt = re.compile("|".join(map(re.escape, sorted(filter(None, texts)))) or "(?!)")
        self._keeps_pieces = all(
            tokenizer.decode([*self._ids(PROBE), *self._ids(piece)]) == tokenizer.decode(self._ids(PROBE + piece))
            for piece in PIECES
        )
        """Whether texts may be tokenized apart: some tokenizers of SentencePiece put a space before each."""
        self.stop_tokens: set[int] = {tokenizer.eos_token_id}
        """The tokens that end the answers seen so far; generation must stop at them."""
        self.left_out = 0
        """The number of answers left out of conversations whose other answers are learned."""
        self.left_out_reason = ""
        self.parity_prompts: list[Prompt] = []
        """A few short prompts of the rows seen so far, for the parity check after the training."""

    def conversation(self, row: Conversation, *, completion_only: bool) -> list[Encoded]:
        """Returns one row of `input_ids` and `labels`, or one per answer where the template rewrites earlier turns:
        then the conversation is cut after each learned answer, and an answer that is not encodable even so is left out.

        Raises RowNotEncodable where none is left.
        """
        learned = [index for index, trains in enumerate(row.trains) if trains]
        prompt = row.messages[: learned[0]] if learned else []
        row = replace(row, messages=self._split(row.messages))
        try:
            encoded = [self._conversation(row, completion_only=completion_only)]
        except RowRefusedByTemplate:
            raise
        except RowNotEncodable as error:
            encoded = []
            for index in learned:
                with suppress(RowNotEncodable):
                    part = _only_last_learned(row.messages[: index + 1], row.tools)
                    encoded.append(self._conversation(part, completion_only=completion_only))
            if not encoded:
                raise
            self.left_out += len(learned) - len(encoded)
            self.left_out_reason = str(error)
        self._keep_prompt(prompt, row.tools)
        return encoded

    def text(self, row: Text) -> list[int]:
        """Returns the tokens of a text that is learned whole, end-of-text token included."""
        if len(self.parity_prompts) < MOST_PROMPTS:
            self.parity_prompts.append(Prompt(text=row.text[: LONGEST_PROMPT // 4]))
        ids = self._prompts.plain(row.text)
        last = len(ids) - 1
        while last > 0 and ids[last] not in self._specials and self._is_blank(ids[last]):
            last -= 1
        if last > 0 and ids[last] in self._specials:
            # Templates put a line break after the end of a turn; a served model stops before it.
            self.stop_tokens.add(ids[last])
            return ids[: last + 1]
        return [*ids, self._tokenizer.eos_token_id]

    def prompt(self, messages: list[Message], tools: list[dict[str, Any]] | None) -> list[int]:
        """Returns the tokens of a prompt, and learns what ends an answer to it. Raises RowNotEncodable."""
        self.answer(messages, [Assistant(PIECES[0])], tools)
        return self._ids(self._renderer.text(_as_dicts(self._split(messages)), tools, prompt=True))

    def answer(
        self, prompt: list[Message], answer: list[Message], tools: list[dict[str, Any]] | None
    ) -> tuple[list[int], list[int]]:
        """Returns the tokens of a prompt and of its answer, stop token included. Raises RowNotEncodable."""
        messages, before, text = self._rendered(prompt, answer, tools)
        end = len(text)
        if self._renderer.has_marks(tools) and len(answer) == 1:
            end = self._renderer.learned(_only_last_learned(messages, tools))[1][0][1]
        ids, learned = self._tokens(text[:end], [(len(before), end)])
        if True not in learned:
            raise RowNotEncodable("the chat template leaves nothing of the answer")
        start = learned.index(True)
        stop = len(learned) - learned[::-1].index(True)
        self._keep_prompt(prompt, tools)
        return ids[:start], ids[start:stop]

    def scored(
        self, prompt: list[Message], answer: list[Message], tools: list[dict[str, Any]] | None
    ) -> tuple[list[int], list[int]]:
        """Returns the tokens of a prompt and of all that the template writes after it, for a reward model: it is asked
        with a rendered conversation, and its score read at that one's last token. Raises RowNotEncodable.
        """
        _, before, text = self._rendered(prompt, answer, tools)
        ids, answered = self._tokenize(text, [(len(before), len(text))])
        if True not in answered:
            raise RowNotEncodable("the chat template leaves nothing of the answer")
        start = answered.index(True)
        return ids[:start], ids[start:]

    def _rendered(
        self, prompt: list[Message], answer: list[Message], tools: list[dict[str, Any]] | None
    ) -> tuple[list[Message], str, str]:
        """Returns the messages as they are rendered, and the texts of the prompt and of the whole."""
        messages = self._split([*prompt, *answer])
        before = self._renderer.text(_as_dicts(messages[: len(prompt)]), tools, prompt=True)
        text = self._renderer.text(_as_dicts(messages), tools)
        if not text.startswith(before):
            reason = "the chat template renders the prompt differently with its answer than without"
            raise RowNotEncodable(opened_reasoning(before, text) or reason)
        return messages, before, text

    def warnings(self, row: Conversation, tools: Tools) -> set[WarningKind]:
        """What the tokenizer and the template make of a row, though perhaps not as it was meant."""
        left_out = self._prompts.left_out(tools)
        answers = [message for message, trains in zip(row.messages, row.trains, strict=True) if trains]
        return {
            kind
            for kind, applies in (
                (WarningKind.TOOLS_LEFT_OUT, bool(tools) and "tools" in left_out),
                (
                    WarningKind.REASONING_LEFT_OUT,
                    ("reasoning" in left_out and any(answer.reasoning_content for answer in answers))
                    or ("thoughts" in left_out and any(THOUGHT.search(answer.text) for answer in answers)),
                ),
                (
                    WarningKind.CONTROL_TOKENS,
                    not self._splits and any(self._spelt.search(message.text) for message in row.messages),
                ),
            )
            if applies
        }

    def _split(self, messages: list[Message]) -> list[Message]:
        """Marks where the spelling of a special token is to be cut, if it is text. Raises RowNotEncodable."""
        if not self._splits or not any(self._spelt.search(message.text) for message in messages):
            return messages
        if not self._keeps_pieces:
            raise RowNotEncodable("the tokenizer cannot split the special tokens that the text spells")
        return [replace(message, content=self._spelt.sub(_with_cut, message.text)) for message in messages]

    def _conversation(self, row: Conversation, *, completion_only: bool) -> Encoded:
        text, spans = self._renderer.learned(row)
        ids, learned = self._tokens(text, spans)
        if not completion_only:
            return {"input_ids": ids, "labels": list(ids)}
        labels = [token if flag else MASKED for token, flag in zip(ids, learned, strict=True)]
        return {"input_ids": ids, "labels": labels}

    def _tokens(self, text: str, spans: list[Span]) -> tuple[list[int], list[bool]]:
        """Returns the text's tokens, and for each whether it is learned. Raises RowNotEncodable."""
        return self._with_stop_tokens(*self._tokenize(text, spans))

    def _tokenize(self, text: str, spans: list[Span]) -> tuple[list[int], list[bool]]:
        return self._tokenize_spans(text, spans) if self._keeps_pieces else self._tokenize_whole(text, spans)

    def _tokenize_spans(self, text: str, spans: list[Span]) -> tuple[list[int], list[bool]]:
        """Tokenizes prompt and answer apart, as in use: a served model gets the prompt's own tokens, and never a token
        that one pass over the whole might make across the border.
        """
        ids: list[int] = []
        learned: list[bool] = []
        position = 0
        for start, end in [*spans, (len(text), len(text))]:
            for piece, flag in ((text[position:start], False), (text[start:end], True)):
                tokens = self._ids(piece) if piece else []
                ids += tokens
                learned += [flag] * len(tokens)
            position = end
        return ids, learned

    def _tokenize_whole(self, text: str, spans: list[Span]) -> tuple[list[int], list[bool]]:
        """Tokenizes in one pass, for a tokenizer that would put a space before every piece. Raises RowNotEncodable."""
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids = list(encoded["input_ids"])
        learned = [
            any(start <= first and last <= end for start, end in spans) for first, last in encoded["offset_mapping"]
        ]
        for start, _ in spans:
            prompt = self._ids(text[:start])
            if ids[: len(prompt)] != prompt or learned[len(prompt) : len(prompt) + 1] != [True]:
                raise RowNotEncodable("the tokenizer joins the end of the prompt and the answer in one token")
        return ids, learned

    def _with_stop_tokens(self, ids: list[int], learned: list[bool]) -> tuple[list[int], list[bool]]:
        """Makes each learned answer end with a stop token, which is learned too, and masks what follows it."""
        for start, end in _runs(learned):
            last = end - 1
            while last > start and ids[last] not in self._specials and self._is_blank(ids[last]):
                last -= 1
            if ids[last] in self._specials:
                self.stop_tokens.add(ids[last])
            elif end < len(ids) and ids[end] in self._specials:
                learned[end] = True
                self.stop_tokens.add(ids[end])
                continue
            elif end == len(ids) or not any(learned[end:]):
                ids.insert(last + 1, self._tokenizer.eos_token_id)
                learned.insert(last + 1, True)
                end, last = end + 1, last + 1
            else:
                continue
            # Templates put a line break after the end of a turn; a served model stops before it.
            learned[last + 1 : end] = [False] * (end - last - 1)
        return ids, learned

    def _is_blank(self, token: int) -> bool:
        return not self._tokenizer.decode([token]).strip()

    def _ids(self, text: str) -> list[int]:
        if not self._splits:
            return self._prompts.ids(text)
        return [token for piece in text.split(CUT) if piece for token in self._prompts.ids(piece)]

    def _keep_prompt(self, prompt: list[Message], tools: list[dict[str, Any]] | None) -> None:
        length = sum(len(message.text) for message in prompt)
        if not prompt or length > LONGEST_PROMPT or len(self.parity_prompts) == MOST_PROMPTS:
            return
        kept = Prompt(messages=_as_dicts(prompt), tools=tools)
        if kept not in self.parity_prompts:
            self.parity_prompts.append(kept)


def _with_cut(spelt: re.Match[str]) -> str:
    return spelt[0][0] + CUT + spelt[0][1:]


def _only_last_learned(messages: list[Message], tools: list[dict[str, Any]] | None) -> Conversation:
    """Returns a conversation that learns its last message, an assistant's, alone."""
    masked = [replace(message, weight=0) if isinstance(message, Assistant) else message for message in messages[:-1]]
    return Conversation.of([*masked, replace(messages[-1], weight=1)], tools=tools)


def _as_dicts(messages: list[Message]) -> list[dict[str, Any]]:
    return [message.as_dict() for message in messages]


def _runs(flags: list[bool]) -> list[tuple[int, int]]:
    """Returns the stretches [start, end) of True."""
    edges = [
        index
        for index in range(len(flags) + 1)
        if (index > 0 and flags[index - 1]) != (index < len(flags) and flags[index])
    ]
    return list(zip(edges[::2], edges[1::2], strict=True))
