"""The native API, `/api/v1`: the complete one."""

from fastapi import APIRouter

from finery.api.native import datasets, deployments, history, runs, system

ROUTERS: tuple[APIRouter, ...] = (
    runs.router,
    history.router,
    deployments.router,
    datasets.router,
    system.router,
)
