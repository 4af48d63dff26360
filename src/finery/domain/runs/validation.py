"""What a request must be before it is accepted."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from finery.contracts.datasets.measurement import MeasurementRequest
from finery.contracts.permissions import Permission, Principal
from finery.contracts.recipes import RECIPES, Recipe, RecipeConfig, TrainingConfig, unmet
from finery.contracts.run import NewRun
from finery.db.reading import reading_beside
from finery.domain import secrets
from finery.domain.catalog import resolve_model
from finery.domain.datasets import ResolvedDataset
from finery.domain.datasets.errors import DatasetRefused
from finery.domain.errors import Flaw
from finery.domain.flaws import Flaws, gather
from finery.domain.ground import Ground
from finery.domain.places import is_hidden
from finery.domain.runs.choosing import choose_values, with_server_defaults, without_auto
from finery.domain.runs.data import (
    EVALUATION,
    TRAINING,
    WORDS,
    EvaluationRefused,
    Measured,
    RunData,
    find_data,
    measure_data,
    refuse_too_few,
    resolved_path,
    rows_to_train_on,
)
from finery.domain.runs.errors import CommandsForbidden, InvalidRun
from finery.domain.runs.fitness import check_fit
from finery.domain.runs.grading import resolve_judges
from finery.domain.runs.output_dirs import output_dir_of, refuse_own_inputs, refuse_taken
from finery.domain.runs.transitions import EXTERNAL
from finery.kit.ids import is_safe_id, long_id, short_id
from finery.kit.locations import path_in
from finery.kit.printable import printable
from finery.kit.suggest import nearest


@dataclass(frozen=True)
class Plan:
    """A request that was found possible, with everything resolved."""

    run_id: str
    config: dict[str, Any]
    model: str | None = None
    dataset: Path | None = None
    eval_dataset: Path | None = None
    output_dir: Path | None = None
    output_name: str | None = None
    working_directory: Path | None = None
    judges: Mapping[str, str] = field(default_factory=dict)
    gpus: int = 0
    cpu_slots: int = 0
    pins: Mapping[str, ResolvedDataset] = field(default_factory=dict)
    """The stored datasets among these, by the field that names them."""
    secrets: tuple[str, ...] = ()
    customary_secrets: tuple[str, ...] = ()
    notices: tuple[dict[str, Any], ...] = ()
    """What is told of it among its first events."""
    measurement_due: MeasurementRequest | None = None
    """What of its data is measured later, since its request should not wait for it."""
    refusal: str | None = None
    """Why its data were refused: it is kept, and has failed."""

    @property
    def output_key(self) -> str | None:
        if self.output_dir is None:
            return None
        return hashlib.sha256(str(self.output_dir).encode()).hexdigest()

    def spec(self) -> dict[str, Any]:
        paths = {
            "dataset": self.dataset,
            "eval_dataset": self.eval_dataset,
            "output_dir": self.output_dir,
            "working_directory": self.working_directory,
        }
        return {
            "model": self.model,
            **{key: str(path) if path else None for key, path in paths.items()},
            "stored": {name: stored.record() for name, stored in self.pins.items()},
            "judges": dict(self.judges),
            "secrets": list(self.secrets),
            "customary_secrets": list(self.customary_secrets),
        }


def plan_run(session: Session, new: NewRun, ground: Ground, who: Principal) -> Plan:
    """What takes long is read before the caller's transaction begins, and with it SQLite's only write lock.

    Raises InvalidRun, ModelNotFound, DatasetRefused, OutputTaken, SecretsMissing, PythonGradersForbidden.
    """
    if new.recipe == EXTERNAL:
        _check_external_id(new)
        return Plan(run_id=_run_id(new, who), config=new.config)
    if new.id is not None and not is_safe_id(new.id):
        raise InvalidRun([Flaw("id", "an id is 1 to 128 letters, digits or . _ : -, starting with a letter or digit")])
    recipe = recipe_named(new.recipe)
    if recipe.runs_programs and not who.may(Permission.COMMANDS_RUN):
        raise CommandsForbidden()
    run_id = _run_id(new, who)
    config = parse_config(recipe, without_auto(recipe, new.config))
    output_dir = output_dir_of(config, run_id, ground)
    gpus, cpu_slots = _fit(new, recipe, ground)
    _refuse_unmet(config, gpus)
    with reading_beside(session) as reading:
        inputs, data = _inputs(reading, recipe, config, ground, who)
    told = Measured()
    if isinstance(config, TrainingConfig) and data is not None:
        config, told = _settled(new, recipe, config, data, inputs["model"], gpus, ground)
    output_name = ground.resolver.relative(output_dir)
    refuse_taken(session, output_dir, config.output_dir or output_name, ground, who)
    secrets.require(session, config.secrets, owner_id=who.user_id)
    models = [inputs.get("model") or "", *inputs.get("judges", {}).values()]
    read = [*models, inputs.get("dataset"), inputs.get("eval_dataset")]
    refuse_own_inputs(output_dir, config.output_dir or output_name, read)
    return Plan(
        run_id=run_id,
        config=config.model_dump(mode="json") | _references(inputs.get("pins", {})),
        output_dir=output_dir,
        output_name=output_name,
        gpus=gpus,
        cpu_slots=cpu_slots,
        secrets=tuple(config.secrets),
        customary_secrets=tuple(sorted({name for model in models for name in config.customary_secrets(model)})),
        notices=told.notices,
        measurement_due=told.due,
        **inputs,
    )


def plan_refused(session: Session, new: NewRun, error: DatasetRefused, ground: Ground, who: Principal) -> Plan:
    """Of a run that is kept although its data are bad. Raises what else is wrong with it."""
    recipe = recipe_named(new.recipe)
    config = parse_config(recipe, without_auto(recipe, new.config))
    if isinstance(config, TrainingConfig):
        resolve_model(session, config.model_name, ground, who)
    setting = EVALUATION if isinstance(error, EvaluationRefused) else TRAINING
    told = {"level": "error", "code": error.code, "setting": setting}
    notices = tuple(
        {**told, "message": f"{WORDS[setting]}: {_line(flaw)}", "line": flaw.line, "field": flaw.field}
        for flaw in error.flaws
    )
    return Plan(run_id=_run_id(new, who), config=dict(new.config), notices=notices, refusal=str(error))


def recipe_named(name: str) -> Recipe:
    """Raises InvalidRun for one that there is not, with the nearest known one."""
    if name not in RECIPES:
        raise InvalidRun([Flaw("recipe", _unknown("recipe", name, RECIPES))])
    return RECIPES[name]


def parse_config(recipe: Recipe, config: dict[str, Any]) -> RecipeConfig:
    """The typed configuration. Raises InvalidRun naming each bad field, with the nearest known key."""
    try:
        return recipe.config.model_validate(config)
    except ValidationError as error:
        raise InvalidRun(flaws_of(error, recipe.config, config)) from error
    except RecursionError as error:
        raise InvalidRun([Flaw("config", "it is nested too deeply")]) from error


def flaws_of(error: ValidationError, model: type[RecipeConfig], sent: Mapping[str, Any]) -> Flaws:
    """One flaw per field; what the user sent is not repeated in it."""

    def locate(detail: Mapping[str, Any]) -> list[str | int]:
        return path_in(sent, detail["loc"], is_missing=detail["type"] == "missing")

    def describe(detail: Mapping[str, Any], path: list[str | int], suggests: bool) -> str:
        if detail["type"] != "extra_forbidden":
            return str(detail["msg"])
        if len(path) > 1 or not suggests:
            return "unknown key"
        return _unknown("key", str(path[0]), model.model_fields)

    return gather(error.errors(include_url=False, include_input=False), locate, describe)


def _unknown(what: str, word: str, known: Any) -> str:
    near = nearest(word, known)
    hint = f"; did you mean {near!r}?" if near else f"; known: {', '.join(known)}"
    return f"unknown {what} {printable(word)!r}{hint}"


def _check_external_id(new: NewRun) -> None:
    """Raises InvalidRun."""
    if new.id is not None and (not 1 <= len(new.id) <= 128 or "/" in new.id or not new.id.isprintable()):
        raise InvalidRun([Flaw("job_id", "an id is 1 to 128 printable characters without a slash")])


def _run_id(new: NewRun, who: Principal) -> str:
    """Drawn, whatever id the client chose: what is made of it tells nothing of others' runs.

    Where there are no accounts there are no others, and files may well go by the chosen one.
    """
    if who.user_id is None and new.id is not None and is_safe_id(new.id):
        return new.id
    return f"{new.id_prefix}{long_id()}" if new.id_prefix else short_id()


def _settled(
    new: NewRun, recipe: Recipe, asked: TrainingConfig, data: RunData, model: str, gpus: int, ground: Ground
) -> tuple[TrainingConfig, Measured]:
    """With what `auto` stands for and what the server switches on, and what is to be told of it and of its data.

    Raises InvalidRun when it cannot fit, DatasetRefused when nothing of the data is left in the model's tokens.
    """
    config, chosen = _with_chosen(new, recipe, asked, data, model, gpus, ground)
    if recipe.full_batches:
        refuse_too_few(data, config, processes=max(1, gpus))
    config = with_server_defaults(config, new.config, recipe=recipe, parity_check=ground.parity_check)
    fit = check_fit(
        config,
        recipe=recipe,
        model=model,
        dataset=data.dataset,
        rows=data.report.rows,
        gpus=gpus,
        machine=ground.machine(),
    )
    measured = measure_data(data, config=config, model=model, ground=ground)
    return config, Measured((*chosen, *fit, *data.notices, *measured.notices), measured.due)


def _with_chosen(
    new: NewRun, recipe: Recipe, config: TrainingConfig, data: RunData, model: str, gpus: int, ground: Ground
) -> tuple[TrainingConfig, tuple[dict[str, Any], ...]]:
    """The configuration with what `auto` stands for, and a notice that tells it."""
    chosen = choose_values(
        new.config,
        recipe=recipe,
        rows=data.report.rows,
        model=model,
        entry=ground.models.get(config.model_name),
        full_batches_of=rows_to_train_on(data, config) // max(1, gpus) if recipe.full_batches else None,
    )
    if not chosen:
        return config, ()
    told = ", ".join(f"{key} {value}" for key, value in chosen.items() if key != "chat_template")
    notice = {"level": "info", "code": "automatic", "message": f"chosen automatically: {told}", "values": chosen}
    parsed = parse_config(recipe, {**new.config, **chosen})
    assert isinstance(parsed, TrainingConfig)
    return parsed, (notice,)


def _line(flaw: Flaw) -> str:
    place = ", ".join(part for part in (f"line {flaw.line}" if flaw.line else "", flaw.field) if part)
    return f"{place}: {flaw.message}" if place else flaw.message


def _inputs(
    session: Session, recipe: Recipe, config: RecipeConfig, ground: Ground, who: Principal
) -> tuple[dict[str, Any], RunData | None]:
    if isinstance(config, TrainingConfig):
        data = find_data(session, recipe.name, config, ground, who)
        judges = resolve_judges(session, config, ground, who)
        model = resolve_model(session, config.model_name, ground, who)
        found = {"dataset": data.dataset, "eval_dataset": data.eval_dataset, "pins": data.pins}
        return {"model": model, "judges": judges, **found}, data
    folder = config.model_dump().get("working_directory")
    if folder is None:
        return {"working_directory": ground.home.path}, None
    path = resolved_path("working_directory", folder, ground)
    if not path.is_dir() or is_hidden(session, path, who, ground):
        raise InvalidRun([Flaw("working_directory", f"{folder!r} is no folder")])
    return {"working_directory": path}, None


def _references(pins: Mapping[str, ResolvedDataset]) -> dict[str, str]:
    """With their versions, so that the run's configuration means the same for ever."""
    return {name: stored.reference for name, stored in pins.items() if stored.reference is not None}


def _refuse_unmet(config: RecipeConfig, gpus: int) -> None:
    if not isinstance(config, TrainingConfig):
        return
    flaws = [Flaw(field, message) for field, message in unmet(config, has_gpu=gpus > 0)]
    if flaws:
        raise InvalidRun(flaws)


def _fit(new: NewRun, recipe: Recipe, ground: Ground) -> tuple[int, int]:
    """GPUs and CPU slots to lease. Raises InvalidRun when the machine could never give them."""
    machine = ground.machine()
    gpus = new.resources.gpus
    if gpus is None:
        gpus = 1 if machine.gpus and recipe.wants_gpu else 0
    if gpus > len(machine.gpus):
        raise InvalidRun([Flaw("resources.gpus", f"{gpus} GPUs were asked for; this machine has {len(machine.gpus)}")])
    if gpus:
        return gpus, 0
    slots = new.resources.cpu_slots
    if not 1 <= slots <= machine.cpu_slots:
        message = (
            f"{slots} CPU slots were asked for; this machine has {machine.cpu_slots}, and a run without a GPU needs one"
        )
        raise InvalidRun([Flaw("resources.cpu_slots", message)])
    return 0, slots
