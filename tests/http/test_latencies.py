import asyncio

import pytest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from finery.http.latencies import Latencies, LatencyMiddleware, RouteStatus


class TestLatencyMiddleware:
    @pytest.mark.parametrize(("method", "expected"), [("DELETE", "DELETE"), ("FOO", "OTHER"), ("X" * 30_000, "OTHER")])
    def test_keeps_no_word_of_a_strangers(self, method: str, expected: str) -> None:
        latencies = Latencies()
        asyncio.run(
            LatencyMiddleware(answer, latencies)({"type": "http", "method": method, "headers": []}, nothing, discard)
        )
        assert set(latencies.snapshot().by_route) == {RouteStatus(expected, "none", "5xx")}


class TestLatencies:
    def test_a_snapshot_does_not_change(self) -> None:
        latencies = Latencies()
        latencies.add(RouteStatus("GET", "/", "2xx"), 0.02)
        before = latencies.snapshot()
        latencies.add(RouteStatus("GET", "/", "2xx"), 0.02)
        assert before.by_route[RouteStatus("GET", "/", "2xx")].count == 1
        assert dict(before.by_status["2xx"].buckets())["0.025"] == 1


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(status_code=501)(scope, receive, send)


async def nothing() -> Message:
    raise AssertionError("nothing is to be read")


async def discard(message: Message) -> None:
    pass
