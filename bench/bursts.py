"""Creations per second by how many clients ask at once, and how long a reader waits beside them.

SQLite, and the databases that FINERY_BENCH_DATABASE_URLS names (separated by blanks): empty ones, they are filled.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import aiohttp

from bench.server import Server, running
from bench.tables import percentile, show

AT_ONCE = (1, 8, 64, 512)
CREATIONS = 512
"""For each of them, of trainings with data that are looked at."""
CLIENT_SECONDS = 300


@dataclass
class Measured:
    rate: float
    worst_ms: float
    reader_ms: float
    """The 99th percentile."""


def main() -> None:
    rows: list[Sequence[object]] = []
    for url in ("", *os.environ.get("FINERY_BENCH_DATABASE_URLS", "").split()):
        settings = {"TRAINING_DB_URL": url} if url else {}
        with running(FINERY_WARM_START="off", FINERY_CPU_SLOTS="1", **settings) as server:
            (server.home / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 100)
            for at_once in AT_ONCE:
                found = asyncio.run(measure(server, at_once))
                kind = url.partition(":")[0] or "sqlite"
                rows.append([kind, at_once, found.rate, found.worst_ms, found.reader_ms])
    show(
        "POST /train/sft by clients at once",
        ["database", "at once", "creations/s", "slowest (ms)", "GET /jobs?limit=20 beside them, p99 (ms)"],
        rows,
    )


async def measure(server: Server, at_once: int) -> Measured:
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=CLIENT_SECONDS)
    async with aiohttp.ClientSession(server.url, connector=connector, timeout=timeout) as client:
        # It takes the one slot, so that what is created waits.
        await _post(client, "/api/v1/runs", {"recipe": "command", "config": {"argv": ["sleep", "600"]}})
        reads: list[float] = []
        reading = asyncio.create_task(_read(client, reads))
        numbers = iter(range(CREATIONS))
        began = time.perf_counter()
        times = await asyncio.gather(*(_create(client, at_once, numbers) for _ in range(at_once)))
        seconds = time.perf_counter() - began
        reading.cancel()
    worst = max(each for one in times for each in one)
    return Measured(CREATIONS / seconds, worst * 1000, percentile(reads, 0.99) * 1000)


async def _create(client: aiohttp.ClientSession, at_once: int, numbers: Iterator[int]) -> list[float]:
    """One client's, one after the other, until all are made."""
    body = {"model_name": "finery/tiny-llama", "dataset_path": "rows.jsonl"}
    times = []
    for number in numbers:
        output = f"outputs/{at_once}-{number}"
        times.append(await _post(client, "/train/sft", {**body, "output_dir": output}))
    return times


async def _post(client: aiohttp.ClientSession, path: str, body: object) -> float:
    began = time.perf_counter()
    async with client.post(path, json=body) as answer:
        answer.raise_for_status()
        await answer.read()
    return time.perf_counter() - began


async def _read(client: aiohttp.ClientSession, reads: list[float]) -> None:
    while True:
        began = time.perf_counter()
        async with client.get("/jobs", params={"limit": 20}) as answer:
            answer.raise_for_status()
            await answer.read()
        reads.append(time.perf_counter() - began)
        await asyncio.sleep(0.02)
