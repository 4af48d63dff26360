"""HTTP client of the engines, which serve models on loopback: sends requests and passes their answers on."""

import asyncio
import io
import json
import logging
import os
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from finery.contracts.deployment import Deployment, DeploymentStatus, ServedModel
from finery.domain.context import DomainContext
from finery.domain.deployments import engine_token
from finery.domain.errors import DomainError, ErrorKind
from finery.engines.base import Engine
from finery.engines.wire import RequestRefused
from finery.http.body import beside_loop
from finery.http.engine_metrics import EVENT_STREAM, EngineMetrics, Exchange
from finery.kit.translatable import Translatable

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 600.0
"""Until an answer begins, and between two pieces of it."""
KEEP_SECONDS = 4.0
"""A second less than engines keep an idle connection, so that none is used that is about to be closed."""
LARGE = 2**20
"""Bytes. A larger request is sent piece by piece."""
JSON = "application/json"
CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"


class EngineNotReady(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "engine_not_ready"

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(
            Translatable(
                "deployment {id!r} is {status}; it answers once it is running",
                id=deployment.id,
                status=deployment.status,
            )
        )


class EngineGone(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "engine_gone"

    def __init__(self, deployment: Deployment, detail: str) -> None:
        super().__init__(
            Translatable("the engine of deployment {id!r} does not answer: {detail}", id=deployment.id, detail=detail)
        )


class EngineUnreachable(EngineGone):
    """The request may be sent to another engine: this one never took it, or it may be made twice."""


class EngineRefused(DomainError):
    """The engine refused the request; the message is its own, since it is about the client's parameters."""

    kind = ErrorKind.INVALID
    code = "engine_refused"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        """`status` is that of the engine's answer."""
        super().__init__(message, field=param)
        self.code = code or EngineRefused.code
        self.status = status


class EngineAnswer(StreamingResponse):
    """Releases the engine at its end, also where the client disconnected before the first byte was passed on."""

    def __init__(self, chunks: AsyncIterator[bytes], release: Callable[[], None], media_type: str) -> None:
        super().__init__(chunks, media_type=media_type)
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except EngineGone as error:
            # Its head has been sent; the client sees by the missing end that the answer is cut short.
            log.warning("an answer ends early: %s", error)
        finally:
            self._release()


class Engines:
    """Has one pool of connections for all engines, opened at the first request."""

    def __init__(self, context: DomainContext) -> None:
        self.metrics = EngineMetrics()
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._tokens: dict[str, str] = {}
        self._adapters: set[tuple[str, str]] = set()
        """The deployment and name of each adapter that this process has had loaded."""

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, target: ServedModel | Deployment, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Returns the whole answer. Raises EngineNotReady, EngineGone, EngineRefused."""
        served = await beside_loop(self._checked, target, path, body)
        exchange = self.metrics.begin()
        try:
            answer = await self._exchange(served.deployment, path, _renamed(body, served))
            exchange.take(answer)
        finally:
            exchange.end()
        found = _decoded(served.deployment, answer)
        return found if served.name == served.requested_name else {**found, "model": served.requested_name}

    async def pass_on(self, target: ServedModel | Deployment, path: str, body: dict[str, Any]) -> Response:
        """Returns the engine's answer as it comes, whole or streamed; the engine is in use until it ends.

        Raises EngineNotReady, EngineGone, EngineRefused.
        """
        served = await beside_loop(self._checked, target, path, body)
        exchange = self.metrics.begin()
        try:
            response = await self._send(served.deployment, path, _renamed(body, served))
            media_type = self._media_type(served.deployment, response)
        except BaseException:
            exchange.end()
            raise
        chunks = exchange.watch(_pieces(served.deployment, response), is_stream=media_type.startswith(EVENT_STREAM))
        if served.name != served.requested_name:
            chunks = _with_name(chunks, served)
        return EngineAnswer(chunks, partial(self._release, served.deployment, response, exchange), media_type)

    def check_body(self, engine: str, path: str, body: dict[str, Any]) -> None:
        """Raises EngineRefused for what such an engine would refuse whatever model it serves."""
        _check(self._context.engines[engine], path, body)

    async def load_adapter(self, served: ServedModel) -> None:
        """Have the engine load the adapter, if the model is one and is not loaded yet.

        Raises as `ask` does; EngineUnreachable also where the engine died over it.
        """
        deployment, known = served.deployment, (served.deployment.id, served.name)
        loading = self._engine_of(deployment).adapter_loading
        if served.adapter is None or loading is None or known in self._adapters:
            return
        try:
            body = loading.body(served.name, served.adapter)
            await self._exchange(deployment, loading.path, body, is_repeatable=True)
        except EngineRefused as error:
            if not loading.is_loaded_already(error.status, str(error)):
                raise
        self._adapters.add(known)

    def _checked(self, target: ServedModel | Deployment, path: str, body: dict[str, Any]) -> ServedModel:
        served = _served(target, body)
        engine = self._engine_of(served.deployment)
        if not engine.validates_requests:
            _check(engine, path, body)
        return served

    def _engine_of(self, deployment: Deployment) -> Engine:
        """Raises EngineGone for an engine that this server does not know, as another one that did started it."""
        engine = self._context.engines.get(deployment.engine)
        if engine is None:
            raise EngineGone(deployment, f"no engine {deployment.engine!r} is known here any more")
        return engine

    async def _exchange(
        self, deployment: Deployment, path: str, body: dict[str, Any], *, is_repeatable: bool = False
    ) -> bytes:
        response = await self._send(deployment, path, body, is_repeatable=is_repeatable)
        return await self._read(deployment, response, is_repeatable=is_repeatable)

    async def _send(
        self, deployment: Deployment, path: str, body: dict[str, Any], *, is_repeatable: bool = False
    ) -> "aiohttp.ClientResponse":
        """Send a request; until `_release` the engine is in use."""
        import aiohttp

        if deployment.status is not DeploymentStatus.RUNNING or deployment.port is None:
            raise EngineNotReady(deployment)
        url = f"http://127.0.0.1:{deployment.port}{path}"
        data = await beside_loop(_encoded, body)
        if not self._context.live.in_use.begin(deployment.id):
            raise EngineUnreachable(deployment, "it is being unloaded")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                response = await self._opened().post(
                    url, data=data, headers=self._headers(deployment.id), allow_redirects=False
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            self._context.live.in_use.end(deployment.id)
            never_came = isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))
            raise _gone(deployment, error, may_be_sent_again=is_repeatable or never_came) from error
        except BaseException:
            self._context.live.in_use.end(deployment.id)
            raise
        if response.status >= 300:
            await self._raise_refusal(deployment, response)
        return response

    async def _read(
        self, deployment: Deployment, response: "aiohttp.ClientResponse", *, is_repeatable: bool = False
    ) -> bytes:
        """Read the answer to its end, and release the engine."""
        import aiohttp

        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _gone(deployment, error, may_be_sent_again=is_repeatable) from error
        finally:
            self._release(deployment, response)

    async def _raise_refusal(self, deployment: Deployment, response: "aiohttp.ClientResponse") -> None:
        message, param, code = _refusal(response.status, await self._read(deployment, response))
        if 400 <= response.status < 500 and response.status != 401:
            raise EngineRefused(message, param=param, code=code, status=response.status)
        raise EngineGone(deployment, message)

    def _media_type(self, deployment: Deployment, response: "aiohttp.ClientResponse") -> str:
        """Returns the type of a good answer. Raises EngineGone for another than clients understand."""
        media_type = response.headers.get("Content-Type", JSON)
        if not media_type.startswith((JSON, EVENT_STREAM)):
            self._release(deployment, response)
            raise EngineGone(deployment, f"it answered with {media_type[:100]!r} instead of JSON")
        return media_type

    def _release(
        self, deployment: Deployment, response: "aiohttp.ClientResponse", exchange: Exchange | None = None
    ) -> None:
        if exchange is not None:
            exchange.end()
        self._context.live.in_use.end(deployment.id)
        # Where the answer was read to its end, the connection is back in the pool, and this does nothing.
        response.close()

    def _headers(self, deployment_id: str) -> dict[str, str]:
        if deployment_id not in self._tokens:
            self._tokens[deployment_id] = engine_token(deployment_id, self._context)
        return {"Authorization": f"Bearer {self._tokens[deployment_id]}", "Content-Type": "application/json"}

    def _opened(self) -> "aiohttp.ClientSession":
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_SECONDS),
                timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=ANSWER_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept-Encoding", "User-Agent"),
            )
        return self._session


async def _pieces(deployment: Deployment, response: "aiohttp.ClientResponse") -> AsyncIterator[bytes]:
    """Yields the pieces of the answer as they come. Raises EngineGone."""
    import aiohttp

    try:
        # A time limit of our own for each piece would cost a fifth of what passing it on does.
        async for piece in response.content.iter_any():
            yield piece
    except (aiohttp.ClientError, TimeoutError) as error:
        raise _gone(deployment, error, may_be_sent_again=False) from error


def _decoded(deployment: Deployment, answer: bytes) -> dict[str, Any]:
    """Raises EngineGone for an answer that is no JSON object."""
    try:
        found = msgspec.json.decode(answer)
    except msgspec.DecodeError as error:
        raise EngineGone(deployment, f"its answer is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise EngineGone(deployment, "its answer is no JSON object")
    return found


def _encoded(body: dict[str, Any]) -> bytes | io.BytesIO:
    encoded = msgspec.json.encode(body)
    return io.BytesIO(encoded) if len(encoded) > LARGE else encoded


def _gone(deployment: Deployment, error: Exception, *, may_be_sent_again: bool) -> EngineGone:
    kind = EngineUnreachable if may_be_sent_again else EngineGone
    return kind(deployment, _detail(error) or type(error).__name__)


def _detail(error: Exception) -> str:
    """Returns the error's message without the engine's port, which must not reach the client."""
    import aiohttp

    if isinstance(error, aiohttp.ClientResponseError):
        return " ".join(error.message.split())
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return str(error)


def _check(engine: Engine, path: str, body: dict[str, Any]) -> None:
    try:
        engine.check_request(path, body)
    except RequestRefused as error:
        raise EngineRefused(str(error), param=error.param, code=error.code) from error


def _served(target: ServedModel | Deployment, body: dict[str, Any]) -> ServedModel:
    """Returns the model that the request is to, with the name that its engine knows it by. Raises EngineRefused."""
    if isinstance(target, ServedModel):
        return target
    asked = body.get("model")
    if target.served_name is None:
        name = target.model_name if asked is None else str(asked)
        return ServedModel(deployment=target, requested_name=name, name=name)
    if asked not in (None, target.model_name):
        message = f"The model {asked!r} is not served here; {target.model_name!r} is."
        raise EngineRefused(message, param="model", code="model_not_found")
    return ServedModel(deployment=target, requested_name=target.model_name, name=target.served_name)


def _renamed(body: dict[str, Any], served: ServedModel) -> dict[str, Any]:
    return body if served.name == served.requested_name else {**body, "model": served.name}


async def _with_name(chunks: AsyncIterator[bytes], served: ServedModel) -> AsyncIterator[bytes]:
    """Replaces the engine's own name for the model by the one that was asked for, line by line, without decoding.

    Only the key itself is found: inside of a text its quotes would be escaped.
    """
    pairs = [
        (f'"model":{space}{json.dumps(served.name, ensure_ascii=ascii_only)}'.encode(), space)
        for space in ("", " ")
        for ascii_only in (False, True)
    ]
    asked = json.dumps(served.requested_name)
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield b"".join(_replace(line, pairs, asked) + b"\n" for line in lines)
    if rest:
        yield _replace(rest, pairs, asked)


def _replace(line: bytes, pairs: list[tuple[bytes, str]], asked: str) -> bytes:
    for found, space in pairs:
        if found in line:
            return line.replace(found, f'"model":{space}{asked}'.encode(), 1)
    return line


def _refusal(status: int, body: bytes) -> tuple[str, str | None, str | None]:
    """Returns message, parameter and code of the engine's error. vLLM's code is a number, and left out."""
    try:
        error = json.loads(body)["error"]
        message, param, code = str(error["message"]), error.get("param"), error.get("code")
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"it answered {status}", None, None
    return message, param if isinstance(param, str) else None, code if isinstance(code, str) else None
