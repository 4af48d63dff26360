"""The native API, `/api/v1`: all that Finery can do."""

from typing import Any

from finery.api.native import (
    accounts,
    attention,
    audit,
    dataset_checks,
    dataset_uploads,
    datasets,
    deployments,
    events,
    history,
    models,
    previews,
    queue,
    recipes,
    runs,
    samples,
    secrets,
    sweeps,
    system,
    users,
    webhooks,
)
from finery.api.native.dialect import ERROR_SHAPE, PREFIX, ApiError
from finery.contracts.run import RunNotice
from finery.http.dialects import Dialect
from finery.http.openapi_responses import shapes


def _complete_document(document: dict[str, Any]) -> None:
    # Imported when the document is asked for, which most servers never are.
    from finery.api.native.run_request_schema import tell_recipes

    tell_recipes(document)
    # What streams send, which no route's answer names.
    document["components"]["schemas"] |= shapes([RunNotice])


DIALECT = Dialect(
    name="native",
    routers=(
        previews.router,
        runs.router,
        events.router,
        sweeps.router,
        history.router,
        recipes.router,
        deployments.router,
        models.router,
        dataset_checks.router,
        datasets.router,
        samples.router,
        dataset_uploads.router,
        system.router,
        accounts.router,
        users.router,
        secrets.router,
        audit.router,
        attention.router,
        queue.router,
        webhooks.router,
    ),
    prefixes=(PREFIX, "/healthz", "/readyz", "/metrics"),
    errors=ERROR_SHAPE,
    error_model=ApiError,
    examples="finery.api.native.examples",
    complete_document=_complete_document,
)
