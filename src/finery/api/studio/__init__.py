"""The studio dialect: `/api/*` but for the native `/api/v1`."""

from fastapi import APIRouter

from finery.api.studio import accounts, users

AUTH_PREFIXES = ("/api/cloud/auth", "/api/auth")
"""The same routes: guides write the first, other clients the second."""

auth = APIRouter()
for prefix in AUTH_PREFIXES:
    auth.include_router(accounts.router, prefix=prefix)

ROUTERS: tuple[APIRouter, ...] = (auth, users.router)
