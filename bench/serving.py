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
FIRST_TOKENS = 40
"""Pairs of requests: single ones differ by a twentieth."""
CLIENTS = 8
ROUNDS = 5
PROMPT = "The smith keeps the fire"
BODY = {"model": MODEL, "prompt": PROMPT, "max_tokens": TOKENS, "temperature": 1.0, "seed": 1}
SMALL = "models/small"
"""The shape of the smallest models that people fine-tune."""


@dataclass(frozen=True)
class Timed:
    first_seconds: float
    seconds: float
    tokens: int
    prompt_tokens: int


def main() -> None:
    with running(FINERY_WARM_START="off") as server, server.client() as proxy:
        cold = stream(proxy)
        with engine_client(server, proxy) as engine:
            compare(engine, proxy, cold)
            together(proxy)
        stop_engines(proxy)
        make_small(server)
        first_tokens(server, proxy)


def compare(engine: httpx.Client, proxy: httpx.Client, cold: Timed) -> None:
    both = [("direct", engine), ("through", proxy)]
    found: dict[str, list[Timed]] = {"direct": [], "through": []}
    for number in range(REPEATED):
        # In turn, and each first as often as the other.
        for name, client in both if number % 2 else reversed(both):
            found[name].append(stream(client))
    rates = {name: [one.tokens / one.seconds for one in timed] for name, timed in found.items()}
    rate = {name: median(each) for name, each in rates.items()}
    # Pair by pair: what else the machine does changes slowly.
    share = median([one / other for one, other in zip(rates["through"], rates["direct"], strict=True)])
    rows: Sequence[Sequence[object]] = [
        [f"tokens per second, {TOKENS} streamed (median)", rate["direct"], rate["through"], share, "≥ 0.95"],
        ["first token of a model that was not loaded (s)", "", cold.first_seconds, "", ""],
    ]
    show("Serving", ["", "engine directly", "by name, through the server", "ratio", "must reach"], rows)


def first_tokens(server: Server, proxy: httpx.Client) -> None:
    rows = []
    for model, name, words in [(MODEL, "1.4 M", 5), (MODEL, "1.4 M", 200), (SMALL, "109 M", 5), (SMALL, "109 M", 200)]:
        stream(proxy, model=model, max_tokens=1)
        with engine_client(server, proxy) as engine:
            rows.append(first_token(engine, proxy, model, name, words))
        if words > 5:
            stop_engines(proxy)
    header = ["parameters, tokens of the prompt", "directly (ms)", "by name (ms)", "added (ms)", "ratio", "must reach"]
    show("First token", header, rows)


def first_token(engine: httpx.Client, proxy: httpx.Client, model: str, name: str, words: int) -> list[object]:
    """One request after the other, in turn on either way, each with a prompt that no cache knows."""
    found: dict[str, list[float]] = {"direct": [], "through": []}
    both = [("direct", engine), ("through", proxy)]
    tokens = 0
    for number in range(FIRST_TOKENS):
        for way, client in both if number % 2 else reversed(both):
            prompt = f"{number:02} {way[0]} " + " ".join(PROMPT.split() * (words // 5))
            timed = stream(client, model=model, prompt=prompt, max_tokens=2)
            found[way].append(timed.first_seconds * 1000)
            tokens = timed.prompt_tokens
    pairs = list(zip(found["direct"], found["through"], strict=True))
    added = median([through - direct for direct, through in pairs])
    ratio = median([direct / through for direct, through in pairs])
    wanted = "≥ 0.95" if model == SMALL else ""
    return [f"{name}, {tokens}", median(found["direct"]), median(found["through"]), added, ratio, wanted]


def make_small(server: Server) -> None:
    """30 layers of 576 units, untrained; the rest is the built-in model's, which has been served."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    tiny, folder = HomeDirectory(server.home).models / MODEL, server.home / SMALL
    config = AutoConfig.from_pretrained(
        tiny,
        hidden_size=576,
        head_dim=64,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(folder)


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


def stream(client: httpx.Client, **changes: Any) -> Timed:
    body: dict[str, Any] = {**BODY, "stream": True, "stream_options": {"include_usage": True}, **changes}
    began = time.perf_counter()
    first, usage = 0.0, {"completion_tokens": 0, "prompt_tokens": 0}
    asked: AbstractContextManager[httpx.Response] = client.stream("POST", "/v1/completions", json=body)
    with asked as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            first = first or time.perf_counter() - began
            if '"usage": {' in line or '"usage":{' in line:
                usage = json.loads(line.removeprefix("data: "))["usage"]
    return Timed(first, time.perf_counter() - began, usage["completion_tokens"], usage["prompt_tokens"])


def engine_client(server: Server, client: httpx.Client) -> httpx.Client:
    """With the token that this server's engine asks for."""
    [found] = live_deployments(client)
    token = SecretBox(HomeDirectory(server.home).state).derive(f"engine:{found['id']}")
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{found['port']}", headers=headers, timeout=120)


def stop_engines(client: httpx.Client) -> None:
    while live := live_deployments(client):
        for one in live:
            client.delete(f"/api/v1/deployments/{one['id']}")
        time.sleep(0.1)


def live_deployments(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/v1/deployments").raise_for_status().json()["deployments"]
    return [one for one in found if not one["finished_at"]]
