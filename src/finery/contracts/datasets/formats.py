"""The built-in row formats of datasets, and which of them may become which kind of example."""

from finery.contracts.chat_prompts import alpaca_prompt
from finery.contracts.datasets.conversation import (
    Conversation,
    question_messages,
    read_answer,
    read_completion,
    read_conversation,
)
from finery.contracts.datasets.examples import Example, Feedback, Preference, Task, Text
from finery.contracts.datasets.message_reader import (
    RowRefused,
    json_type_of,
    read_list,
    read_messages,
    read_text,
    read_tools,
)
from finery.contracts.datasets.messages import Assistant, JsonObject, Message, User
from finery.contracts.datasets.row_format import Answer, MessageList, RowFormat, Tools, TurnList, tools_of
from finery.contracts.recipes.data_rules import ExampleKind
from finery.kit.translatable import Translatable

ASKING = ("system", "user")
"""Roles that begin a conversation."""


class Messages(RowFormat, kw_only=True):
    """{messages: [{role, content}…], system?, tools?}: a conversation in OpenAI's format."""

    name = "messages"
    messages: MessageList
    system: str | None = None
    tools: Tools = None

    def conversation(self) -> Conversation:
        conversation = Conversation.of(read_messages(self.messages, "messages"), "messages", self.system)
        if self.tools is not None:
            conversation.tools = read_tools(self.tools)
        return conversation

    def example(self) -> Example:
        return self.conversation()


class MessagesFeedback(Messages, kw_only=True):
    """{messages, label|kto_tag}: the label is of the last answer."""

    name = "messages_feedback"
    label: bool

    def example(self) -> Example:
        return Feedback.of(self.conversation(), self.label, field="messages")


class MessagesPreference(Messages, kw_only=True):
    """{messages, chosen, rejected}: each answer is text, one message, or a list of messages."""

    name = "messages_preference"
    chosen: Answer
    rejected: Answer

    def example(self) -> Example:
        prompt = self.conversation()
        return _preference(prompt.messages, self.chosen, self.rejected, prompt.tools)


class MessagesTask(Messages, kw_only=True):
    """{messages, …}: a conversation that ends with the question."""

    def example(self) -> Example:
        return Task.of(self.conversation(), field="messages")


class ShareGpt(RowFormat, kw_only=True):
    """{conversations: [{from, value}…], system?, tools?}: a conversation in ShareGPT's format."""

    name = "sharegpt"
    conversations: TurnList
    system: str | None = None
    tools: Tools = None

    def conversation(self) -> Conversation:
        messages = read_messages(self.conversations, "conversations")
        conversation = Conversation.of(messages, "conversations", self.system)
        conversation.tools = read_tools(self.tools)
        return conversation

    def example(self) -> Example:
        return self.conversation()


class ShareGptFeedback(ShareGpt, kw_only=True):
    """{conversations, label|kto_tag}: the label is of the last answer."""

    name = "sharegpt_feedback"
    label: bool

    def example(self) -> Example:
        return Feedback.of(self.conversation(), self.label, field="conversations")


class ShareGptPreference(ShareGpt, kw_only=True):
    """{conversations, chosen: {from, value}, rejected: {from, value}}"""

    name = "sharegpt_preference"
    chosen: object
    rejected: object

    def example(self) -> Example:
        prompt = self.conversation()
        return _preference(prompt.messages, self.chosen, self.rejected, prompt.tools)


class AlpacaPrompt(RowFormat, kw_only=True):
    """{instruction, input?, history?, system?, tools?}: the common columns of Alpaca's rows."""

    system: str | None = None
    history: object = None
    instruction: str
    input: str | None = None
    tools: Tools = None

    def prompt_messages(self) -> list[Message]:
        *system, question = question_messages(alpaca_prompt(self.instruction, self.input or ""), system=self.system)
        return [*system, *_read_history(self.history), question]


class Alpaca(AlpacaPrompt, kw_only=True):
    """{instruction, input?, output, …}"""

    name = "alpaca"
    output: str

    def conversation(self) -> Conversation:
        return Conversation.of([*self.prompt_messages(), Assistant(self.output)], tools=read_tools(self.tools))

    def example(self) -> Example:
        return self.conversation()


class AlpacaFeedback(Alpaca, kw_only=True):
    """{instruction, input?, output, label|kto_tag, …}"""

    name = "alpaca_feedback"
    label: bool

    def example(self) -> Example:
        return Feedback.of(self.conversation(), self.label, field="output")


class AlpacaPreference(AlpacaPrompt, kw_only=True):
    """{instruction, input?, chosen, rejected, …}: each answer is text, one message, or a list of messages."""

    name = "alpaca_preference"
    chosen: Answer
    rejected: Answer

    def example(self) -> Example:
        return _preference(self.prompt_messages(), self.chosen, self.rejected, read_tools(self.tools))


class AlpacaTask(AlpacaPrompt, kw_only=True):
    """{instruction, output, …}: the model answers itself; the output is for the grader."""

    name = "alpaca"
    output: object

    def example(self) -> Example:
        return Task.of(Conversation.of(self.prompt_messages(), tools=read_tools(self.tools)), field="prompt")


class Prompt(RowFormat, kw_only=True):
    """{prompt, system?, tools?}: a task for the model; a grader may name any other column."""

    name = "prompt"
    prompt: Answer
    system: object = None
    tools: Tools = None

    def prompt_messages(self) -> list[Message]:
        """Reads the prompt. `system` is ignored beside a list of messages, which may hold its own."""
        if isinstance(self.prompt, list):
            return read_conversation(self.prompt, "prompt").messages
        system = None if self.system is None else read_text(self.system, "system")
        return question_messages(read_text(self.prompt, "prompt"), system=system)

    def example(self) -> Example:
        return Task.of(Conversation.of(self.prompt_messages(), tools=read_tools(self.tools)), field="prompt")


class PromptCompletion(Prompt, kw_only=True):
    """{prompt, completion, …}: both are text, or lists of messages."""

    name = "prompt_completion"
    completion: Answer

    def conversation(self) -> Conversation:
        prompt = self.prompt_messages()
        for message in prompt:
            if isinstance(message, Assistant):
                message.weight = 0
        completion = read_completion(self.completion, "completion")
        return Conversation.of([*prompt, *completion], "completion", tools=read_tools(self.tools))

    def example(self) -> Example:
        return self.conversation()


class PromptFeedback(PromptCompletion, kw_only=True):
    """{prompt, completion, label|kto_tag, …}"""

    name = "feedback"
    label: bool

    def example(self) -> Example:
        return Feedback.of(self.conversation(), self.label, field="completion")


class PromptPreference(Prompt, kw_only=True):
    """{prompt, chosen, rejected, …}: the answers are text, lists of messages, or whole conversations."""

    name = "preference"
    chosen: Answer
    rejected: Answer

    def example(self) -> Example:
        chosen, rejected = read_completion(self.chosen, "chosen"), read_completion(self.rejected, "rejected")
        if chosen[0].role in ASKING and rejected[0].role in ASKING:
            return Preference.of_conversations(chosen, rejected, read_tools(self.tools))
        return Preference.of(self.prompt_messages(), chosen, rejected, read_tools(self.tools))


class ImplicitPreference(RowFormat, kw_only=True):
    """{chosen, rejected, tools?}: two whole conversations that begin alike."""

    name = "implicit_preference"
    chosen: Answer
    rejected: Answer
    tools: Tools = None

    def example(self) -> Example:
        for field, value in (("chosen", self.chosen), ("rejected", self.rejected)):
            if not isinstance(value, list):
                raise RowRefused(
                    "prompt", Translatable("missing; without it, {field} must be a list of messages", field=field)
                )
        chosen, rejected = read_conversation(self.chosen, "chosen"), read_conversation(self.rejected, "rejected")
        return Preference.of_conversations(chosen.messages, rejected.messages, read_tools(self.tools))


class OpenAiPreference(RowFormat, kw_only=True):
    """{input: {messages, tools?}, preferred_output, non_preferred_output}"""

    name = "openai_preference"
    input: object
    preferred_output: MessageList
    non_preferred_output: MessageList

    def example(self) -> Example:
        if not isinstance(self.input, dict):
            raise RowRefused("input", Translatable("must be an object, not {value}", value=json_type_of(self.input)))
        prompt = read_conversation(self.input.get("messages"), "input.messages")
        fields = ("preferred_output", "non_preferred_output")
        chosen = read_conversation(self.preferred_output, fields[0])
        rejected = read_conversation(self.non_preferred_output, fields[1])
        tools = read_tools(tools_of(self.input), "input.tools")
        return Preference.of(prompt.messages, chosen.messages, rejected.messages, tools, fields=fields)


class QuestionAnswer(RowFormat, kw_only=True):
    """{question, answer, system?}: both are text."""

    name = "question_answer"
    system: str | None = None
    question: str
    answer: str

    def example(self) -> Example:
        return Conversation.of([*question_messages(self.question, system=self.system), Assistant(self.answer)])


class QuestionTask(RowFormat, kw_only=True):
    """{question, answer, …}: the model answers itself; the answer is for the grader."""

    name = "question_answer"
    system: str | None = None
    question: str
    answer: object
    tools: Tools = None

    def example(self) -> Example:
        question = Conversation.of(question_messages(self.question, system=self.system), tools=read_tools(self.tools))
        return Task.of(question, field="prompt")


class PlainText(RowFormat, kw_only=True):
    """{text}: learned whole."""

    name = "text"
    text: str

    def example(self) -> Example:
        return Text(self.text)


FORMATS: dict[ExampleKind, tuple[type[RowFormat], ...]] = {
    ExampleKind.FEEDBACK: (ShareGptFeedback, MessagesFeedback, AlpacaFeedback, PromptFeedback),
    ExampleKind.PREFERENCE: (
        ShareGptPreference,
        AlpacaPreference,
        PromptPreference,
        MessagesPreference,
        ImplicitPreference,
        OpenAiPreference,
    ),
    ExampleKind.CONVERSATION_OR_TEXT: (Messages, ShareGpt, Alpaca, PromptCompletion, QuestionAnswer, PlainText),
    ExampleKind.TEXT: (PlainText,),
    ExampleKind.TASK: (MessagesTask, Prompt, QuestionTask, AlpacaTask),
}
"""Kind of example → formats that may become one, in order of detection: a row with columns of two has the first."""


def register(row_format: type[RowFormat], kind: ExampleKind) -> None:
    """Adds a format to a kind of example; it is tried after all others of that kind. Raises ValueError if one of them
    has its name, and AttributeError where it has none."""
    if row_format.name in {known.name for known in FORMATS[kind]}:
        raise ValueError(f"there is a format {row_format.name!r} of this kind already")
    FORMATS[kind] = (*FORMATS[kind], row_format)


def every_format() -> tuple[type[RowFormat], ...]:
    """Returns one format of each name."""
    named: dict[str, type[RowFormat]] = {}
    for formats in FORMATS.values():
        for row_format in formats:
            named.setdefault(row_format.name, row_format)
    return tuple(named.values())


def _preference(prompt: list[Message], chosen: object, rejected: object, tools: list[JsonObject] | None) -> Preference:
    return Preference.of(prompt, read_answer(chosen, "chosen"), read_answer(rejected, "rejected"), tools)


def _read_history(value: object) -> list[Message]:
    """Reads Alpaca's earlier questions and answers."""
    messages: list[Message] = []
    for index, turn in enumerate([] if value in (None, "") else read_list(value, "history")):
        if not isinstance(turn, list) or len(turn) != 2:
            raise RowRefused(f"history[{index}]", Translatable("must be a pair of question and answer"))
        messages.append(User(read_text(turn[0], f"history[{index}][0]")))
        messages.append(Assistant(read_text(turn[1], f"history[{index}][1]")))
    return messages
