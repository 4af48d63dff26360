"""Where a run may put its model: in a place for outputs, and over nothing that anybody still needs."""

from contextlib import suppress
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.events import NoticeData
from finery.contracts.inputs import FolderInput, inputs_of
from finery.contracts.layout import OUTPUT_MARKER
from finery.contracts.model_folder import ADAPTER_CONFIG, CONFIG
from finery.contracts.permissions import Principal
from finery.contracts.recipes import RecipeConfig
from finery.contracts.resolved_run import ResolvedRun
from finery.domain.context import DomainContext
from finery.domain.errors import Issue
from finery.domain.ownership import SHOWN_ID, runs_visible_to
from finery.domain.path_access import has_output_below, is_anothers_output, run_of_output
from finery.domain.runs.data import resolved_path
from finery.domain.runs.errors import InvalidRun, OutputTaken
from finery.domain.runs.model_users import users_of
from finery.kit.paths import PathRefused

OUTPUTS = "outputs"
"""The home's own folder for them."""
RESERVED_FOLDERS = (
    "runs",
    "deployments",
    "models",
    "models.yaml",
    "huggingface",
    ".finery",
    "deploy_logs",
    "outputs/training_logs",
    "data/uploads",
    "datasets/blobs",
)
DESCRIPTIONS = (CONFIG, ADAPTER_CONFIG)
MOST_NAMED = 5


def output_dir_of(config: RecipeConfig, run_id: str, context: DomainContext) -> Path:
    """Absolute, links followed. Raises InvalidRun for what lies in no place for outputs.

    A folder anywhere else could be taken for a model of the hub, for a run, or for a base that many begin from.
    """
    name = config.output_dir or f"{OUTPUTS}/{run_id}"
    path = resolved_path("output_dir", name, context)
    home = context.home.path.resolve()
    reserved = [home / folder for folder in RESERVED_FOLDERS]
    if any(path == folder or path.is_relative_to(folder) or folder.is_relative_to(path) for folder in reserved):
        raise InvalidRun([Issue("output_dir", f"{name!r} is a folder that the server itself uses; name one below it")])
    if _root_of(path, context) is None:
        allowed = ", ".join(f"{context.resolver.relative(root)}/" for root in _roots(context))
        message = f"{name!r} is no place for outputs: name a folder below {allowed}, as {OUTPUTS}/{path.name}"
        raise InvalidRun([Issue("output_dir", f"{message}; an administrator allows others (FINERY_OUTPUT_ROOTS)")])
    return path


def refuse_taken(
    session: Session, path: Path, name: str, context: DomainContext, actor: Principal
) -> tuple[NoticeData, ...]:
    """Look first whether it is another's: then nothing of what it holds is told. What the run will replace is a notice.

    Raises OutputTaken.
    """
    if is_anothers_output(session, path, actor, context):
        raise OutputTaken(name, "is taken")
    if path.is_file():
        raise OutputTaken(name, "is a file")
    if path.is_dir() and any(path.iterdir()) and not (path / OUTPUT_MARKER).is_file():
        raise OutputTaken(name, "holds files that are no output of an earlier run")
    if _is_in_base(path, context):
        raise OutputTaken(name, "lies in the folder of a model")
    _refuse_around(session, path, name, context, actor)
    # Neither is there anything to lose where nothing lies yet.
    if path.is_dir() and (users := users_of(session, [path], actor)):
        raise OutputTaken(name, f"holds the model that {', '.join(users[:MOST_NAMED])} cannot do without")
    if (earlier := run_of_output(path)) is None:
        return ()
    if context.keep_outputs:
        why = f"holds the model of run {earlier!r}, and this server replaces no finished model (FINERY_KEEP_OUTPUTS)"
        raise OutputTaken(name, why)
    message = f"{name} holds the model of run {earlier!r}, which this run's will replace"
    return (NoticeData(level="warning", code="output_replaced", message=message, setting="output_dir"),)


def refuse_own_inputs(config: RecipeConfig, resolved: ResolvedRun, name: str) -> None:
    """What is read must not be replaced by what is written. Raises OutputTaken."""
    path = resolved.output_dir
    assert path is not None, "a run that reads anything has an output directory"
    read = [Path(model) for model in resolved.models.values() if Path(model).is_absolute()]
    read += [data.path for data in resolved.datasets.values()]
    for one in inputs_of(config):
        if isinstance(one.kind, FolderInput) and not one.kind.may_hold_output:
            read.append(resolved.folders[one.field])
    if any(each.is_relative_to(path) or path.is_relative_to(each) for each in read):
        raise OutputTaken(name, "is where the run reads its own model or data from, which would be replaced")


def _roots(context: DomainContext) -> list[Path]:
    found = []
    for root in (context.home.path / OUTPUTS, *context.output_roots):
        # The home's own may be a link to where nobody may write.
        with suppress(PathRefused):
            found.append(context.resolver.resolve(str(root)))
    return found


def _root_of(path: Path, context: DomainContext) -> Path | None:
    return next((root for root in _roots(context) if path != root and path.is_relative_to(root)), None)


def _is_in_base(path: Path, context: DomainContext) -> bool:
    """Whether a folder around it is a model that no run has put there."""
    root = _root_of(path, context)
    around = [folder for folder in path.parents if root is not None and folder.is_relative_to(root)]
    return any(
        (folder / description).is_file() and not (folder / OUTPUT_MARKER).is_file()
        for folder in around
        for description in DESCRIPTIONS
    )


def _refuse_around(session: Session, path: Path, name: str, context: DomainContext, actor: Principal) -> None:
    """Who replaces a folder replaces all that is below, and means only the one that is named."""
    query = select(SHOWN_ID).where(*has_output_below(path, context), runs_visible_to(actor)).limit(1)
    if (inner := session.scalars(query).first()) is not None:
        raise OutputTaken(name, f"holds the output of run {inner!r}")
