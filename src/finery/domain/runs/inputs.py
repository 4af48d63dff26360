"""Resolves the models and folders that a run's configuration names; `data` does so for its datasets."""

from pathlib import Path

from sqlalchemy.orm import Session

from finery.contracts.graders import runs_python
from finery.contracts.inputs import FolderInput, ModelInput, inputs_of
from finery.contracts.permissions import Principal
from finery.contracts.recipes import GradedConfig, RecipeConfig
from finery.contracts.recipes.base import MODEL
from finery.domain.catalog import resolve
from finery.domain.catalog.errors import ModelNotFound, ModelRefused
from finery.domain.context import DomainContext
from finery.domain.errors import Issue
from finery.domain.path_access import is_hidden
from finery.domain.runs.data import resolved_path
from finery.domain.runs.errors import InvalidRun, PythonGradersForbidden
from finery.kit.translatable import Translatable, message_of


def find_models(session: Session, config: RecipeConfig, context: DomainContext, actor: Principal) -> dict[str, str]:
    """Return what a trainer loads, by the field that names the model.

    Raises ModelNotFound, ModelRefused, InvalidRun.
    """
    models = {}
    for model in inputs_of(config):
        if isinstance(model.kind, ModelInput):
            try:
                models[model.field] = resolve(session, model.name, context, actor).model
            except (ModelNotFound, ModelRefused) as error:
                # These errors name the field MODEL themselves.
                if model.field == MODEL:
                    raise
                raise InvalidRun([Issue(model.field, message_of(error))]) from error
    return models


def find_folders(session: Session, config: RecipeConfig, context: DomainContext, actor: Principal) -> dict[str, Path]:
    """Return the folders by the fields that name them. Raises InvalidRun."""
    folders = {}
    for folder in inputs_of(config):
        if isinstance(folder.kind, FolderInput):
            path = folders[folder.field] = resolved_path(folder.field, folder.name, context)
            if not path.is_dir() or is_hidden(session, path, actor, context):
                raise InvalidRun([Issue(folder.field, Translatable("{name!r} is no folder", name=folder.name))])
    return folders


def refuse_python(config: RecipeConfig, context: DomainContext) -> None:
    """Raises PythonGradersForbidden."""
    if isinstance(config, GradedConfig) and runs_python(config.grader) and not context.allow_python_graders:
        raise PythonGradersForbidden
