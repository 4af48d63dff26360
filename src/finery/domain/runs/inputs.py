"""The models and folders that a run's configuration names. Its data have a module of their own."""

from pathlib import Path

from sqlalchemy.orm import Session

from finery.contracts.graders import runs_python
from finery.contracts.inputs import FolderInput, ModelInput, inputs_of
from finery.contracts.permissions import Principal
from finery.contracts.recipes import GradedConfig, RecipeConfig
from finery.contracts.recipes.base import MODEL
from finery.domain.catalog import resolve_model
from finery.domain.catalog.errors import ModelNotFound, ModelRefused
from finery.domain.context import DomainContext
from finery.domain.errors import Issue
from finery.domain.path_access import is_hidden
from finery.domain.runs.data import resolved_path
from finery.domain.runs.errors import InvalidRun, PythonGradersForbidden


def find_models(session: Session, config: RecipeConfig, context: DomainContext, actor: Principal) -> dict[str, str]:
    """The field that names it → as a trainer loads it. Raises ModelNotFound, ModelRefused, InvalidRun."""
    found = {}
    for one in inputs_of(config):
        if isinstance(one.kind, ModelInput):
            try:
                found[one.field] = resolve_model(session, one.name, context, actor)
            except (ModelNotFound, ModelRefused) as error:
                # These name the field in which nearly every configuration has its model.
                if one.field == MODEL:
                    raise
                raise InvalidRun([Issue(one.field, str(error))]) from error
    return found


def find_folders(session: Session, config: RecipeConfig, context: DomainContext, actor: Principal) -> dict[str, Path]:
    """By the field that names it. Raises InvalidRun."""
    found = {}
    for one in inputs_of(config):
        if isinstance(one.kind, FolderInput):
            path = found[one.field] = resolved_path(one.field, one.name, context)
            if not path.is_dir() or is_hidden(session, path, actor, context):
                raise InvalidRun([Issue(one.field, f"{one.name!r} is no folder")])
    return found


def refuse_python(config: RecipeConfig, context: DomainContext) -> None:
    """Raises PythonGradersForbidden."""
    if isinstance(config, GradedConfig) and runs_python(config.grader) and not context.allow_python_graders:
        raise PythonGradersForbidden
