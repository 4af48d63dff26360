"""Checks where a run may put its model: in a folder for outputs, and over nothing that is still needed."""

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
from finery.kit.translatable import Translatable

OUTPUTS = "outputs"
"""The home's own folder for outputs."""
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
MAX_USERS_SHOWN = 5


def output_dir_of(config: RecipeConfig, run_id: str, context: DomainContext) -> Path:
    """Return the output directory, absolute, links followed. Raises InvalidRun where it is in no folder for outputs.

    A folder elsewhere could be taken for a model of the hub, for a run, or for a base model.
    """
    name = config.output_dir or f"{OUTPUTS}/{run_id}"
    path = resolved_path("output_dir", name, context)
    home = context.home.path.resolve()
    reserved = [home / folder for folder in RESERVED_FOLDERS]
    if any(path == folder or path.is_relative_to(folder) or folder.is_relative_to(path) for folder in reserved):
        raise InvalidRun(
            [
                Issue(
                    "output_dir",
                    Translatable("{name!r} is a folder that the server itself uses; name one below it", name=name),
                )
            ]
        )
    if _root_of(path, context) is None:
        allowed = ", ".join(f"{context.resolver.relative(root)}/" for root in _roots(context))
        message = Translatable(
            "{name!r} is no place for outputs: name a folder below {allowed}, as {outputs}/{folder}",
            name=name,
            allowed=allowed,
            outputs=OUTPUTS,
            folder=path.name,
        )
        raise InvalidRun(
            [
                Issue(
                    "output_dir",
                    Translatable("{message}; an administrator allows others (FINERY_OUTPUT_ROOTS)", message=message),
                )
            ]
        )
    return path


def refuse_taken(
    session: Session, path: Path, name: str, context: DomainContext, actor: Principal
) -> tuple[NoticeData, ...]:
    """Return notices of models that the run will replace. Raises OutputTaken where it must not write to `path`."""
    # First whether it is another user's: the messages below tell what it holds.
    if is_anothers_output(session, path, actor, context):
        raise OutputTaken(name, Translatable("is taken"))
    if path.is_file():
        raise OutputTaken(name, Translatable("is a file"))
    if path.is_dir() and any(path.iterdir()) and not (path / OUTPUT_MARKER).is_file():
        raise OutputTaken(name, Translatable("holds files that are no output of an earlier run"))
    if _is_in_base(path, context):
        raise OutputTaken(name, Translatable("lies in the folder of a model"))
    _refuse_around(session, path, name, context, actor)
    # Where nothing lies yet there is no model to be lost.
    if path.is_dir() and (users := users_of(session, [path], actor)):
        raise OutputTaken(
            name,
            Translatable("holds the model that {users} cannot do without", users=", ".join(users[:MAX_USERS_SHOWN])),
        )
    if (earlier := run_of_output(path)) is None:
        return ()
    if context.keep_outputs:
        why = Translatable(
            "holds the model of run {earlier!r}, and this server replaces no finished model (FINERY_KEEP_OUTPUTS)",
            earlier=earlier,
        )
        raise OutputTaken(name, why)
    message = f"{name} holds the model of run {earlier!r}, which this run's will replace"
    return (NoticeData(level="warning", code="output_replaced", message=message, setting="output_dir"),)


def refuse_own_inputs(config: RecipeConfig, resolved: ResolvedRun, name: str) -> None:
    """Raises OutputTaken where the output would replace what the run reads."""
    path = resolved.output_dir
    assert path is not None, "a run that reads anything has an output directory"
    read = [Path(model) for model in resolved.models.values() if Path(model).is_absolute()]
    read += [data.path for data in resolved.datasets.values()]
    for folder in inputs_of(config):
        if isinstance(folder.kind, FolderInput) and not folder.kind.may_hold_output:
            read.append(resolved.folders[folder.field])
    if any(source.is_relative_to(path) or path.is_relative_to(source) for source in read):
        raise OutputTaken(
            name, Translatable("is where the run reads its own model or data from, which would be replaced")
        )


def _roots(context: DomainContext) -> list[Path]:
    roots = []
    for root in (context.home.path / OUTPUTS, *context.output_roots):
        # The home's own folder may be a link to where nobody may write.
        with suppress(PathRefused):
            roots.append(context.resolver.resolve(str(root)))
    return roots


def _root_of(path: Path, context: DomainContext) -> Path | None:
    return next((root for root in _roots(context) if path != root and path.is_relative_to(root)), None)


def _is_in_base(path: Path, context: DomainContext) -> bool:
    """Return whether a folder around `path` is a model that no run has put there."""
    root = _root_of(path, context)
    around = [folder for folder in path.parents if root is not None and folder.is_relative_to(root)]
    return any(
        (folder / description).is_file() and not (folder / OUTPUT_MARKER).is_file()
        for folder in around
        for description in DESCRIPTIONS
    )


def _refuse_around(session: Session, path: Path, name: str, context: DomainContext, actor: Principal) -> None:
    """Raises OutputTaken where outputs of runs are below, which would be replaced with the folder."""
    query = select(SHOWN_ID).where(*has_output_below(path, context), runs_visible_to(actor)).limit(1)
    if (inner := session.scalars(query).first()) is not None:
        raise OutputTaken(name, Translatable("holds the output of run {inner!r}", inner=inner))
