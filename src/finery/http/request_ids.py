"""An id for each request: on its answer, and in every line of the log that is written because of it."""

import logging
import re
import secrets
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-Id"
SANE = re.compile(r"[A-Za-z0-9._-]{1,128}")

_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def new_request_id() -> str:
    return f"req_{secrets.token_hex(12)}"


class RequestIds:
    """Around everything that answers, errors of the application itself included.

    The id is the client's own where it sends a sane one, so that it finds its request in our log by its own name.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get(HEADER, "")
        request_id = sent if SANE.fullmatch(sent) else new_request_id()
        # Never taken back: each request has a task of its own, and what the server logs after its failure is about it.
        _current.set(request_id)

        async def sender(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, sender)


class RequestIdFilter(logging.Filter):
    """Gives each record `request`, for the format: ` [req_…]`, or nothing outside of a request.

    Threads that work for a request have its context, and with it its id.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        request_id = _current.get()
        record.request = f" [{request_id}]" if request_id is not None else ""
        return True
