"""Request and response bodies of inference in the jobs dialect."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from finery.contracts.numbers import StrictNumbers

Text = Annotated[str, Field(max_length=1_000_000)]
SomeText = Annotated[str, Field(min_length=1, max_length=1_000_000)]


class SamplingRequest(StrictNumbers):
    model_config = ConfigDict(extra="forbid")

    max_new_tokens: Annotated[int, Field(ge=1, le=2048)] = 256
    temperature: Annotated[float, Field(ge=0.0, le=2.0, allow_inf_nan=False)] = 0.7
    top_p: Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False)] = 0.9
    top_k: Annotated[int, Field(ge=0, le=1_000_000)] = 50
    """0: no limit."""
    repetition_penalty: Annotated[float, Field(ge=1.0, le=2.0, allow_inf_nan=False)] = 1.1


class ChatRequest(SamplingRequest):
    instruction: SomeText
    input: Text = ""


class GenerationRequest(SamplingRequest):
    prompt: SomeText
    do_sample: bool = True
    num_return_sequences: Annotated[int, Field(ge=1, le=5)] = 1


class ModelAnswer(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    model_name: str


class ModelLoaded(ModelAnswer):
    message: str
    device: str | None


class Chat(ModelAnswer):
    response: str
    instruction: str
    generation_time: float
    """In seconds."""


class Generation(ModelAnswer):
    generated_text: list[str]
    prompt: str
    generation_time: float


class Health(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    status: str
    model_loaded: bool
    model_name: str | None
    device: str | None


class ModelInfo(ModelAnswer):
    model_path: str
    device: str | None
    engine: str
    options: dict[str, Any]
    loaded_at: str | None
