"""Rows of every shape as conversations, preferences, feedback and text. Pure: a row in, a value out."""

from collections.abc import Callable

from finery.contracts.datasets.messages import (
    check_order,
    kind_of,
    read_list,
    read_message,
    read_messages,
    read_text,
    read_tools,
)
from finery.contracts.datasets.rows import (
    Conversation,
    Feedback,
    JsonObject,
    Message,
    Preference,
    Role,
    RowRefused,
    Task,
    Text,
)
from finery.contracts.datasets.shapes import (
    CONVERSATION_SHAPES,
    FEEDBACK_SHAPES,
    PREFERENCE_SHAPES,
    TASK_SHAPES,
    Shape,
    label_of,
    misplaced,
    shape_of,
)
from finery.contracts.prompting import alpaca_prompt


def as_conversation(row: JsonObject) -> Conversation:
    """Raises RowRefused."""
    return CONVERSATION_READERS[shape_of(row, CONVERSATION_SHAPES)](row)


def as_conversation_or_text(row: JsonObject) -> Conversation | Text:
    """What `sft` learns from. Raises RowRefused, also for a row with a verdict, which may be a bad example."""
    shape = shape_of(row, (*FEEDBACK_SHAPES, *CONVERSATION_SHAPES, Shape.TEXT))
    if shape is Shape.TEXT:
        return as_text(row)
    if shape in FEEDBACK_SHAPES:
        raise misplaced(shape)
    conversation = CONVERSATION_READERS[shape](row)
    if row.get("rejected") is not None and conversation.messages[-1]["role"] != "assistant":
        raise misplaced(shape_of(row, PREFERENCE_SHAPES))
    return conversation


def as_preference(row: JsonObject) -> Preference:
    """Raises RowRefused."""
    return PREFERENCE_READERS[shape_of(row, PREFERENCE_SHAPES)](row)


def as_feedback(row: JsonObject) -> Feedback:
    """Raises RowRefused."""
    shape = shape_of(row, FEEDBACK_SHAPES)
    field, read = FEEDBACK_READERS[shape]
    conversation = read(row)
    label = label_of(row)
    assert label is not None, "a feedback shape has a label"
    split = _last_answer(conversation.messages, field)
    prompt, completion = conversation.messages[:split], conversation.messages[split:]
    return Feedback(prompt, completion, label, conversation.tools)


def as_task(row: JsonObject) -> Task:
    """What `grpo` answers. Raises RowRefused."""
    shape = shape_of(row, TASK_SHAPES)
    prompt = TASK_READERS[shape](row)
    if prompt[-1]["role"] not in ("user", "tool"):
        field = "messages" if shape is Shape.MESSAGES else "prompt"
        raise RowRefused(field, "must end with a user's message: the model gives the answer itself")
    return Task(prompt, row, read_tools(row))


def as_text(row: JsonObject) -> Text:
    """Raises RowRefused."""
    shape_of(row, (Shape.TEXT,))
    return Text(read_text(row.get("text"), "text"))


def _from_messages(row: JsonObject) -> Conversation:
    return _with_system(row, *read_messages(row["messages"], "messages"))


def _from_sharegpt(row: JsonObject) -> Conversation:
    return _with_system(row, *read_messages(row["conversations"], "conversations"))


def _with_system(row: JsonObject, messages: list[Message], trains: list[bool]) -> Conversation:
    """The row's own `system` serves conversations that do not begin with one."""
    system = _optional_text(row, "system")
    if system and messages[0]["role"] != "system":
        messages.insert(0, _message("system", system))
        trains.insert(0, False)
    return Conversation(messages, trains, read_tools(row))


def _from_alpaca(row: JsonObject) -> Conversation:
    messages = _alpaca_messages(row)
    messages.append(_message("assistant", read_text(row["output"], "output")))
    return Conversation(messages, _answers(messages), read_tools(row))


def _alpaca_messages(row: JsonObject) -> list[Message]:
    """All up to the last question."""
    system = _optional_text(row, "system")
    messages = [_message("system", system)] if system else []
    history = row.get("history")
    if history is not None and history != "":
        messages += _history(read_list(history, "history"))
    instruction = read_text(row["instruction"], "instruction")
    messages.append(_message("user", alpaca_prompt(instruction, _optional_text(row, "input"))))
    return messages


def _history(turns: list[object]) -> list[Message]:
    messages: list[Message] = []
    for index, turn in enumerate(turns):
        if not isinstance(turn, list) or len(turn) != 2:
            raise RowRefused(f"history[{index}]", "must be a pair of question and answer")
        messages.append(_message("user", read_text(turn[0], f"history[{index}][0]")))
        messages.append(_message("assistant", read_text(turn[1], f"history[{index}][1]")))
    return messages


def _from_prompt_completion(row: JsonObject) -> Conversation:
    prompt = _prompt_messages(row)
    completion, trains = _completion_messages(row["completion"], "completion")
    messages = prompt + completion
    check_order(messages, "completion")
    return Conversation(messages, [False] * len(prompt) + trains, read_tools(row))


def _from_question_answer(row: JsonObject) -> Conversation:
    messages = _question_messages(row)
    messages.append(_message("assistant", read_text(row["answer"], "answer")))
    return Conversation(messages, _answers(messages), None)


def _question_messages(row: JsonObject) -> list[Message]:
    system = _optional_text(row, "system")
    messages = [_message("system", system)] if system else []
    messages.append(_message("user", read_text(row["question"], "question")))
    return messages


CONVERSATION_READERS: dict[Shape, Callable[[JsonObject], Conversation]] = {
    Shape.MESSAGES: _from_messages,
    Shape.SHAREGPT: _from_sharegpt,
    Shape.ALPACA: _from_alpaca,
    Shape.PROMPT_COMPLETION: _from_prompt_completion,
    Shape.QUESTION_ANSWER: _from_question_answer,
}

FEEDBACK_READERS: dict[Shape, tuple[str, Callable[[JsonObject], Conversation]]] = {
    Shape.FEEDBACK: ("completion", _from_prompt_completion),
    Shape.ALPACA_FEEDBACK: ("output", _from_alpaca),
    Shape.MESSAGES_FEEDBACK: ("messages", _from_messages),
    Shape.SHAREGPT_FEEDBACK: ("conversations", _from_sharegpt),
}
"""Each with the field that holds the answer."""


TASK_READERS: dict[Shape, Callable[[JsonObject], list[Message]]] = {
    Shape.MESSAGES: lambda row: _from_messages(row).messages,
    Shape.PROMPT: lambda row: _prompt_messages(row),
    Shape.QUESTION_ANSWER: _question_messages,
    Shape.ALPACA: _alpaca_messages,
}
"""The prompt alone; what else the row has is the grader's."""


def _last_answer(messages: list[Message], field: str) -> int:
    """Where the completion begins: with the assistant's messages that end the conversation."""
    start = len(messages)
    while start and messages[start - 1]["role"] == "assistant":
        start -= 1
    if start == len(messages):
        raise RowRefused(field, "must end with an assistant's message")
    if start == 0 or messages[start - 1]["role"] == "system":
        raise RowRefused(field, "has no question before the answer")
    return start


def _from_preference(row: JsonObject) -> Preference:
    chosen, _ = _completion_messages(row["chosen"], "chosen")
    rejected, _ = _completion_messages(row["rejected"], "rejected")
    if chosen[0]["role"] in ("system", "user") and rejected[0]["role"] in ("system", "user"):
        return _split_alike(row, chosen, rejected)
    return _preference(row, _prompt_messages(row), chosen, rejected)


def _from_implicit(row: JsonObject) -> Preference:
    for key in ("chosen", "rejected"):
        if not isinstance(row[key], list):
            raise RowRefused("prompt", f"missing; without it, {key} must be a list of messages")
    chosen, _ = read_messages(row["chosen"], "chosen")
    rejected, _ = read_messages(row["rejected"], "rejected")
    return _split_alike(row, chosen, rejected)


def _from_alpaca_preference(row: JsonObject) -> Preference:
    return _preference(row, _alpaca_messages(row), _answer(row, "chosen"), _answer(row, "rejected"))


def _from_messages_preference(row: JsonObject) -> Preference:
    return _preference(row, _from_messages(row).messages, _answer(row, "chosen"), _answer(row, "rejected"))


def _from_sharegpt_preference(row: JsonObject) -> Preference:
    return _preference(row, _from_sharegpt(row).messages, _answer(row, "chosen"), _answer(row, "rejected"))


def _from_openai_preference(row: JsonObject) -> Preference:
    asked = row["input"]
    if not isinstance(asked, dict):
        raise RowRefused("input", f"must be an object, not {kind_of(asked)}")
    prompt, _ = read_messages(asked.get("messages"), "input.messages")
    chosen, _ = read_messages(row["preferred_output"], "preferred_output")
    rejected, _ = read_messages(row["non_preferred_output"], "non_preferred_output")
    for field, answer in (("preferred_output", chosen), ("non_preferred_output", rejected)):
        if answer[-1]["role"] != "assistant":
            raise RowRefused(field, "must end with an assistant's message")
        check_order(prompt + answer, field)
    return Preference(prompt, chosen, rejected, read_tools(asked, "input.tools"))


PREFERENCE_READERS: dict[Shape, Callable[[JsonObject], Preference]] = {
    Shape.PREFERENCE: _from_preference,
    Shape.IMPLICIT_PREFERENCE: _from_implicit,
    Shape.OPENAI_PREFERENCE: _from_openai_preference,
    Shape.ALPACA_PREFERENCE: _from_alpaca_preference,
    Shape.MESSAGES_PREFERENCE: _from_messages_preference,
    Shape.SHAREGPT_PREFERENCE: _from_sharegpt_preference,
}


def _split_alike(row: JsonObject, chosen: list[Message], rejected: list[Message]) -> Preference:
    """The prompt is what both begin with; each keeps at least its last message."""
    longest = min(len(chosen), len(rejected)) - 1
    split = 0
    while split < longest and chosen[split] == rejected[split]:
        split += 1
    if split == 0:
        raise RowRefused("rejected[0]", "must begin with the same messages as chosen")
    return _preference(row, chosen[:split], chosen[split:], rejected[split:])


def _preference(row: JsonObject, prompt: list[Message], chosen: list[Message], rejected: list[Message]) -> Preference:
    for field, answer in (("chosen", chosen), ("rejected", rejected)):
        if answer[-1]["role"] != "assistant":
            raise RowRefused(field, "must end with an assistant's message")
        check_order(prompt + answer, field)
    return Preference(prompt, chosen, rejected, read_tools(row))


def _prompt_messages(row: JsonObject) -> list[Message]:
    prompt = row["prompt"]
    if isinstance(prompt, list):
        messages, _ = read_messages(prompt, "prompt")
        return messages
    system = _optional_text(row, "system")
    messages = [_message("system", system)] if system else []
    messages.append(_message("user", read_text(prompt, "prompt")))
    return messages


def _completion_messages(value: object, field: str) -> tuple[list[Message], list[bool]]:
    if isinstance(value, list):
        return read_messages(value, field)
    messages = [_message("assistant", _answer_text(value, field))]
    return messages, _answers(messages)


def _answer(row: JsonObject, field: str) -> list[Message]:
    """Text, one message, or a list of messages."""
    value = row[field]
    if isinstance(value, dict):
        message, _ = read_message(value, field)
        return [message]
    messages, _ = _completion_messages(value, field)
    return messages


def _answer_text(value: object, field: str) -> str:
    if isinstance(value, str):
        return value
    raise RowRefused(field, f"must be text or a list of messages, not {kind_of(value)}")


def _answers(messages: list[Message]) -> list[bool]:
    return [message["role"] == "assistant" and message["content"].strip() != "" for message in messages]


def _optional_text(row: JsonObject, key: str) -> str:
    value = row.get(key)
    return "" if value is None else read_text(value, key)


def _message(role: Role, content: str) -> Message:
    return {"role": role, "content": content}
