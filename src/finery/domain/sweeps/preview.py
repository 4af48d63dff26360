"""Tells what would come of a request for a run or sweep, without writing anything."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from finery.contracts.permissions import Principal
from finery.contracts.previews import MemoryForecast, PreviewIssue, PreviewWarning, RunPreview
from finery.contracts.recipes.list_fields import holds_values
from finery.contracts.run import NewRun
from finery.domain.context import DomainContext
from finery.domain.datasets.errors import DatasetRefused
from finery.domain.errors import DomainError, Issue
from finery.domain.issues import MAX_ISSUES
from finery.domain.runs.auto_reasons import AUTOMATIC, choices_of
from finery.domain.runs.data import EvaluationRefused
from finery.domain.runs.memory_check import Fit
from finery.domain.runs.queue_places import forecast
from finery.domain.runs.validation import Plan, plan_run, recipe_named
from finery.domain.sweeps.expansion import Member, grid_of, members_of, name_of
from finery.kit.translatable import message_of

PATIENCE_SECONDS = 3.0
"""After so long no further run of a sweep is looked at."""
PLACE = "dataset_path"
"""The field that is at fault where data are refused."""


@dataclass
class _Findings:
    issues: dict[tuple[str, str], Issue] = field(default_factory=dict)
    first: Plan | None = None
    checked: int = 0


def preview(session: Session, new: NewRun, context: DomainContext, actor: Principal) -> RunPreview:
    """Plan the run, or the runs of a sweep as long as `PATIENCE_SECONDS` last. The data are not measured in tokens."""
    findings = _Findings()
    members: Sequence[Member] = ()
    grid: Mapping[str, Sequence[Any]] = {}
    try:
        recipe = recipe_named(new.recipe)
        if any(holds_values(recipe.config, name, value) for name, value in new.config.items()):
            grid = grid_of(recipe, new.config)
        members = list(members_of(new.config, grid))
    except DomainError as error:
        _note(findings, error, None)
    deadline = time.monotonic() + PATIENCE_SECONDS
    for member in members:
        _look_at(session, member, new, findings, context, actor)
        if time.monotonic() > deadline or len(findings.issues) >= MAX_ISSUES:
            break
    names = [name_of(member.values, grid, prefix=new.name) for member in members] if grid else []
    return _told(session, new, findings, names, len(members), context)


def _look_at(
    session: Session, member: Member, new: NewRun, findings: _Findings, context: DomainContext, actor: Principal
) -> None:
    findings.checked += 1
    run = new.model_copy(update={"config": member.config})
    try:
        plan = plan_run(session, run, context, actor, patience=None)
    except DomainError as error:
        _note(findings, error, member)
        return
    findings.first = findings.first or plan


def _note(findings: _Findings, error: DomainError, member: Member | None) -> None:
    for issue in _issues_of(error):
        place = member.field_in_request(issue.field) if member is not None else issue.field
        findings.issues.setdefault((place, issue.message), Issue(place, issue.message, issue.line, issue.code))


def _issues_of(error: DomainError) -> Iterator[Issue]:
    """Yield the issues, of data after the one that says which data they are: their fields are those of a row."""
    if isinstance(error, DatasetRefused):
        place = error.field if isinstance(error, EvaluationRefused) else PLACE
        yield Issue(place, message_of(error), code=error.code)
        for issue in error.issues:
            yield Issue(place, issue.message, issue.line, issue.code)
    elif error.issues:
        yield from error.issues
    else:
        yield Issue("", message_of(error), code=error.code)


def _told(
    session: Session, new: NewRun, findings: _Findings, names: list[str], count: int, context: DomainContext
) -> RunPreview:
    first = findings.first
    wait = None
    if first is not None and (first.gpus or first.cpu_slots):
        wait = forecast(session, context.machine(), gpus=first.gpus, cpu_slots=first.cpu_slots, priority=new.priority)
    return RunPreview(
        ok=not findings.issues,
        run_count=count,
        checked_count=findings.checked,
        names=names,
        issues=[
            PreviewIssue(field=each.field, message=each.message, line=each.line, code=each.code)
            for each in list(findings.issues.values())[:MAX_ISSUES]
        ],
        warnings=[] if first is None else list(_warnings_of(first)),
        config=None if first is None else first.config,
        choices=[] if first is None else list(choices_of(first, context)),
        memory=None if first is None or first.fit is None else _memory_of(first.fit),
        wait=wait,
    )


def _warnings_of(plan: Plan) -> Iterator[PreviewWarning]:
    for notice in plan.notices:
        if notice.level == "warning" and notice.code != AUTOMATIC:
            setting = notice.as_json().get("setting")
            yield PreviewWarning(code=notice.code, message=notice.message, setting=setting)


def _memory_of(fit: Fit) -> MemoryForecast:
    needed = fit.needed
    parts = ("weights", "gradients", "optimizer", "activations", "logits", "reference", "stack")
    return MemoryForecast(
        needed_bytes=needed.total,
        available_bytes=fit.device.memory,
        device="gpu" if fit.device.is_gpu else "cpu",
        parts={part: vars(needed)[part] for part in parts},
        batch_size=fit.training.batch_size,
        fitting_batch=fit.fitting_batch,
        tokens_per_row=fit.training.length,
    )
