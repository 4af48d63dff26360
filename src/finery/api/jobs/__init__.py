"""The jobs dialect: `/train/*`, `/jobs`, `/upload/dataset`, and the inference routes of the same guide."""

from finery.api.jobs import inference, jobs, training
from finery.api.jobs.dialect import ERROR_SHAPE, JobsError
from finery.http.dialects import Dialect

DIALECT = Dialect(
    name="jobs",
    routers=(training.router, jobs.router, inference.router),
    # Its routes lie at the root, so it also answers for paths that belong to no dialect.
    prefixes=("",),
    errors=ERROR_SHAPE,
    error_model=JobsError,
    examples="finery.api.jobs.examples",
)
