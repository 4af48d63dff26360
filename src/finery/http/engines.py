"""Requests to the engines that serve our models, on loopback."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from starlette.responses import Response, StreamingResponse

from finery.contracts.deployment import Deployment, DeploymentStatus
from finery.domain.errors import DomainError, ErrorKind

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


class EngineRefused(DomainError):
    kind = ErrorKind.INVALID
    code = "engine_refused"


class Engines:
    """One pool of connections for all of them, opened at the first request."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def ask(self, deployment: Deployment, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The whole answer. Raises EngineNotReady, EngineGone, EngineRefused."""
        response = await self._send(deployment, path, body)
        try:
            await response.aread()
        finally:
            await response.aclose()
        found: dict[str, Any] = response.json()
        return found

    async def pass_on(self, deployment: Deployment, path: str, body: dict[str, Any]) -> Response:
        """The engine's answer as it comes, whole or streamed."""
        response = await self._send(deployment, path, body)
        media_type = response.headers.get("content-type", "application/json")
        return StreamingResponse(_chunks(response), media_type=media_type)

    async def _send(self, deployment: Deployment, path: str, body: dict[str, Any]) -> "httpx.Response":
        import httpx

        if deployment.status is not DeploymentStatus.RUNNING or deployment.port is None:
            raise EngineNotReady(deployment)
        client = self._opened()
        request = client.build_request("POST", f"http://127.0.0.1:{deployment.port}{path}", json=body)
        try:
            response = await client.send(request, stream=True)
        except httpx.TransportError as error:
            raise EngineGone(deployment, str(error) or type(error).__name__) from error
        if response.is_error:
            await _raise_refusal(deployment, response)
        return response

    def _opened(self) -> "httpx.AsyncClient":
        import httpx

        if self._client is None:
            timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
            self._client = httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False)
        return self._client


async def _raise_refusal(deployment: Deployment, response: "httpx.Response") -> None:
    await response.aread()
    await response.aclose()
    message = _message(response)
    if response.is_server_error:
        raise EngineGone(deployment, message)
    raise EngineRefused(message)


def _message(response: "httpx.Response") -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"it answered {response.status_code}"


async def _chunks(response: "httpx.Response") -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    finally:
        await response.aclose()
