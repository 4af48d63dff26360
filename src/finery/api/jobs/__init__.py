"""The jobs dialect: `/train/*`, `/jobs`, `/upload/dataset`, and the inference routes of the same guide."""

from fastapi import APIRouter

from finery.api.jobs import inference, jobs, training

ROUTERS: tuple[APIRouter, ...] = (training.router, jobs.router, inference.router)
