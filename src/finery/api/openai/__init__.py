"""The OpenAI dialect, `/v1`: the unmodified SDK's fine-tuning, files, models and completions."""

from fastapi import APIRouter

from finery.api.openai import files, fine_tuning, inference, models, uploads, webhook_endpoints

ROUTERS: tuple[APIRouter, ...] = (
    files.router,
    uploads.router,
    fine_tuning.router,
    models.router,
    inference.router,
    webhook_endpoints.router,
)
