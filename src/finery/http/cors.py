"""Middleware that lets pages of other origins read answers: of those that the settings name, and no others."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

NULL = "null"
"""What a browser sends as the origin of a page that has none: one from a file, or in a sandbox of any site's page."""
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class Cors:
    def __init__(self, app: ASGIApp, origins: Sequence[str], headers: Sequence[str], exposed: Sequence[str]) -> None:
        def allowing(origins: list[str], methods: list[str]) -> CORSMiddleware:
            # Without credentials: such a page sends a key, not a cookie.
            return CORSMiddleware(
                app,
                allow_origins=origins,
                allow_credentials=False,
                allow_methods=methods,
                allow_headers=headers,
                expose_headers=exposed,
            )

        self._named = allowing([origin for origin in origins if origin != NULL], METHODS)
        # It cannot be told from the page of another file or site.
        self._null = allowing([origin for origin in origins if origin == NULL], ["GET"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_null = scope["type"] == "http" and Headers(scope=scope).get("origin") == NULL
        await (self._null if is_null else self._named)(scope, receive, send)
