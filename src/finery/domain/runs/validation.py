"""Validates a request for a run, and plans it: what is read, where it writes, which devices it needs."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from finery.contracts.datasets.measurement import MeasurementRequest
from finery.contracts.events import NoticeData
from finery.contracts.inputs import DatasetInput, Input, InputKind, ModelInput, inputs_of, replaced
from finery.contracts.permissions import Permission, Principal
from finery.contracts.recipes import RECIPES, Recipe, RecipeConfig, TrainingConfig, missing_requirements
from finery.contracts.recipes.base import MODEL, TRAINING
from finery.contracts.resolved_run import ResolvedRun
from finery.contracts.run import NewRun
from finery.db import read_beside_write
from finery.domain import secrets
from finery.domain.context import DomainContext
from finery.domain.datasets.errors import DatasetRefused
from finery.domain.datasets.quick_measurement import WAIT_SECONDS
from finery.domain.deployments import servability
from finery.domain.errors import Issue
from finery.domain.issues import Issues, gather_issues
from finery.domain.runs.auto_values import choose_values, with_server_defaults, without_auto
from finery.domain.runs.data import (
    TRAINING_DATA,
    VALIDATION_DATA,
    EvaluationRefused,
    Located,
    RunData,
    TrainingData,
    find_data,
    refuse_too_few,
)
from finery.domain.runs.errors import CommandsForbidden, InvalidRun
from finery.domain.runs.inputs import find_folders, find_models, refuse_python
from finery.domain.runs.measurements import DataNotices, measure_data
from finery.domain.runs.memory_check import Fit, check_fit
from finery.domain.runs.model_check import check_model, longest_input_of
from finery.domain.runs.output_dirs import output_dir_of, refuse_own_inputs, refuse_taken
from finery.domain.runs.transitions import EXTERNAL
from finery.kit.error_paths import path_in
from finery.kit.field_errors import sentence_of
from finery.kit.ids import is_safe_id, long_id, short_id
from finery.kit.printable import printable
from finery.kit.suggest import nearest
from finery.kit.translatable import Translatable


@dataclass(frozen=True)
class Refusal:
    message: str
    field: str
    """The field of the configuration that names the bad data."""


@dataclass(frozen=True)
class Plan:
    """A valid request, with all that it was resolved to."""

    run_id: str
    config: dict[str, Any]
    resolved: ResolvedRun = field(default_factory=ResolvedRun)
    model_name: str | None = None
    """The name of its first model, as the request has it."""
    dataset: str | None = None
    """The name of its first dataset, with the version."""
    data: tuple[Located, ...] = ()
    output_name: str | None = None
    """The output directory, relative to the home where it lies there."""
    gpus: int = 0
    cpu_slots: int = 0
    notices: tuple[NoticeData, ...] = ()
    """Notices among its first events."""
    measurement_due: MeasurementRequest | None = None
    """The measurement of its data that its request does not wait for."""
    rows: int | None = None
    """The rows of its training data; None: it has none."""
    fit: Fit | None = None
    """What it needs of the memory, where that can be told."""
    refusal: Refusal | None = None
    """Why its data were refused, for a run that is stored as failed."""

    @property
    def output_key(self) -> str | None:
        if self.resolved.output_dir is None:
            return None
        return hashlib.sha256(str(self.resolved.output_dir).encode()).hexdigest()


def plan_run(
    session: Session,
    new: NewRun,
    context: DomainContext,
    actor: Principal,
    *,
    patience: float | None = WAIT_SECONDS,
) -> Plan:
    """Check a request and resolve what it names. Its data are measured for `patience` seconds; None: not at all.

    It reads beside the caller's transaction, which should not begin before the data are checked, since SQLite has only
    one write lock. Raises InvalidRun, ModelNotFound, ModelRefused, DatasetRefused, OutputTaken, SecretsMissing,
    CommandsForbidden, PythonGradersForbidden.
    """
    if new.recipe == EXTERNAL:
        _check_external_id(new)
        model, dataset = new.config.get("model_name"), new.config.get("dataset")
        return Plan(run_id=_run_id(new, actor), config=new.config, model_name=model, dataset=dataset)
    if new.id is not None and not is_safe_id(new.id):
        raise InvalidRun(
            [Issue("id", Translatable("an id is 1 to 128 letters, digits or . _ : -, starting with a letter or digit"))]
        )
    recipe = recipe_named(new.recipe)
    if recipe.runs_programs and not actor.may(Permission.COMMANDS_RUN):
        raise CommandsForbidden()
    run_id = _run_id(new, actor)
    config = parse_config(recipe, without_auto(recipe, new.config))
    output_dir = output_dir_of(config, run_id, context)
    gpus, cpu_slots = _devices_for(new, recipe, context)
    _refuse_unmet(config, gpus)
    with read_beside_write(session) as reading:
        data = find_data(reading, recipe, config, context, actor)
        refuse_python(config, context)
        models = find_models(reading, config, context, actor)
        folders = find_folders(reading, config, context, actor)
    completed = _Completed(config, DataNotices(data.notices))
    unservable: tuple[NoticeData, ...] = ()
    if isinstance(config, TrainingConfig):
        unservable = servability.notices_of(models[MODEL], context)
        completed = _complete_training(new, recipe, config, data, models[MODEL], gpus, context, patience=patience)
        config = completed.config
    output_name = context.resolver.relative(output_dir)
    replacements = refuse_taken(session, output_dir, config.output_dir or output_name, context, actor)
    secrets.require(session, config.secrets, owner_id=actor.user_id)
    resolved = ResolvedRun(
        models=models,
        datasets={located.input.field: located.resolved for located in data.located},
        folders=folders,
        output_dir=output_dir,
        secrets=config.secrets,
        optional_secrets=sorted({name for model in models.values() for name in config.optional_secrets(model)}),
    )
    refuse_own_inputs(config, resolved, config.output_dir or output_name)
    return Plan(
        run_id=run_id,
        # With the versions of stored data, so that the configuration means the same for ever.
        config=replaced(
            config.model_dump(mode="json"), {located.input.place: located.reference for located in data.located}
        ),
        resolved=resolved,
        model_name=_name_of(_first(ModelInput, config)),
        dataset=next((located.reference for located in data.located), None),
        data=data.located,
        output_name=output_name,
        gpus=gpus,
        cpu_slots=cpu_slots,
        notices=(*completed.notices.notices, *unservable, *replacements),
        measurement_due=completed.notices.due,
        rows=completed.rows,
        fit=completed.fit,
    )


def plan_refused(
    session: Session, new: NewRun, error: DatasetRefused, context: DomainContext, actor: Principal
) -> Plan:
    """Plan a run that is stored as failed since its data are bad. Raises what else is wrong with the request."""
    recipe = recipe_named(new.recipe)
    config = parse_config(recipe, without_auto(recipe, new.config))
    find_models(session, config, context, actor)
    data = _first(DatasetInput, config)
    if isinstance(error, EvaluationRefused):
        what, setting = VALIDATION_DATA, error.field
    else:
        what, setting = TRAINING_DATA, "" if data is None else data.field
    return Plan(
        run_id=_run_id(new, actor),
        config=dict(new.config),
        model_name=_name_of(_first(ModelInput, config)),
        dataset=_name_of(data),
        notices=tuple(
            NoticeData(
                level="error",
                code=error.code,
                message=f"{what}: {_issue_line(issue)}",
                setting=setting,
                line=issue.line,
                field=issue.field,
            )
            for issue in error.issues
        ),
        refusal=Refusal(str(error), setting),
    )


def _first(kind: type[InputKind], config: RecipeConfig) -> Input | None:
    return next((each for each in inputs_of(config) if isinstance(each.kind, kind)), None)


def _name_of(named: Input | None) -> str | None:
    return None if named is None else named.name


def recipe_named(name: str) -> Recipe:
    """Return a recipe. Raises InvalidRun for an unknown name, with the nearest known one."""
    if name not in RECIPES:
        raise InvalidRun([Issue("recipe", _unknown(Translatable("recipe"), name, RECIPES))])
    return RECIPES[name]


def parse_config(recipe: Recipe, config: dict[str, Any]) -> RecipeConfig:
    """Return the typed configuration. Raises InvalidRun naming each bad field, with the nearest known key."""
    try:
        return recipe.config.model_validate(config)
    except ValidationError as error:
        raise InvalidRun(issues_of(error, recipe.config, config)) from error
    except RecursionError as error:
        raise InvalidRun([Issue("config", Translatable("it is nested too deeply"))]) from error


def issues_of(error: ValidationError, model: type[BaseModel], sent: Mapping[str, Any]) -> Issues:
    """Return one issue for each field, without the values that the user sent."""

    def locate(detail: Mapping[str, Any]) -> list[str | int]:
        return path_in(sent, detail["loc"], is_missing=detail["type"] == "missing")

    def describe(detail: Mapping[str, Any], path: list[str | int], suggests: bool) -> str:
        if detail["type"] != "extra_forbidden":
            return sentence_of(detail)
        if len(path) > 1 or not suggests:
            return Translatable("unknown key")
        return _unknown(Translatable("key"), str(path[0]), model.model_fields)

    return gather_issues(error.errors(include_url=False), locate, describe)


def _unknown(what: str, word: str, known: Any) -> str:
    near = nearest(word, known)
    hint = (
        Translatable("; did you mean {near!r}?", near=near)
        if near
        else Translatable("; known: {known}", known=", ".join(known))
    )
    return Translatable("unknown {what} {word!r}{hint}", what=what, word=printable(word), hint=hint)


def _check_external_id(new: NewRun) -> None:
    """Raises InvalidRun."""
    if new.id is not None and (not 1 <= len(new.id) <= 128 or "/" in new.id or not new.id.isprintable()):
        raise InvalidRun([Issue("job_id", Translatable("an id is 1 to 128 printable characters without a slash"))])


def _run_id(new: NewRun, actor: Principal) -> str:
    """Draw the run's own id, whatever id the client chose, so that paths tell nothing of other users' runs.

    Without accounts there are no other users, and the client's choice is the run's own id.
    """
    if actor.user_id is None and new.id is not None and is_safe_id(new.id):
        return new.id
    return f"{new.id_prefix}{long_id()}" if new.id_prefix else short_id()


@dataclass(frozen=True)
class _Completed:
    """A configuration with all of its values, and what was found out meanwhile."""

    config: RecipeConfig
    notices: DataNotices
    rows: int | None = None
    fit: Fit | None = None


def _complete_training(
    new: NewRun,
    recipe: Recipe,
    config: TrainingConfig,
    data: RunData,
    model: str,
    gpus: int,
    context: DomainContext,
    *,
    patience: float | None,
) -> _Completed:
    """Complete the configuration with values for `auto` and the server's defaults, and tell of these and of the data.

    Raises InvalidRun when it cannot fit into memory, DatasetRefused when nothing of the data is left in the model's
    tokens.
    """
    training = data.training[TRAINING]
    config, chosen = _with_chosen(new, recipe, config, training, model, gpus, context)
    if recipe.full_batches:
        refuse_too_few(training, config, processes=max(1, gpus))
    config = with_server_defaults(config, new.config, recipe=recipe, parity_check=context.parity_check)
    check_model(config, recipe=recipe, model=model)
    fit = check_fit(
        config,
        recipe=recipe,
        model=model,
        dataset=training.located.path,
        rows=training.report.rows,
        gpus=gpus,
        machine=context.machine(),
    )
    measured = DataNotices()
    if patience is not None:
        measured = measure_data(training, config=config, model=model, context=context, patience=patience)
    notices = (*chosen, *(fit.notices if fit is not None else ()), *data.notices, *measured.notices)
    return _Completed(config, DataNotices(notices, measured.due), rows=training.report.rows, fit=fit)


def _with_chosen(
    new: NewRun,
    recipe: Recipe,
    config: TrainingConfig,
    data: TrainingData,
    model: str,
    gpus: int,
    context: DomainContext,
) -> tuple[TrainingConfig, tuple[NoticeData, ...]]:
    """Return the configuration with values for `auto`, and a notice of these."""
    chosen = choose_values(
        new.config,
        recipe=recipe,
        rows=data.report.rows,
        model=model,
        entry=context.models.get(config.model_name),
        full_batches_of=data.rows_to_train_on(config) // max(1, gpus) if recipe.full_batches else None,
    )
    longest = longest_input_of(model)
    if new.config.get("max_length") is None and longest is not None and config.max_length > longest:
        # A default is no wish that the model could not honour.
        chosen["max_length"] = longest
    if not chosen:
        return config, ()
    values = ", ".join(f"{key} {value}" for key, value in chosen.items() if key != "chat_template")
    notice = NoticeData(level="info", code="automatic", message=f"chosen automatically: {values}", values=chosen)
    parsed = parse_config(recipe, {**new.config, **chosen})
    assert isinstance(parsed, TrainingConfig)
    return parsed, (notice,)


def _issue_line(issue: Issue) -> str:
    place = ", ".join(part for part in (f"line {issue.line}" if issue.line else "", issue.field) if part)
    return f"{place}: {issue.message}" if place else issue.message


def _refuse_unmet(config: RecipeConfig, gpus: int) -> None:
    if not isinstance(config, TrainingConfig):
        return
    issues = [Issue(field, message) for field, message in missing_requirements(config, has_gpu=gpus > 0)]
    if issues:
        raise InvalidRun(issues)


def _devices_for(new: NewRun, recipe: Recipe, context: DomainContext) -> tuple[int, int]:
    """Return how many GPUs and CPU slots to lease. Raises InvalidRun when the machine has fewer."""
    machine = context.machine()
    gpus = new.resources.gpus
    if gpus is None:
        gpus = 1 if machine.gpus and recipe.wants_gpu else 0
    if gpus > len(machine.gpus):
        raise InvalidRun(
            [
                Issue(
                    "resources.gpus",
                    Translatable(
                        "{gpus} GPUs were asked for; this machine has {count}", gpus=gpus, count=len(machine.gpus)
                    ),
                )
            ]
        )
    if gpus:
        return gpus, 0
    slots = new.resources.cpu_slots
    if not 1 <= slots <= machine.cpu_slots:
        message = Translatable(
            "{slots} CPU slots were asked for; this machine has {cpu_slots}, and a run without a GPU needs one",
            slots=slots,
            cpu_slots=machine.cpu_slots,
        )
        raise InvalidRun([Issue("resources.cpu_slots", message)])
    return 0, slots
