"""What a request must be before it is accepted."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from finery.contracts.recipes import RECIPES, RecipeConfig, TrainingConfig
from finery.contracts.run import NewRun
from finery.domain.catalog import resolve_model
from finery.domain.datasets import check_dataset
from finery.domain.errors import Flaw
from finery.domain.ground import Ground
from finery.domain.runs.errors import InvalidRun, OutputTaken
from finery.domain.runs.transitions import EXTERNAL
from finery.kit.ids import is_safe_id, short_id
from finery.kit.paths import PathRefused
from finery.kit.suggest import nearest

OUTPUT_MARKER = "finery.json"
"""The file by which an output directory is known as one of ours, so that it may be replaced."""
RESERVED_FOLDERS = ("runs", "deployments", "models", ".finery", "deploy_logs", "outputs/training_logs", "data/uploads")


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
    gpus: int = 0
    cpu_slots: int = 0

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
        return {"model": self.model, **{key: str(path) if path else None for key, path in paths.items()}}


def plan_run(session: Session, new: NewRun, ground: Ground) -> Plan:
    """Raises InvalidRun, ModelNotFound, DatasetRefused, OutputTaken; touches the database last."""
    if new.recipe == EXTERNAL:
        return Plan(run_id=_external_id(new), config=new.config)
    if new.id is not None and not is_safe_id(new.id):
        raise InvalidRun([Flaw("id", "an id is 1 to 128 letters, digits or . _ : -, starting with a letter or digit")])
    run_id = new.id or short_id()
    config = parse_config(new.recipe, new.config)
    output_dir = _output_dir(config, run_id, ground)
    gpus, cpu_slots = _fit(new, ground)
    return Plan(
        run_id=run_id,
        config=config.model_dump(mode="json"),
        output_dir=output_dir,
        output_name=ground.resolver.relative(output_dir),
        gpus=gpus,
        cpu_slots=cpu_slots,
        **_inputs(session, new.recipe, config, ground),
    )


def parse_config(recipe: str, config: dict[str, Any]) -> RecipeConfig:
    """The typed configuration. Raises InvalidRun naming each bad field, with the nearest known key."""
    if recipe not in RECIPES:
        raise InvalidRun([Flaw("recipe", _unknown("recipe", recipe, RECIPES))])
    model = RECIPES[recipe]
    try:
        return model.model_validate(config)
    except ValidationError as error:
        raise InvalidRun(flaws_of(error, model)) from error
    except RecursionError as error:
        raise InvalidRun([Flaw("config", "it is nested too deeply")]) from error


def flaws_of(error: ValidationError, model: type[RecipeConfig]) -> list[Flaw]:
    """One flaw per field; what the user sent is not repeated in it."""
    flaws = []
    for detail in error.errors(include_url=False, include_input=False):
        field = ".".join(str(part) for part in detail["loc"])
        unknown = detail["type"] == "extra_forbidden"
        message = _unknown("key", field, model.model_fields) if unknown else detail["msg"]
        flaws.append(Flaw(field, message.removeprefix("Value error, ")))
    return flaws


def _unknown(what: str, word: str, known: Any) -> str:
    near = nearest(word, known)
    return f"unknown {what} {word[:80]!r}" + (f"; did you mean {near!r}?" if near else f"; known: {', '.join(known)}")


def _external_id(new: NewRun) -> str:
    if new.id is None:
        return short_id()
    if not 1 <= len(new.id) <= 128 or "/" in new.id or not new.id.isprintable():
        raise InvalidRun([Flaw("job_id", "an id is 1 to 128 printable characters without a slash")])
    return new.id


def _inputs(session: Session, recipe: str, config: RecipeConfig, ground: Ground) -> dict[str, Any]:
    if isinstance(config, TrainingConfig):
        dataset = _checked_dataset("dataset_path", config.dataset_path, recipe, config.dataset_name, ground)
        eval_dataset = None
        if config.eval_dataset_path is not None:
            eval_dataset = _checked_dataset("eval_dataset_path", config.eval_dataset_path, recipe, None, ground)
        model = resolve_model(session, config.model_name, ground)
        return {"model": model, "dataset": dataset, "eval_dataset": eval_dataset}
    folder = config.model_dump().get("working_directory")
    if folder is None:
        return {"working_directory": ground.home.path}
    path = _resolved("working_directory", folder, ground)
    if not path.is_dir():
        raise InvalidRun([Flaw("working_directory", f"{folder!r} is no folder")])
    return {"working_directory": path}


def _checked_dataset(field: str, text: str, recipe: str, entry: str | None, ground: Ground) -> Path:
    path = _resolved(field, text, ground)
    if not path.exists():
        raise InvalidRun(
            [Flaw(field, f"there is no file or folder {text[:200]!r}; upload it, or name one that is there")]
        )
    check_dataset(path, recipe=recipe, entry_name=entry)
    return path


def _resolved(field: str, text: str, ground: Ground) -> Path:
    try:
        return ground.resolver.resolve(text)
    except PathRefused as error:
        raise InvalidRun([Flaw(field, str(error))]) from error


def _output_dir(config: RecipeConfig, run_id: str, ground: Ground) -> Path:
    name = config.output_dir or f"outputs/{run_id}"
    path = _resolved("output_dir", name, ground)
    home = ground.home.path.resolve()
    reserved = [home / folder for folder in RESERVED_FOLDERS]
    if any(path == folder or path.is_relative_to(folder) or folder.is_relative_to(path) for folder in reserved):
        raise InvalidRun([Flaw("output_dir", f"{name!r} is a folder that the server itself uses; name one below it")])
    if path.is_file():
        raise OutputTaken(name, "is a file")
    if path.is_dir() and any(path.iterdir()) and not (path / OUTPUT_MARKER).is_file():
        raise OutputTaken(name, "holds files that are no output of an earlier run")
    return path


def _fit(new: NewRun, ground: Ground) -> tuple[int, int]:
    """GPUs and CPU slots to lease. Raises InvalidRun when the machine could never give them."""
    machine = ground.machine()
    gpus = new.resources.gpus
    if gpus is None:
        gpus = 1 if machine.gpus and new.recipe != "command" else 0
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
