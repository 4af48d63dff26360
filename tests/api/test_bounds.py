"""What a request costs: every route is asked with large, deep, wide and repetitive bodies, while a heartbeat in the
same event loop tells how long nobody else would have been answered.

Costs are CPU seconds of this process, so that they are the same on a busy machine: what holds the loop up, be it in its
own thread or in another one that does not let go of the interpreter, is computing.
"""

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI

from tests.fuzz.world import WAITS
from tests.http.accounts import BASE_URL
from tests.security.routes import ENDLESS, Route, routes_of

JSON = {"Content-Type": "application/json"}
MANY = 10 << 20
LONGEST = 1.0
LONGEST_HOLD = 0.1
LARGEST_ERROR = 20_000
Result = TypeVar("Result")
BodyFormat = Callable[[Mapping[str, Any]], object]


@dataclass
class Heartbeat:
    """The longest time, in CPU seconds, between two beats."""

    longest: float = 0.0
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    async def _beat(self) -> None:
        while True:
            before = time.process_time()
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, time.process_time() - before)

    async def __aenter__(self) -> "Heartbeat":
        self._task = asyncio.create_task(self._beat())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0.002)
        assert self._task is not None
        self._task.cancel()


@dataclass
class Asker:
    client: httpx.AsyncClient

    async def ask(self, method: str, url: str, body: bytes) -> list[str]:
        """What is wrong with the answer's cost."""
        began = time.process_time()
        async with Heartbeat() as heart:
            answer = await self.client.request(method, url, content=body, headers=JSON)
        took = time.process_time() - began
        wrong = []
        if took > LONGEST:
            wrong.append(f"took {took:.2f} s")
        if heart.longest > LONGEST_HOLD:
            wrong.append(f"held the loop for {heart.longest:.3f} s")
        if answer.status_code >= 500 and answer.status_code != 503:
            wrong.append(f"is a {answer.status_code}")
        if answer.status_code >= 400 and len(answer.content) > LARGEST_ERROR:
            wrong.append(f"is {len(answer.content)} bytes long")
        return wrong


def with_asker(app: FastAPI, work: Callable[[Asker], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        async with asker(app) as asking:
            return await work(asking)

    return asyncio.run(run())


@asynccontextmanager
async def asker(app: FastAPI) -> AsyncIterator[Asker]:
    # As the server does it: a look through all that was loaded is no request's cost.
    gc.collect()
    gc.freeze()
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 50000), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
            # What is loaded at the first request is no request's cost.
            for _ in range(2):
                await client.post("/api/v1/runs", json={"recipe": "sft", "config": {"learning_ratte": 1}})
                await client.get("/metrics")
            yield Asker(client)
    gc.unfreeze()


def properties_of(route: Route, document: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that the route's body knows."""
    operation = document["paths"][route.path][route.method.lower()]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    found: dict[str, Any] = schema.get("properties") or {"model": {}, "messages": {}, "prompt": {}}
    return found


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def filled(value: Callable[[int], object]) -> BodyFormat:
    """Every known key with the value, which gets the number of keys."""
    return lambda known: {key: value(len(known)) for key in known}


SHAPES: Mapping[str, BodyFormat] = {
    "unknown keys": lambda known: {f"k{number}": number for number in range(7000)},
    "nearly known keys": lambda known: {f"{[*known][number % len(known)]}s{number}": 1 for number in range(900)},
    "long keys": lambda known: {f"{number}{'k' * 450}": 1 for number in range(100)},
    "many numbers": filled(lambda keys: [1] * (18_000 // keys)),
    "many objects": filled(lambda keys: [{"type": "x", "role": 1}] * (5_000 // keys)),
    "wide objects": filled(lambda keys: {f"k{number}": [] for number in range(min(950, 8_000 // keys))}),
    "deep": filled(lambda keys: nested(80)),
    "long text": filled(lambda keys: "a" * (1_000_000 // keys)),
    "repetitive text": filled(lambda keys: "{{item.a" * (100_000 // keys)),
    "open brackets": filled(lambda keys: "((" * (60_000 // keys)),
    "huge numbers": filled(lambda keys: 10**4000),
}


@pytest.fixture
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in WAITS.items():
        monkeypatch.setattr(name, seconds)


@pytest.mark.usefixtures("_no_waiting")
class TestEveryRoute:
    def test_of_bodies(self, app: FastAPI) -> None:
        document = app.openapi()
        routes = [route for route in routes_of(document) if "json" in route.body]
        assert len(routes) > 20

        async def work(asking: Asker) -> dict[str, list[str]]:
            return {
                f"{route}: {name}": wrong
                for route in routes
                for name, body in bodies(properties_of(route, document))
                if (wrong := await asking.ask(**address(route), body=body))
            }

        assert with_asker(app, work) == {}

    def test_of_queries(self, app: FastAPI) -> None:
        many = "&".join(f"k{number}=1" for number in range(190))
        long = "&".join(f"{name}={'a' * 9000}" for name in ("after", "limit", "status"))

        async def work(asking: Asker) -> dict[str, list[str]]:
            return {
                f"{route}: {query[:10]}": wrong
                for route in routes_of(app.openapi())
                for query in (many, long)
                if (wrong := await asking.ask(route.method, url_of(route, query), b""))
            }

        assert with_asker(app, work) == {}


class TestConversation:
    @pytest.mark.parametrize(
        "content",
        [b"x" * MANY, b"\\uac00" * (MANY // 6), b"\\n" * (MANY // 2), b'\\"' * (MANY // 2)],
        ids=["text", "escaped Korean", "escaped lines", "escaped quotes"],
    )
    def test_a_long_one_holds_nobody_up(self, app: FastAPI, content: bytes) -> None:
        body = b'{"model": "none", "messages": [{"role": "user", "content": "%b"}]}' % content
        assert with_asker(app, lambda asking: asking.ask("POST", "/v1/chat/completions", body)) == []

    def test_one_of_many_messages_is_read(self, app: FastAPI) -> None:
        body = json.dumps({"model": "none", "messages": [{"role": "user", "content": "x"}] * 20_000}).encode()

        async def work(asking: Asker) -> int:
            assert await asking.ask("POST", "/v1/chat/completions", body) == []
            return (await asking.client.post("/v1/chat/completions", content=body, headers=JSON)).status_code

        assert with_asker(app, work) == 404


def url_of(route: Route, query: str) -> str:
    # Without what has one without an end refused, it would be read for ever.
    return f"{address(route)['url']}?{query}&{urlencode(ENDLESS.get(route.path, {}))}"


def address(route: Route) -> dict[str, Any]:
    asked = route.request()
    return {"method": asked["method"], "url": asked["url"]}


def bodies(known: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    for name, shape in SHAPES.items():
        yield name, json.dumps(shape(known)).encode()
