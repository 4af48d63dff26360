"""Our proxy beside the engine asked directly, and eight requests at once beside the same in turn."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import httpx

from bench.server import Server, running
from bench.tables import median, show
from finery.contracts.layout import HomeDirectory
from finery.kit.secretbox import SecretBox

MODEL = "finery/tiny-llama"
TOKENS = 256
REPEATED = 20
CLIENTS = 8
ROUNDS = 5
BODY = {"model": MODEL, "prompt": "The smith keeps the fire", "max_tokens": TOKENS, "temperature": 1.0, "seed": 1}


@dataclass(frozen=True)
class Timed:
    first_seconds: float
    seconds: float
    tokens: int


def main() -> None:
    with running(FINERY_WARM_START="off") as server, server.client() as proxy:
        cold = stream(proxy)
        with engine_client(server, proxy) as engine:
            compare(engine, proxy, cold)
            together(proxy)
        stop_engines(proxy)


def compare(engine: httpx.Client, proxy: httpx.Client, cold: Timed) -> None:
    both = [("direct", engine), ("through", proxy)]
    found: dict[str, list[Timed]] = {"direct": [], "through": []}
    for number in range(REPEATED):
        # In turn, and each first as often as the other.
        for name, client in both if number % 2 else reversed(both):
            found[name].append(stream(client))
    first = {name: median([one.first_seconds for one in timed]) * 1000 for name, timed in found.items()}
    rates = {name: [one.tokens / one.seconds for one in timed] for name, timed in found.items()}
    rate = {name: median(each) for name, each in rates.items()}
    # Pair by pair: what else the machine does changes slowly.
    share = median([one / other for one, other in zip(rates["through"], rates["direct"], strict=True)])
    share_first = first["direct"] / first["through"]
    rows: Sequence[Sequence[object]] = [
        ["first token, warm (ms, median)", first["direct"], first["through"], share_first, "≥ 0.95"],
        [f"tokens per second, {TOKENS} streamed (median)", rate["direct"], rate["through"], share, "≥ 0.95"],
        ["first token of a model that was not loaded (s)", "", cold.first_seconds, "", ""],
    ]
    show("Serving", ["", "engine directly", "by name, through the server", "ratio", "must reach"], rows)


def together(client: httpx.Client) -> None:
    """The same requests, one after the other and all at once."""
    ratios, in_turn, at_once = [], [], []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        alone = [stream(client) for _ in range(CLIENTS)]
        between = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            crowd = list(pool.map(lambda _: stream(client), range(CLIENTS)))
        ended = time.perf_counter()
        in_turn.append(sum(one.tokens for one in alone) / (between - began))
        at_once.append(sum(one.tokens for one in crowd) / (ended - between))
        ratios.append(at_once[-1] / in_turn[-1])
    row = [f"{CLIENTS} requests (tokens per second)", median(in_turn), median(at_once), median(ratios), "≥ 2"]
    show("At once", ["", "in turn", "at once", "ratio", "must reach"], [row])


def stream(client: httpx.Client) -> Timed:
    began = time.perf_counter()
    first, usage = 0.0, 0
    body: dict[str, Any] = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
    asked: AbstractContextManager[httpx.Response] = client.stream("POST", "/v1/completions", json=body)
    with asked as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            first = first or time.perf_counter() - began
            if '"usage": {' in line or '"usage":{' in line:
                usage = json.loads(line.removeprefix("data: "))["usage"]["completion_tokens"]
    return Timed(first, time.perf_counter() - began, usage)


def engine_client(server: Server, client: httpx.Client) -> httpx.Client:
    """With the token that this server's engine asks for."""
    [found] = client.get("/api/v1/deployments").raise_for_status().json()["deployments"]
    token = SecretBox(HomeDirectory(server.home).state).derive(f"engine:{found['id']}")
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{found['port']}", headers=headers, timeout=120)


def stop_engines(client: httpx.Client) -> None:
    while live := [one for one in client.get("/api/v1/deployments").json()["deployments"] if not one["finished_at"]]:
        for one in live:
            client.delete(f"/api/v1/deployments/{one['id']}")
        time.sleep(0.1)
