"""The native API, `/api/v1`: all that Finery can do."""

from finery.api.native import (
    accounts,
    audit,
    dataset_checks,
    datasets,
    deployments,
    history,
    recipes,
    runs,
    secrets,
    system,
    users,
    webhooks,
)
from finery.api.native.dialect import ERROR_SHAPE, PREFIX, ApiError
from finery.http.dialects import Dialect

DIALECT = Dialect(
    name="native",
    routers=(
        runs.router,
        history.router,
        recipes.router,
        deployments.router,
        dataset_checks.router,
        datasets.router,
        system.router,
        accounts.router,
        users.router,
        secrets.router,
        audit.router,
        webhooks.router,
    ),
    prefixes=(PREFIX, "/healthz", "/readyz", "/metrics"),
    errors=ERROR_SHAPE,
    error_model=ApiError,
)
