"""Tries graders: has their judges answer through this server's engines, and maps what came of it to OpenAI's form."""

from collections.abc import Mapping
from typing import Any

from anyio import to_thread
from sqlalchemy.orm import Session

from finery.api.openai.fine_tuning_mapping import grader_models
from finery.api.openai.grader_schemas import GraderErrors, GraderMetadata, GraderRun, RunGraderRequest
from finery.api.openai.model_names import find_model, model_errors_as_404
from finery.contracts.graders import Grader, GraderError, MultiGrader, ScoreModelGrader, judges_of, parts_of
from finery.contracts.graders.trial import (
    GraderTrial,
    JudgeQuestion,
    JudgeQuestions,
    TrialResult,
    try_in_subprocess,
)
from finery.contracts.permissions import Principal
from finery.domain.context import DomainContext
from finery.domain.errors import DomainError, ErrorKind
from finery.domain.runs.grader_trials import parse_grader
from finery.http.admission import Lane
from finery.http.engine_startup import ask_by_name
from finery.http.engines import CHAT
from finery.http.services import Services
from finery.kit.one_shot_program import ProgramFailed, ProgramTooSlow

GRADER = "grader"
TRIALS = Lane("graders", at_once=2, most_waiting=50, of_one_user=1)
"""Each is a process of its own, which may compute for a minute."""


class GraderNotRun(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "grader_not_run"

    def __init__(self, reason: object) -> None:
        super().__init__(f"the grader could not be tried: {reason}")


def checked_grader(session: Session, sent: Mapping[str, Any], context: DomainContext, actor: Principal) -> Grader:
    """Raises InvalidRun, PythonGradersForbidden, and UnknownModel for a judge."""
    grader = parse_grader(sent, context)
    for field, name in grader_models(sent, GRADER).items():
        find_model(session, name, context, actor, field=field, for_training=True)
    return grader


async def graded(services: Services, request: RunGraderRequest, actor: Principal) -> GraderRun:
    """Raises GraderNotRun, what parse_grader raises, and of judges what a chat with them raises."""
    grader = parse_grader(request.grader, services.context)
    verdicts: dict[str, str] = {}
    usage: dict[str, int] = {}
    if judges_of(grader):
        asked = await _tried(GraderTrial(grader=grader, item=request.item, model_sample=request.model_sample), actor)
        assert isinstance(asked, JudgeQuestions)
        for question in asked.questions:
            verdicts[question.grader] = await _verdict(services, grader, question, actor, usage)
    trial = GraderTrial(grader=grader, item=request.item, model_sample=request.model_sample, verdicts=verdicts)
    result = await _tried(trial, actor)
    assert isinstance(result, TrialResult)
    return to_grader_run(grader, result, usage)


def to_grader_run(grader: Grader, result: TrialResult, usage: Mapping[str, int]) -> GraderRun:
    return GraderRun(
        reward=result.reward,
        metadata=GraderMetadata(
            name=grader.name,
            type=grader.type,
            errors=_errors_of(result),
            execution_time=result.seconds,
            scores=result.scores,
            token_usage=sum(usage.values()) if usage else None,
            sampled_model_name=grader.model if isinstance(grader, ScoreModelGrader) else None,
        ),
        sub_rewards=result.scores if isinstance(grader, MultiGrader) else {},
        model_grader_token_usage_per_model=dict(usage),
    )


def _errors_of(result: TrialResult) -> GraderErrors:
    told: dict[str, Any] = {issue.error.value: True for issue in result.issues}
    for issue in result.issues:
        if issue.error is GraderError.PYTHON:
            told["python_grader_runtime_error_details"] = issue.message
        elif issue.error is GraderError.PYTHON_SERVER:
            told["python_grader_server_error_type"] = issue.message
    return GraderErrors(**told)


async def _tried(trial: GraderTrial, actor: Principal) -> JudgeQuestions | TrialResult:
    async with TRIALS.entered(actor.user_id):
        try:
            return await to_thread.run_sync(try_in_subprocess, trial)
        except (ProgramFailed, ProgramTooSlow, OSError) as error:
            raise GraderNotRun(error) from error


async def _verdict(
    services: Services, grader: Grader, question: JudgeQuestion, actor: Principal, usage: dict[str, int]
) -> str:
    """Returns what the judge answers, and adds to its tokens in `usage`."""
    part = parts_of(grader)[question.grader]
    assert isinstance(part, ScoreModelGrader)
    sampling = part.sampling_params
    body: dict[str, Any] = {
        "model": part.model,
        "messages": question.messages,
        "max_completion_tokens": sampling.max_completions_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
    }
    field = "grader.model" if part is grader else f"grader.graders.{question.grader}.model"
    with model_errors_as_404(part.model, services.context.models, field=field):
        answer = await ask_by_name(services, part.model, actor, CHAT, body)
    usage[part.model] = usage.get(part.model, 0) + int(answer["usage"]["total_tokens"])
    return str(answer["choices"][0]["message"]["content"] or "")
