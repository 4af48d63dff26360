"""Gives each request an id, which is on its answer and in every log line that it causes."""

import logging
import re
import secrets
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-Id"
CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def new_request_id() -> str:
    return f"req_{secrets.token_hex(12)}"


class RequestIds:
    """The outermost middleware, so that the app's own errors have an id, too.

    A well-formed id of the client's is kept, so that it finds its request in the server's log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get(HEADER, "")
        request_id = sent if CLIENT_ID.fullmatch(sent) else new_request_id()
        # It is not reset: each request has a task of its own, and what is logged after its failure is still about it.
        _current.set(request_id)

        async def sender(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, sender)


class RequestIdFilter(logging.Filter):
    """Sets `request` of each record, for the format: ` [req_…]`, or nothing outside of a request.

    Threads that work for a request have a copy of its context, and so its id.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        request_id = _current.get()
        record.request = f" [{request_id}]" if request_id is not None else ""
        return True
