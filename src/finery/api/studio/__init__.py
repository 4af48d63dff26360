"""The studio dialect: accounts and users under `/api`, beside the native `/api/v1`."""

from fastapi import APIRouter

from finery.api.studio import accounts, users
from finery.api.studio.dialect import ERROR_SHAPE, PREFIX, StudioError
from finery.http.dialects import Dialect

AUTH_PREFIXES = ("/api/cloud/auth", "/api/auth")
"""Two prefixes of the same routes: guides write the first, other clients the second."""

auth = APIRouter()
for prefix in AUTH_PREFIXES:
    auth.include_router(accounts.router, prefix=prefix)

DIALECT = Dialect(
    name="studio",
    routers=(auth, users.router),
    prefixes=(PREFIX,),
    errors=ERROR_SHAPE,
    error_model=StudioError,
    examples="finery.api.studio.examples",
)
