"""{instruction, input?, output, history?, system?, tools?}: an instruction and its answer, as Alpaca has them."""

from finery.contracts.datasets.conversation import Conversation, asked, read_answer
from finery.contracts.datasets.examples import Example, Feedback, Preference, Task
from finery.contracts.datasets.formats.base import RowFormat, Tools
from finery.contracts.datasets.messages import Assistant, Message, User
from finery.contracts.datasets.reading import RowRefused, read_list, read_text, read_tools
from finery.contracts.prompting import alpaca_prompt


class AlpacaPrompt(RowFormat, kw_only=True):
    system: str | None = None
    history: object = None
    instruction: str
    input: str | None = None
    tools: Tools = None

    def prompt(self) -> list[Message]:
        *system, question = asked(alpaca_prompt(self.instruction, self.input or ""), system=self.system)
        return [*system, *_read_history(self.history), question]


class Alpaca(AlpacaPrompt, kw_only=True):
    name = "alpaca"
    output: str

    def conversation(self) -> Conversation:
        return Conversation.of([*self.prompt(), Assistant(self.output)], tools=read_tools(self.tools))

    def example(self) -> Example:
        return self.conversation()


class AlpacaFeedback(Alpaca, kw_only=True):
    name = "alpaca_feedback"
    label: bool

    def example(self) -> Example:
        return Feedback.of(self.conversation(), self.label, field="output")


class AlpacaPreference(AlpacaPrompt, kw_only=True):
    """{instruction, input?, chosen, rejected}: each answer is text, one message, or a list of messages."""

    name = "alpaca_preference"
    chosen: object
    rejected: object

    def example(self) -> Example:
        prompt = self.prompt()
        chosen, rejected = read_answer(self.chosen, "chosen"), read_answer(self.rejected, "rejected")
        return Preference.of(prompt, chosen, rejected, tools=read_tools(self.tools))


class AlpacaTask(AlpacaPrompt, kw_only=True):
    """The output is the grader's."""

    name = "alpaca"
    output: object

    def example(self) -> Example:
        return Task.of(Conversation.of(self.prompt(), tools=read_tools(self.tools)), field="prompt")


def _read_history(value: object) -> list[Message]:
    """Earlier questions, each with its answer."""
    messages: list[Message] = []
    for index, turn in enumerate([] if value in (None, "") else read_list(value, "history")):
        if not isinstance(turn, list) or len(turn) != 2:
            raise RowRefused(f"history[{index}]", "must be a pair of question and answer")
        messages.append(User(read_text(turn[0], f"history[{index}][0]")))
        messages.append(Assistant(read_text(turn[1], f"history[{index}][1]")))
    return messages
