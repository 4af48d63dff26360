"""What a run's grader needs of this server: models to ask, and leave to run programs."""

from sqlalchemy.orm import Session

from finery.contracts.graders import judges_of, runs_python
from finery.contracts.permissions import Principal
from finery.contracts.recipes import GradedConfig, RecipeConfig
from finery.domain.catalog import resolve_model
from finery.domain.catalog.errors import ModelNotFound, ModelRefused
from finery.domain.errors import Flaw
from finery.domain.ground import Ground
from finery.domain.runs.errors import InvalidRun, PythonGradersForbidden


def resolve_judges(session: Session, config: RecipeConfig, ground: Ground, who: Principal) -> dict[str, str]:
    """A grader's models: as the user named them → as a trainer loads them.

    Raises InvalidRun, PythonGradersForbidden.
    """
    if not isinstance(config, GradedConfig):
        return {}
    if runs_python(config.grader) and not ground.allow_python_graders:
        raise PythonGradersForbidden
    try:
        return {name: resolve_model(session, name, ground, who) for name in judges_of(config.grader)}
    except (ModelNotFound, ModelRefused) as error:
        raise InvalidRun([Flaw("grader.model", str(error))]) from error
