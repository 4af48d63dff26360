"""Data classes of chat completions: messages, sampling settings, whole and streamed answers."""

from pydantic import BaseModel, ConfigDict, Field

from finery.client.responses import Answer


class Sampling(BaseModel):
    """How the engine draws an answer; it takes the model's own value for what is None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None


class ChatMessage(Answer):
    role: str
    content: str | None = None


class ChatChoice(Answer):
    message: ChatMessage
    finish_reason: str | None = None


class ChatUsage(Answer):
    prompt_tokens: int
    completion_tokens: int


class ChatAnswer(Answer):
    model: str
    choices: list[ChatChoice] = Field(min_length=1)
    usage: ChatUsage | None = None

    @property
    def text(self) -> str:
        return self.choices[0].message.content or ""


class ChatDelta(Answer):
    content: str | None = None


class ChatChunkChoice(Answer):
    delta: ChatDelta


class ChatChunk(Answer):
    """One piece of a streamed answer."""

    choices: list[ChatChunkChoice]

    @property
    def text(self) -> str:
        return "".join(choice.delta.content or "" for choice in self.choices)
