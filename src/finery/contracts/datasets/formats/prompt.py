"""{prompt, completion, system?, tools?}, and what else begins with a prompt: text, or a list of messages."""

from finery.contracts.datasets.conversation import Conversation, asked, read_completion, read_conversation
from finery.contracts.datasets.examples import Example, Feedback, Preference, Task
from finery.contracts.datasets.formats.base import RowFormat, Tools
from finery.contracts.datasets.messages import Assistant, Message
from finery.contracts.datasets.reading import read_text, read_tools


class Prompt(RowFormat, kw_only=True):
    """{prompt, system?, tools?}: a task for the model; a grader may name any other column."""

    name = "prompt"
    prompt: object
    system: object = None
    tools: Tools = None

    def messages(self) -> list[Message]:
        """Beside a list of messages, which may hold the system's, `system` is not looked at."""
        if isinstance(self.prompt, list):
            return read_conversation(self.prompt, "prompt").messages
        system = None if self.system is None else read_text(self.system, "system")
        return asked(read_text(self.prompt, "prompt"), system=system)

    def example(self) -> Example:
        return Task.of(Conversation.of(self.messages(), tools=read_tools(self.tools)), field="prompt")


class PromptCompletion(Prompt, kw_only=True):
    name = "prompt_completion"
    completion: object

    def conversation(self) -> Conversation:
        prompt = self.messages()
        for message in prompt:
            if isinstance(message, Assistant):
                message.weight = 0
        completion = read_completion(self.completion, "completion")
        return Conversation.of([*prompt, *completion], "completion", tools=read_tools(self.tools))

    def example(self) -> Example:
        return self.conversation()


class PromptFeedback(PromptCompletion, kw_only=True):
    name = "feedback"
    label: bool

    def example(self) -> Example:
        return Feedback.of(self.conversation(), self.label, field="completion")


class PromptPreference(Prompt, kw_only=True):
    """{prompt, chosen, rejected}: the answers are text, lists of messages, or whole conversations."""

    name = "preference"
    chosen: object
    rejected: object

    def example(self) -> Example:
        chosen, rejected = read_completion(self.chosen, "chosen"), read_completion(self.rejected, "rejected")
        if all(answer[0].role in ("system", "user") for answer in (chosen, rejected)):
            return Preference.of_conversations(chosen, rejected, tools=read_tools(self.tools))
        return Preference.of(self.messages(), chosen, rejected, tools=read_tools(self.tools))
