"""Rows of text alone, each shape as a struct."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Annotated, ClassVar, Self

from msgspec import Struct, field

from finery.contracts.datasets.rows import ExampleKind
from finery.contracts.datasets.shapes import Shape
from finery.contracts.datasets.signatures import Texts
from finery.contracts.datasets.swift.base import NOT_EMPTY, Speaker, Study, SwiftRow, says
from finery.contracts.prompting import alpaca_prompt


class _System(Struct, gc=False, forbid_unknown_fields=True, tag_field="role", tag="system"):
    content: str


class _User(Struct, gc=False, forbid_unknown_fields=True, tag_field="role", tag="user"):
    content: str


class _Assistant(Struct, gc=False, forbid_unknown_fields=True, tag_field="role", tag="assistant"):
    content: str


_Message = _System | _User | _Assistant


class _SystemTurn(Struct, gc=False, forbid_unknown_fields=True, tag_field="from", tag="system"):
    content: str = field(name="value")


class _HumanTurn(Struct, gc=False, forbid_unknown_fields=True, tag_field="from", tag="human"):
    content: str = field(name="value")


class _GptTurn(Struct, gc=False, forbid_unknown_fields=True, tag_field="from", tag="gpt"):
    content: str = field(name="value")


class _UserTurn(Struct, gc=False, forbid_unknown_fields=True, tag_field="from", tag="user"):
    content: str = field(name="value")


class _AssistantTurn(Struct, gc=False, forbid_unknown_fields=True, tag_field="from", tag="assistant"):
    content: str = field(name="value")


_Turn = _SystemTurn | _HumanTurn | _GptTurn | _UserTurn | _AssistantTurn
_ANSWERS = frozenset[type]({_Assistant, _GptTurn, _AssistantTurn})
_content = attrgetter("content")


class _Listed(SwiftRow, gc=False, kw_only=True):
    """A row whose messages are a list of plain ones."""

    said_in: ClassVar[str]
    system: None = None

    @classmethod
    def study(cls, rows: Sequence[Self]) -> Study:
        rows_said: list[Sequence[_Message | _Turn]] = list(map(attrgetter(cls.said_in), rows))
        # Nearly always the last message is the answer, and says something: then no other need be looked at.
        last = [said[-1] for said in rows_said]
        texts = [message.content for message in last]
        are_sure = _ANSWERS.issuperset(map(type, last)) and "" not in texts and not any(map(str.isspace, texts))
        return Study(
            orders=[tuple(map(type, said)) for said in rows_said],
            hashes=[hash(tuple(map(_content, said))) for said in rows_said],
            idle=() if are_sure else [index for index, said in enumerate(rows_said) if not _is_trainable(said)],
        )


def _is_trainable(messages: "Sequence[_Message | _Turn]") -> bool:
    return any(says(message.content) for message in messages if type(message) in _ANSWERS)


class Chat(_Listed, gc=False, kw_only=True):
    shape = Shape.MESSAGES
    said_in = "messages"
    messages: Annotated[list[_Message], NOT_EMPTY]
    rejected: None = None


class ShareGpt(_Listed, gc=False, kw_only=True):
    shape = Shape.SHAREGPT
    said_in = "conversations"
    conversations: Annotated[list[_Turn], NOT_EMPTY]
    messages: None = None
    rejected: None = None


class _Alpaca(SwiftRow, gc=False, kw_only=True):
    shape = Shape.ALPACA
    instruction: str
    output: str
    input: str | None = None
    system: str | None = None
    history: None = None
    messages: None = None
    conversations: None = None

    def speakers(self) -> tuple[Speaker, ...]:
        return _asked_and_answered(self.system)

    def texts(self) -> Texts:
        return _after_system(self.system, alpaca_prompt(self.instruction, self.input or ""), self.output)

    def is_trainable(self) -> bool:
        return says(self.output)


class _PromptCompletion(SwiftRow, gc=False, kw_only=True):
    shape = Shape.PROMPT_COMPLETION
    prompt: str
    completion: str
    system: str | None = None
    output: None = None
    messages: None = None
    conversations: None = None

    def speakers(self) -> tuple[Speaker, ...]:
        return _asked_and_answered(self.system)

    def texts(self) -> Texts:
        return _after_system(self.system, self.prompt, self.completion)

    def is_trainable(self) -> bool:
        return says(self.completion)


class _QuestionAnswer(SwiftRow, gc=False, kw_only=True):
    shape = Shape.QUESTION_ANSWER
    question: str
    answer: str
    system: str | None = None
    completion: None = None
    output: None = None
    messages: None = None
    conversations: None = None

    def speakers(self) -> tuple[Speaker, ...]:
        return _asked_and_answered(self.system)

    def texts(self) -> Texts:
        return _after_system(self.system, self.question, self.answer)

    def is_trainable(self) -> bool:
        return says(self.answer)


class _Text(SwiftRow, gc=False, kw_only=True):
    shape = Shape.TEXT
    text: str
    answer: None = None
    completion: None = None
    output: None = None
    messages: None = None
    conversations: None = None

    def speakers(self) -> tuple[Speaker, ...]:
        return ()

    def texts(self) -> Texts:
        return (self.text,)

    def is_trainable(self) -> bool:
        return says(self.text)


class _Preference(SwiftRow, gc=False, kw_only=True):
    shape = Shape.PREFERENCE
    prompt: str
    chosen: str
    rejected: str
    system: str | None = None
    instruction: None = None
    conversations: None = None

    def speakers(self) -> tuple[Speaker, ...]:
        return _asked_and_answered(self.system)

    def texts(self) -> Texts:
        return _after_system(self.system, self.prompt, self.chosen, self.rejected)

    def is_trainable(self) -> bool:
        return self.chosen != self.rejected and says(self.chosen) and says(self.rejected)


class _ShareGptPreference(SwiftRow, gc=False, kw_only=True):
    shape = Shape.SHAREGPT_PREFERENCE
    conversations: Annotated[list[_Turn], NOT_EMPTY]
    chosen: _GptTurn | _AssistantTurn
    rejected: _GptTurn | _AssistantTurn
    system: None = None

    def speakers(self) -> tuple[Speaker, ...]:
        return (*map(type, self.conversations), type(self.chosen))

    def texts(self) -> Texts:
        return (*[turn.content for turn in self.conversations], self.chosen.content, self.rejected.content)

    def is_trainable(self) -> bool:
        chosen, rejected = self.chosen.content, self.rejected.content
        return chosen != rejected and says(chosen) and says(rejected)


class _OpenAiInput(Struct, gc=False, forbid_unknown_fields=True):
    messages: Annotated[list[_Message], NOT_EMPTY]
    tools: None = None
    parallel_tool_calls: bool | None = None


class _OpenAiPreference(SwiftRow, gc=False, kw_only=True):
    shape = Shape.OPENAI_PREFERENCE
    input: _OpenAiInput
    preferred_output: tuple[_Assistant]
    non_preferred_output: tuple[_Assistant]
    chosen: None = None

    def speakers(self) -> tuple[Speaker, ...]:
        return (*map(type, self.input.messages), _Assistant)

    def texts(self) -> Texts:
        asked = [message.content for message in self.input.messages]
        return (*asked, self.preferred_output[0].content, self.non_preferred_output[0].content)

    def is_trainable(self) -> bool:
        chosen, rejected = self.preferred_output[0].content, self.non_preferred_output[0].content
        return chosen != rejected and says(chosen) and says(rejected)


class _Feedback(_PromptCompletion, gc=False, kw_only=True):
    shape = Shape.FEEDBACK
    label: bool  # type: ignore[assignment]

    def texts(self) -> Texts:
        return (*super().texts(), str(self.label))


PLAIN_STRUCTS: dict[ExampleKind, tuple[type[SwiftRow], ...]] = {
    ExampleKind.CONVERSATION_OR_TEXT: (Chat, ShareGpt, _Alpaca, _PromptCompletion, _QuestionAnswer, _Text),
    ExampleKind.TEXT: (_Text,),
    ExampleKind.PREFERENCE: (_Preference, _ShareGptPreference, _OpenAiPreference),
    ExampleKind.FEEDBACK: (_Feedback,),
    # Rows for graders have fields of their own, all of which are needed: they go the long way.
    ExampleKind.TASK: (),
}


def _asked_and_answered(system: str | None) -> tuple[Speaker, ...]:
    return ("system", "user", "assistant") if system else ("user", "assistant")


def _after_system(system: str | None, *texts: str) -> Texts:
    return (system, *texts) if system else texts
