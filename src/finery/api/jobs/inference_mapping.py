"""Maps /chat, /generate, /load_model, /health and /model_info of the jobs dialect to engines and deployments."""

import time
from dataclasses import dataclass, field
from typing import Any

from finery.api.jobs.inference_schemas import (
    Chat,
    ChatRequest,
    Generation,
    GenerationRequest,
    Health,
    ModelInfo,
    ModelLoaded,
    SamplingRequest,
)
from finery.contracts.chat_prompts import alpaca_prompt
from finery.contracts.deployment import Deployment, DeploymentStatus
from finery.domain.errors import DomainError, ErrorKind
from finery.http.languages import Language
from finery.kit.paths import PathResolver
from finery.kit.translatable import Translatable


class NoModelLoaded(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "no_model_loaded"

    def __init__(self) -> None:
        super().__init__(Translatable("no model is loaded; POST /load_model?model_path=… loads one"))


@dataclass(frozen=True)
class LoadedModel:
    """The model that answers a request, which arrived at `requested_at` (of time.perf_counter)."""

    deployment: Deployment
    requested_at: float = field(default_factory=time.perf_counter)

    def seconds(self) -> float:
        return round(time.perf_counter() - self.requested_at, 4)


def to_loaded_model(deployment: Deployment | None) -> LoadedModel:
    """Returns the running deployment. Raises NoModelLoaded."""
    if deployment is None or deployment.status is not DeploymentStatus.RUNNING:
        raise NoModelLoaded()
    return LoadedModel(deployment)


def chat_body(request: ChatRequest) -> dict[str, Any]:
    content = alpaca_prompt(request.instruction, request.input)
    return {"messages": [{"role": "user", "content": content}], **_sampling(request)}


def completion_body(request: GenerationRequest) -> dict[str, Any]:
    greedy = {} if request.do_sample else {"temperature": 0.0}
    return {"prompt": request.prompt, "n": request.num_return_sequences, **_sampling(request), **greedy}


def to_model_loaded(deployment: Deployment, language: Language) -> ModelLoaded:
    message = Translatable("The model {model_name} has been loaded", model_name=deployment.model_name)
    return ModelLoaded(
        message=language.tell(message),
        model_name=deployment.model_name,
        device=deployment.device,
    )


def to_chat(request: ChatRequest, model: LoadedModel, answer: dict[str, Any]) -> Chat:
    return Chat(
        response=answer["choices"][0]["message"]["content"].strip(),
        instruction=request.instruction,
        model_name=model.deployment.model_name,
        generation_time=model.seconds(),
    )


def to_generation(request: GenerationRequest, model: LoadedModel, answer: dict[str, Any]) -> Generation:
    return Generation(
        generated_text=[choice["text"] for choice in answer["choices"]],
        prompt=request.prompt,
        model_name=model.deployment.model_name,
        generation_time=model.seconds(),
    )


def to_health(deployment: Deployment | None) -> Health:
    loaded = deployment if deployment and deployment.status is DeploymentStatus.RUNNING else None
    return Health(
        status="healthy",
        model_loaded=loaded is not None,
        model_name=loaded.model_name if loaded else None,
        device=loaded.device if loaded else None,
    )


def to_model_info(model: LoadedModel, resolver: PathResolver) -> ModelInfo:
    deployment = model.deployment
    return ModelInfo(
        model_name=deployment.model_name,
        model_path=resolver.shown(deployment.model),
        device=deployment.device,
        engine=deployment.engine,
        options=deployment.options.model_dump(),
        loaded_at=deployment.started_at.isoformat() if deployment.started_at else None,
    )


def _sampling(request: SamplingRequest) -> dict[str, Any]:
    return {
        "max_tokens": request.max_new_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        # The dialect writes 0 where top_k is without a limit, the engine -1.
        "top_k": request.top_k or -1,
        "repetition_penalty": request.repetition_penalty,
    }
