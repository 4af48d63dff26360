"""The native API, `/api/v1`: the complete one."""

from fastapi import APIRouter

from finery.api.native import (
    accounts,
    audit,
    dataset_checks,
    datasets,
    deployments,
    history,
    runs,
    secrets,
    system,
    users,
    webhooks,
)

ROUTERS: tuple[APIRouter, ...] = (
    runs.router,
    history.router,
    deployments.router,
    dataset_checks.router,
    datasets.router,
    system.router,
    accounts.router,
    users.router,
    secrets.router,
    audit.router,
    webhooks.router,
)
