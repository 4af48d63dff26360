"""The common shapes decoded straight into typed structs, several times as fast as through a dict.

A shortcut, never a second opinion: a row that a struct does not take as it stands goes the long way, which decides.
Keys that would change what a row means are declared as `None`, so that their presence sends it there.
"""

from typing import Annotated, Any, ClassVar, Literal, TypeVar, cast

import msgspec
from msgspec import Struct, field
from msgspec.json import Decoder

from finery.contracts.datasets.messages import ROLES
from finery.contracts.datasets.rows import Role
from finery.contracts.datasets.shapes import Shape

NOT_EMPTY = msgspec.Meta(min_length=1)
TRIES = 16
"""So many first rows may find their struct; then the file is read the long way."""


class SwiftRow(Struct, gc=False):
    shape: ClassVar[Shape]
    tools: None = None
    label: None = None
    kto_tag: None = None

    def speakers(self) -> tuple[str, ...]:
        raise NotImplementedError

    def is_trainable(self) -> bool:
        raise NotImplementedError


class SwiftReader:
    """Reads rows with the first struct of its recipe that takes one of the file's first rows."""

    def __init__(self, recipe: str) -> None:
        self._candidates = STRUCTS[recipe]
        self._decoder: Decoder[SwiftRow] | None = None
        self._tries = TRIES

    def read(self, data: bytes) -> SwiftRow | None:
        """None: it takes the long way."""
        if self._decoder is None:
            self._choose(data)
        return None if self._decoder is None else _decoded(self._decoder, data)

    def _choose(self, data: bytes) -> None:
        if self._tries == 0:
            return
        self._tries -= 1
        row = _decoded(_OBJECT, data)
        if row is None:
            return
        decoders = (Decoder(_with_others(struct, row)) for struct in self._candidates)
        self._decoder = next((decoder for decoder in decoders if _decoded(decoder, data)), None)


def roles_of(speakers: tuple[str, ...], shape: Shape) -> tuple[Role, ...] | None:
    """None where the long way has something to say about their order."""
    roles = tuple(ROLES[speaker] for speaker in speakers)
    spoken = tuple(role for role in roles if role != "system")
    if shape is Shape.TEXT:
        return roles
    if not roles or "system" in roles[len(roles) - len(spoken) :]:
        return None
    return roles


Decoded = TypeVar("Decoded")
_OBJECT = Decoder(dict[str, Any])


def _with_others(struct: type[SwiftRow], row: dict[str, Any]) -> type[SwiftRow]:
    """The struct with the row's further keys, which are decoded though nothing reads them.

    Were they skipped, a broken character in one would pass here and stop the trainer, which decodes all.
    """
    known = {field.encode_name for field in msgspec.structs.fields(struct)}
    others = [key for key in row if key not in known]
    fields = [(f"other_{index}", Any, field(name=key, default=None)) for index, key in enumerate(others)]
    made = msgspec.defstruct(
        struct.__name__, fields, bases=(struct,), kw_only=True, gc=False, forbid_unknown_fields=True
    )
    return cast(type[SwiftRow], made)


def _decoded(decoder: Decoder[Decoded], data: bytes) -> Decoded | None:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


class _Message(Struct, gc=False, forbid_unknown_fields=True):
    speaker: Literal["system", "user", "assistant"] = field(name="role")
    content: str
    weight: None = None
    tool_calls: None = None
    function_call: None = None
    tool_call_id: str | None = None
    name: str | None = None
    reasoning_content: str | None = None
    thinking: str | None = None


class _Turn(Struct, gc=False, forbid_unknown_fields=True):
    speaker: Literal["system", "human", "gpt", "user", "assistant"] = field(name="from")
    content: str = field(name="value")
    role: None = None
    weight: None = None
    tool_calls: None = None
    function_call: None = None
    tool_call_id: str | None = None
    name: str | None = None
    reasoning_content: str | None = None
    thinking: str | None = None


class _Answer(Struct, gc=False, forbid_unknown_fields=True):
    speaker: Literal["gpt", "assistant"] = field(name="from")
    content: str = field(name="value")


class _Chat(SwiftRow, gc=False, kw_only=True):
    shape = Shape.MESSAGES
    messages: Annotated[list[_Message], NOT_EMPTY]
    system: None = None
    rejected: None = None

    def speakers(self) -> tuple[str, ...]:
        return tuple([message.speaker for message in self.messages])

    def is_trainable(self) -> bool:
        return _says_something(self.messages)


class _ShareGpt(SwiftRow, gc=False, kw_only=True):
    shape = Shape.SHAREGPT
    conversations: Annotated[list[_Turn], NOT_EMPTY]
    messages: None = None
    system: None = None
    rejected: None = None

    def speakers(self) -> tuple[str, ...]:
        return tuple([turn.speaker for turn in self.conversations])

    def is_trainable(self) -> bool:
        return _says_something(self.conversations)


class _Alpaca(SwiftRow, gc=False, kw_only=True):
    shape = Shape.ALPACA
    instruction: str
    output: str
    input: str | None = None
    system: str | None = None
    history: None = None
    messages: None = None
    conversations: None = None

    def speakers(self) -> tuple[str, ...]:
        return _asked_and_answered(self.system)

    def is_trainable(self) -> bool:
        return _says(self.output)


class _PromptCompletion(SwiftRow, gc=False, kw_only=True):
    shape = Shape.PROMPT_COMPLETION
    prompt: str
    completion: str
    system: str | None = None
    output: None = None
    messages: None = None
    conversations: None = None

    def speakers(self) -> tuple[str, ...]:
        return _asked_and_answered(self.system)

    def is_trainable(self) -> bool:
        return _says(self.completion)


class _QuestionAnswer(SwiftRow, gc=False, kw_only=True):
    shape = Shape.QUESTION_ANSWER
    question: str
    answer: str
    system: str | None = None
    completion: None = None
    output: None = None
    messages: None = None
    conversations: None = None

    def speakers(self) -> tuple[str, ...]:
        return _asked_and_answered(self.system)

    def is_trainable(self) -> bool:
        return _says(self.answer)


class _Text(SwiftRow, gc=False, kw_only=True):
    shape = Shape.TEXT
    text: str
    answer: None = None
    completion: None = None
    output: None = None
    messages: None = None
    conversations: None = None

    def speakers(self) -> tuple[str, ...]:
        return ()

    def is_trainable(self) -> bool:
        return _says(self.text)


class _Preference(SwiftRow, gc=False, kw_only=True):
    shape = Shape.PREFERENCE
    prompt: str
    chosen: str
    rejected: str
    system: str | None = None
    instruction: None = None
    conversations: None = None

    def speakers(self) -> tuple[str, ...]:
        return _asked_and_answered(self.system)

    def is_trainable(self) -> bool:
        return self.chosen != self.rejected and _says(self.chosen) and _says(self.rejected)


class _ShareGptPreference(SwiftRow, gc=False, kw_only=True):
    shape = Shape.SHAREGPT_PREFERENCE
    conversations: Annotated[list[_Turn], NOT_EMPTY]
    chosen: _Answer
    rejected: _Answer
    system: None = None

    def speakers(self) -> tuple[str, ...]:
        return (*(turn.speaker for turn in self.conversations), self.chosen.speaker)

    def is_trainable(self) -> bool:
        chosen, rejected = self.chosen.content, self.rejected.content
        return chosen != rejected and _says(chosen) and _says(rejected)


class _Feedback(_PromptCompletion, gc=False, kw_only=True):
    shape = Shape.FEEDBACK
    label: bool  # type: ignore[assignment]


STRUCTS: dict[str, tuple[type[SwiftRow], ...]] = {
    "sft": (_Chat, _ShareGpt, _Alpaca, _PromptCompletion, _QuestionAnswer, _Text),
    "cpt": (_Text,),
    "dpo": (_Preference, _ShareGptPreference),
    "reward": (_Preference, _ShareGptPreference),
    "kto": (_Feedback,),
}


def _says_something(messages: list[_Message] | list[_Turn]) -> bool:
    return any(_says(message.content) for message in messages if message.speaker in ("assistant", "gpt"))


def _says(text: str) -> bool:
    return text != "" and not text.isspace()


def _asked_and_answered(system: str | None) -> tuple[str, ...]:
    return ("system", "user", "assistant") if system else ("user", "assistant")
