import asyncio
from collections.abc import AsyncIterator

import pytest

from finery.contracts.deployment import DeploymentStatus
from finery.http.engine_metrics import EngineMetrics, Exchange
from finery.http.latencies import Latencies
from finery.http.prometheus import ServerMetrics, exposition

ROLE = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
TEXT = b'data: {"choices":[{"delta":{"content": "Hi"}}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens": 7,"completion_tokens":41,"total_tokens":48}}\n\n'
DONE = b"data: [DONE]\n\n"


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def watched(exchange: Exchange, *chunks: bytes, is_stream: bool = True) -> list[bytes]:
    async def read() -> list[bytes]:
        return [chunk async for chunk in exchange.watch(pieces(*chunks), is_stream=is_stream)]

    return asyncio.run(read())


class TestExchange:
    def test_waits_then_answers_then_is_over(self) -> None:
        metrics = EngineMetrics()
        exchange = metrics.begin()
        assert (metrics.waiting, metrics.answering) == (1, 0)
        assert watched(exchange, ROLE, TEXT) == [ROLE, TEXT]
        assert (metrics.waiting, metrics.answering) == (0, 1)
        exchange.end()
        exchange.end()
        assert (metrics.waiting, metrics.answering) == (0, 0)

    def test_one_that_failed_before_it_was_answered(self) -> None:
        metrics = EngineMetrics()
        metrics.begin().end()
        assert (metrics.waiting, metrics.answering, metrics.first_token.total) == (0, 0, 0.0)
        assert metrics.tokens == {"prompt": 0, "completion": 0}

    @pytest.mark.parametrize(
        ("chunks", "tokens"),
        [
            ((ROLE, TEXT, TEXT, USAGE, DONE), {"prompt": 7, "completion": 41}),
            ((ROLE + TEXT, TEXT[:9], TEXT[9:] + DONE), {"prompt": 0, "completion": 3}),
            ((b"x" * 10_000 + USAGE[:30], USAGE[30:]), {"prompt": 7, "completion": 41}),
        ],
        ids=["told", "counted", "told in two pieces"],
    )
    def test_tokens_of_a_stream(self, chunks: tuple[bytes, ...], tokens: dict[str, int]) -> None:
        metrics = EngineMetrics()
        exchange = metrics.begin()
        watched(exchange, *chunks)
        exchange.end()
        assert metrics.tokens == tokens

    def test_tokens_of_a_whole_answer(self) -> None:
        metrics = EngineMetrics()
        exchange = metrics.begin()
        exchange.take(b'{"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":3}}')
        exchange.end()
        assert metrics.tokens == {"prompt": 2, "completion": 3}
        assert sum(metrics.first_token.counts) == 0

    def test_whose_turn_it_is_is_no_token(self) -> None:
        metrics = EngineMetrics()
        watched(metrics.begin(), ROLE)
        assert sum(metrics.first_token.counts) == 0
        watched(metrics.begin(), ROLE, TEXT, TEXT)
        assert sum(metrics.first_token.counts) == 1


class TestExposition:
    def test_engines(self) -> None:
        metrics = EngineMetrics()
        metrics.begin()
        watched(metrics.begin(), TEXT)
        metrics.tokens["completion"] = 5
        text = exposition(ServerMetrics({}, {DeploymentStatus.RUNNING: 2}, Latencies(), metrics)).decode()
        assert 'finery_engines{status="running"} 2.0' in text
        assert 'finery_engines{status="starting"} 0.0' in text
        assert 'finery_engine_requests{state="waiting"} 1.0' in text
        assert 'finery_engine_requests{state="answering"} 1.0' in text
        assert 'finery_engine_tokens_total{kind="completion"} 5.0' in text
        assert "finery_engine_first_token_seconds_count 1.0" in text
