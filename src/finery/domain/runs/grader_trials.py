"""Checks a grader that is tried outside of any run, as a run's would be."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from finery.contracts.base_models import StrictModel
from finery.contracts.graders import Grader, runs_python
from finery.domain.context import DomainContext
from finery.domain.errors import Issue
from finery.domain.runs.errors import InvalidRun, PythonGradersForbidden
from finery.domain.runs.validation import issues_of


class _Graded(StrictModel):
    grader: Grader


def parse_grader(sent: Mapping[str, Any], context: DomainContext) -> Grader:
    """Return the grader. Raises InvalidRun naming each bad field, and PythonGradersForbidden."""
    try:
        grader = _Graded.model_validate({"grader": sent}).grader
    except ValidationError as error:
        raise InvalidRun(issues_of(error, _Graded, {"grader": sent})) from error
    except RecursionError as error:
        raise InvalidRun([Issue("grader", "it is nested too deeply")]) from error
    if runs_python(grader) and not context.allow_python_graders:
        raise PythonGradersForbidden
    return grader
