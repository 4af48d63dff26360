"""Requests to the engines that serve our models, on loopback."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from finery.contracts.deployment import Deployment, DeploymentStatus, ServedModel
from finery.domain.deployments import engine_token
from finery.domain.errors import DomainError, ErrorKind, Flaw
from finery.domain.ground import Ground
from finery.engines.registry import check_request
from finery.engines.transformers.wire import RequestRefused
from finery.engines.vllm.adapters import LOAD_PATH, is_loaded_already, load_body

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 600.0
CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"


class EngineNotReady(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "engine_not_ready"

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(f"deployment {deployment.id!r} is {deployment.status}; it answers once it is running")


class EngineGone(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "engine_gone"

    def __init__(self, deployment: Deployment, detail: str) -> None:
        super().__init__(f"the engine of deployment {deployment.id!r} does not answer: {detail}")


class EngineUnreachable(EngineGone):
    """The request may be sent to another: it never took it, or took one that may be made twice."""


class EngineRefused(DomainError):
    """In the engine's own words: what it says of a parameter is true of the request."""

    kind = ErrorKind.INVALID
    code = "engine_refused"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message, flaws=[] if param is None else [Flaw(param, message)])
        self.code = code or EngineRefused.code


class EngineAnswer(StreamingResponse):
    """Leaves the engine when it is over, also where the client went before the first byte was passed on."""

    def __init__(self, chunks: AsyncIterator[bytes], leave: Callable[[], Awaitable[None]], media_type: str) -> None:
        super().__init__(chunks, media_type=media_type)
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._leave()


class Engines:
    """One pool of connections for all of them, opened at the first request."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._client: httpx.AsyncClient | None = None
        self._tokens: dict[str, str] = {}
        self._adapters: set[tuple[str, str]] = set()
        """Deployment and name of those that this process has had loaded."""

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def ask(self, target: ServedModel | Deployment, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The whole answer. Raises EngineNotReady, EngineGone, EngineRefused."""
        served = _checked(target, path, body)
        found: dict[str, Any] = (await self._exchange(served.deployment, path, _renamed(body, served))).json()
        return found if served.name == served.asked else {**found, "model": served.asked}

    async def pass_on(self, target: ServedModel | Deployment, path: str, body: dict[str, Any]) -> Response:
        """The engine's answer as it comes, whole or streamed; its engine is in use until it ends.

        Raises EngineNotReady, EngineGone, EngineRefused.
        """
        served = _checked(target, path, body)
        response = await self._send(served.deployment, path, _renamed(body, served))
        media_type = response.headers.get("content-type", "application/json")
        chunks = response.aiter_raw()
        if served.name != served.asked:
            chunks = _with_name(chunks, served)
        return EngineAnswer(chunks, partial(self._leave, served.deployment, response), media_type)

    async def load_adapter(self, served: ServedModel) -> None:
        """Have the adapter loaded, if the model is one and its engine has not.

        Raises as `ask` does; EngineUnreachable also where the engine died over it.
        """
        deployment, known = served.deployment, (served.deployment.id, served.name)
        if served.adapter is None or known in self._adapters:
            return
        try:
            await self._exchange(deployment, LOAD_PATH, load_body(served.name, served.adapter), is_repeatable=True)
        except EngineRefused as error:
            if not is_loaded_already(400, str(error)):
                raise
        self._adapters.add(known)

    async def _exchange(
        self, deployment: Deployment, path: str, body: dict[str, Any], *, is_repeatable: bool = False
    ) -> "httpx.Response":
        response = await self._send(deployment, path, body, is_repeatable=is_repeatable)
        await self._read(deployment, response, is_repeatable=is_repeatable)
        return response

    async def _send(
        self, deployment: Deployment, path: str, body: dict[str, Any], *, is_repeatable: bool = False
    ) -> "httpx.Response":
        """From here until `_leave` the engine is in use."""
        import httpx

        if deployment.status is not DeploymentStatus.RUNNING or deployment.port is None:
            raise EngineNotReady(deployment)
        request = self._opened().build_request(
            "POST", f"http://127.0.0.1:{deployment.port}{path}", json=body, headers=self._headers(deployment.id)
        )
        if not self._ground.in_use.begin(deployment.id):
            raise EngineUnreachable(deployment, "it is being unloaded")
        try:
            response = await self._opened().send(request, stream=True)
        except httpx.TransportError as error:
            self._ground.in_use.end(deployment.id)
            may_be_sent_again = is_repeatable or isinstance(error, httpx.ConnectError)
            raise _gone(deployment, error, may_be_sent_again=may_be_sent_again) from error
        except BaseException:
            self._ground.in_use.end(deployment.id)
            raise
        if response.is_error:
            await self._raise_refusal(deployment, response)
        return response

    async def _read(self, deployment: Deployment, response: "httpx.Response", *, is_repeatable: bool = False) -> None:
        """To its end, and leave."""
        import httpx

        try:
            await response.aread()
        except httpx.TransportError as error:
            raise _gone(deployment, error, may_be_sent_again=is_repeatable) from error
        finally:
            await self._leave(deployment, response)

    async def _raise_refusal(self, deployment: Deployment, response: "httpx.Response") -> None:
        await self._read(deployment, response)
        message, param, code = _refusal(response)
        if response.is_server_error or response.status_code == 401:
            raise EngineGone(deployment, message)
        raise EngineRefused(message, param=param, code=code)

    async def _leave(self, deployment: Deployment, response: "httpx.Response") -> None:
        self._ground.in_use.end(deployment.id)
        with anyio.CancelScope(shield=True):
            await response.aclose()

    def _headers(self, deployment_id: str) -> dict[str, str]:
        if deployment_id not in self._tokens:
            self._tokens[deployment_id] = engine_token(deployment_id, self._ground)
        return {"Authorization": f"Bearer {self._tokens[deployment_id]}"}

    def _opened(self) -> "httpx.AsyncClient":
        import httpx

        if self._client is None:
            timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
            self._client = httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False)
        return self._client


def _gone(deployment: Deployment, error: Exception, *, may_be_sent_again: bool) -> EngineGone:
    kind = EngineUnreachable if may_be_sent_again else EngineGone
    return kind(deployment, str(error) or type(error).__name__)


def _checked(target: ServedModel | Deployment, path: str, body: dict[str, Any]) -> ServedModel:
    served = _served(target, body)
    try:
        check_request(served.deployment.engine, path, body)
    except RequestRefused as error:
        raise EngineRefused(str(error), param=error.param, code=error.code) from error
    return served


def _served(target: ServedModel | Deployment, body: dict[str, Any]) -> ServedModel:
    """A deployment asked directly goes by the name that it was made with, where its engine has another for it."""
    if isinstance(target, ServedModel):
        return target
    asked = body.get("model")
    if target.served_name is None:
        name = target.model_name if asked is None else str(asked)
        return ServedModel(deployment=target, asked=name, name=name)
    if asked not in (None, target.model_name):
        message = f"The model {asked!r} is not served here; {target.model_name!r} is."
        raise EngineRefused(message, param="model", code="model_not_found")
    return ServedModel(deployment=target, asked=target.model_name, name=target.served_name)


def _renamed(body: dict[str, Any], served: ServedModel) -> dict[str, Any]:
    return body if served.name == served.asked else {**body, "model": served.name}


async def _with_name(chunks: AsyncIterator[bytes], served: ServedModel) -> AsyncIterator[bytes]:
    """The engine's own name for the model replaced by the one that was asked for, line by line, nothing decoded.

    Inside of a text both of the pair's quotes would be escaped, so that only the key itself is found.
    """
    pairs = [
        (f'"model":{space}{json.dumps(served.name, ensure_ascii=ascii_only)}'.encode(), space)
        for space in ("", " ")
        for ascii_only in (False, True)
    ]
    asked = json.dumps(served.asked)
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


def _refusal(response: "httpx.Response") -> tuple[str, str | None, str | None]:
    """What the engine says, of which parameter, and its code for it. vLLM's code is a number, which says nothing."""
    try:
        error = response.json()["error"]
        message, param, code = str(error["message"]), error.get("param"), error.get("code")
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"it answered {response.status_code}", None, None
    return message, param if isinstance(param, str) else None, code if isinstance(code, str) else None
