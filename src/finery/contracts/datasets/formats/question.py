"""{question, answer, system?}: both are text."""

from finery.contracts.datasets.conversation import Conversation, asked
from finery.contracts.datasets.examples import Example, Task
from finery.contracts.datasets.formats.base import RowFormat, Tools
from finery.contracts.datasets.messages import Assistant
from finery.contracts.datasets.reading import read_tools


class QuestionAnswer(RowFormat, kw_only=True):
    name = "question_answer"
    system: str | None = None
    question: str
    answer: str

    def example(self) -> Example:
        return Conversation.of([*asked(self.question, system=self.system), Assistant(self.answer)])


class QuestionTask(RowFormat, kw_only=True):
    """The answer is the grader's."""

    name = "question_answer"
    system: str | None = None
    question: str
    answer: object
    tools: Tools = None

    def example(self) -> Example:
        question = Conversation.of(asked(self.question, system=self.system), tools=read_tools(self.tools))
        return Task.of(question, field="prompt")
