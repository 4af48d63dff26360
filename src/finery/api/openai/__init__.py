"""The OpenAI dialect, `/v1`: the unmodified SDK's fine-tuning, files, models and completions."""

from fastapi import APIRouter

from finery.api.openai import files, fine_tuning, inference, models, uploads, webhook_endpoints

ROUTERS: tuple[APIRouter, ...] = (
    inference.router,
    files.router,
    uploads.router,
    fine_tuning.router,
    models.router,
    webhook_endpoints.router,
)
